"""What a command imports before it answers or refuses: nothing that takes long, whatever the machine's pace.

The 0.3 s that this is for are measured by `python benchmarks/start_up.py`.
"""

import subprocess
import sys

import pytest

from helpers.common import ROOT

HEAVY = (
    *("torch", "lightning", "torchmetrics", "wandb", "numpy", "scipy", "pandas", "matplotlib", "PIL", "omegaconf"),
    *("rich", "pooch", "tqdm", "optuna", "submitit"),
)
WATCHED = f"""
import atexit, runpy, sys
module, *sys.argv[1:] = sys.argv[1:]
atexit.register(lambda: print("imported:", [name for name in {HEAVY} if name in sys.modules], file=sys.stderr))
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
ANSWERED = [
    *(f"vae_rd.{command} {flag}" for command in ("fit", "evaluate", "generate", "sweep", "beta")
      for flag in ("--help", "--version")),
    "analysis --help",
    "analysis plane --help",
    "vae_rd.beta mse --weight 4",
    f"vae_rd.sweep {ROOT}/sweeps/beta.yaml --dry_run",
]  # fmt: skip
REFUSED = [
    *("vae_rd.fit --beta x", "vae_rd.fit --bta 4", "vae_rd.fit --config none.yaml", "vae_rd.fit --name there"),
    *("vae_rd.fit --data npz --data_file none.npz", "vae_rd.fit --batch_size 9 --devices 2"),
    *(
        "vae_rd.evaluate none",
        "vae_rd.evaluate --bta",
        "vae_rd.evaluate runs/there",
        "vae_rd.evaluate none --samples 9",
    ),
    *("vae_rd.sweep none.yaml", "vae_rd.sweep", f"vae_rd.sweep {ROOT}/sweeps/beta.yaml --bta 4"),
    *("vae_rd.beta", "vae_rd.beta huber", "vae_rd.beta mse --over_pixels mean"),
    *("analysis plan", "analysis plane none", "analysis plane runs -o x.gif", "analysis table none"),
]


def run(line: str, folder) -> tuple[int, str]:
    """The exit code of a command, and the last line of its errors: what it has imported."""
    words = [sys.executable, "-c", WATCHED, *line.split()]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr.splitlines()[-1]


@pytest.fixture
def folder(tmp_path):
    """With a run that was interrupted."""
    (tmp_path / "runs" / "there").mkdir(parents=True)
    from vae_rd.run.record import RunRecord

    RunRecord("there", "", {}, {}, status="interrupted").write(tmp_path / "runs" / "there")
    return tmp_path


@pytest.mark.parametrize("line", ANSWERED)
def test_an_answer_waits_for_nothing(line, folder):
    assert run(line, folder) == (0, "imported: []")


@pytest.mark.parametrize("line", REFUSED)
def test_a_refusal_waits_for_nothing(line, folder):
    assert run(line, folder) == (2, "imported: []")
