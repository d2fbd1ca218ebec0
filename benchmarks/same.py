"""Short fits by this checkout and by another revision of it: are their numbers equal to the last bit?

    python benchmarks/same.py REVISION

Compared are history.csv, the tensors of the kept checkpoint, and the record's metrics. Data sets whose files
`VAE_RD_DATA` does not have are left out. Takes about five minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
GREY = ["--dequantize=uniform", "--likelihood=gaussian_optimal", "--encoder=conv", "--decoder=conv", "--samples=2"]
SPRITES = ["--config=configs/sprites_mlp.yaml", "--max_epochs=3", "--hidden=[64, 32]", "--n_train=1024"]
OMNIGLOT = ["--max_epochs=2", "--n_train=1024", "--n_test=500"]
FITS = {
    "sprites mlp": SPRITES,
    "omniglot conv": ["--config=configs/omniglot_conv.yaml", *OMNIGLOT, "--hidden=[8, 16]", "--beta=0.5"],
    "gaussian_linear": ["--config=configs/gaussian_linear.yaml", "--max_epochs=10", "--beta_warmup=200"],
    "toy_channel": ["--config=configs/toy_channel.yaml", "--max_epochs=10", "--n_test=2000"],
    "gaussian_optimal": ["--config=configs/cmu_faces_conv.yaml", "--max_epochs=4", "--hidden=[4, 8, 8]", *GREY],
    "noisy_sprites": ["--data=noisy_sprites", "--hidden=[32]", "--max_epochs=2", "--n_test=2000"],
    "gaussian_pixel": [
        "--data=cmu_faces",
        *GREY[:1],
        "--likelihood=gaussian_pixel",
        "--precision=64",
        "--max_epochs=2",
    ],
    "gaussian_shared": ["--data=gaussian", "--likelihood=gaussian_shared", "--decoder=linear", "--whiten"],
    "sprites mlp, 2 processes": [*SPRITES, "--devices=2"],
    "gaussian_optimal, 2 processes": ["--data=omniglot", *GREY, *OMNIGLOT, "--hidden=[4, 8]", "--devices=2"],
}
SIZES = {
    "gaussian_pixel": ["--batch_size=32", "--hidden=[16]"],
    "gaussian_shared": ["--max_epochs=2", "--n_train=2000"],
}


def fit(name: str, *, code: Path, runs: Path, other: Path, version: int) -> Path | None:
    """The folder of one run by the code of a checkout; None where its data are not at hand.

    Both read the other checkout's configs, and mean by unsaid flags what that one does.
    """
    words = [*FITS[name], *SIZES.get(name, []), f"--run_dir={runs}", "--name=run", "--wandb=off", "--accelerator=cpu"]
    words += [f"--defaults_version={version}"] if code == ROOT else []
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "vae_rd.fit", *words]
    done = subprocess.run(command, cwd=other, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 2:
        print(f"{name:<32} left out: {done.stderr.strip()}")
        return None
    done.check_returncode()
    return runs / "run"


def defaults_version(code: Path) -> int:
    """That of a checkout; 1 where it knows of none."""
    asked = [sys.executable, "-c", "from vae_rd.config.versions import DEFAULTS_VERSION as v; print(v)"]
    done = subprocess.run(asked, cwd=code, env={**os.environ, "PYTHONPATH": str(code)}, capture_output=True, text=True)
    return int(done.stdout) if done.returncode == 0 else 1


def equal(a: Path, b: Path) -> dict[str, bool]:
    """What of two runs is equal to the last bit."""
    weights = [torch.load(run / "checkpoints/kept.ckpt", weights_only=True)["state_dict"] for run in (a, b)]
    metrics = [json.loads((run / "record.json").read_text())["metrics"] for run in (a, b)]
    same = weights[0].keys() == weights[1].keys() and all(torch.equal(v, weights[1][k]) for k, v in weights[0].items())
    history = (a / "history.csv").read_bytes() == (b / "history.csv").read_bytes()
    return {"history": history, "weights": same, "metrics": metrics[0] == metrics[1]}


def main() -> int:
    """Print a row a fit; the exit code is the number of fits whose history or weights differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision")
    revision, differing = parser.parse_args().revision, 0
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(other)], check=True)
        subprocess.run(["git", "-C", str(other), "checkout", "-q", revision], check=True)
        common = {"other": other, "version": defaults_version(other)}
        for number, name in enumerate(FITS):
            runs = [fit(name, code=c, runs=Path(folder) / f"{number}-{c.name}", **common) for c in (ROOT, other)]
            if runs[0] is not None and runs[1] is not None:
                found = equal(runs[0], runs[1])
                differing += not (found["history"] and found["weights"])
                print(
                    f"{name:<32} " + "  ".join(f"{what} {'equal' if yes else 'DIFFER'}" for what, yes in found.items())
                )
    return differing


if __name__ == "__main__":
    sys.exit(main())
