"""The verdict on training against what is known: confusion tables of constructed histories and of fits made to do each.

    VAE_RD_DATA=... python benchmarks/fit_verdict.py [--held_out] [--runs FOLDER] [--seeds N] [--write]

Fits that are not there yet are made (static MNIST takes minutes each); what is there is judged by its record and its
history.csv. `--held_out`: histories and fits that no threshold or rule was set by. `--write` puts both tables into
docs/training.md.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from known_answers.tables import ROOT, put_table

from vae_rd import fit as fits
from vae_rd.run.files import HISTORY_FILE
from vae_rd.run.record import RunRecord
from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.fit import fit, fit_verdict
from vae_rd.verdicts.histories import rows_of
from vae_rd.verdicts.notes import TrainingFacts

sys.path.append(str(ROOT / "tests"))
from helpers.histories import made

DOCS = ROOT / "docs" / "training.md"
VERDICTS = ("converged", "still falling", "underfitting", "overfitting", "KL unstable")
# What a history is made to do, and how; see `made`. Underfitting shows in metrics, not in histories.
CONSTRUCTED: Mapping[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {
    "converged": (
        ("settled", {}),
        ("settled", {"noise": 0.5}),
        ("settled", {"noise": 0.5, "decayed": True}),
        ("settled", {"epochs": 12}),
        ("worsened", {}),
        ("overfitted", {"size": 0.05}),
        ("spiked", {"size": 0.05}),
        ("slow", {"size": 0.01}),
    ),
    "still falling": (("slow", {}), ("slow", {"noise": 0.3}), ("slow", {"decayed": True}), ("slow", {"epochs": 10})),
    "overfitting": (
        ("overfitted", {}),
        ("overfitted", {"noise": 0.5, "size": 5.0}),
        ("overfitted", {"decayed": True, "size": 2.0}),
        ("overfitted", {"epochs": 12, "size": 2.0}),
    ),
    "KL unstable": (("spiked", {}), ("spiked", {"noise": 0.5}), ("spiked", {"decayed": True, "noise": 0.2})),
}
DIGITS = "--data digits --binarization threshold"
MNIST = "--data static_mnist --n_train 2500 --n_test 2000"
LINEAR = "--data gaussian --encoder linear --decoder linear --likelihood gaussian --likelihood_scale 0.4 --n_test 2000"
REAL: Mapping[str, Mapping[str, str]] = {
    "converged": {
        "digits_16": f"{DIGITS} --max_epochs 100",
        "digits_k8": f"{DIGITS} --max_epochs 100 --latent_dim 8",
        "digits_k32": f"{DIGITS} --max_epochs 100 --latent_dim 32",
        "digits_lr3e-2_const": f"{DIGITS} --max_epochs 60 --lr 3e-2 --lr_schedule constant",
        "linear_30": f"{LINEAR} --max_epochs 30 --latent_dim 6",
        "linear_beta3": f"{LINEAR} --max_epochs 30 --latent_dim 6 --beta 3",
    },
    "still falling": {
        "digits_lr1e-3_const": f"{DIGITS} --max_epochs 60 --lr 1e-3 --lr_schedule constant",
        "sprites_lr1e-3_const": "--max_epochs 60 --lr 1e-3 --lr_schedule constant",
        "sprites_lr3e-2": "--max_epochs 60 --lr 3e-2",
        "digits_few": f"{DIGITS} --max_epochs 8",
        "digits_few_const": f"{DIGITS} --max_epochs 8 --lr 1e-3 --lr_schedule constant",
        "sprites_few": "--max_epochs 5",
        "linear_few": f"{LINEAR} --max_epochs 3 --latent_dim 6",
    },
    "underfitting": {
        "digits_k2": f"{DIGITS} --max_epochs 100 --latent_dim 2",
        "digits_k4": f"{DIGITS} --max_epochs 100 --latent_dim 4",
        "sprites_k2": "--max_epochs 100 --latent_dim 2",
        "digits_h1": f'{DIGITS} --max_epochs 100 --hidden "[1]"',
        "digits_h2": f'{DIGITS} --max_epochs 100 --hidden "[2]"',
        "digits_h8": f'{DIGITS} --max_epochs 100 --hidden "[8]"',
        "sprites_h2": '--max_epochs 100 --hidden "[2]"',
    },
    "overfitting": {"mnist5": f'{MNIST} --hidden "[1024, 1024]" --max_epochs 40'},
    "KL unstable": {
        "digits_lr1e-1_const": f"{DIGITS} --max_epochs 60 --lr 1e-1 --lr_schedule constant",
        "sprites_lr3e-2_const": "--max_epochs 60 --lr 3e-2 --lr_schedule constant",
    },
}


# No threshold or rule was set by these: other seeds, lengths, noises, sizes, widths and rates.
HELD_OUT_SEEDS = 1000  # Of the first history.
HELD_OUT: Mapping[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {
    "converged": (
        ("settled", {"epochs": 25, "noise": 0.2}),
        ("settled", {"epochs": 80, "noise": 0.3, "decayed": True}),
        ("worsened", {"size": 3.0, "noise": 0.2}),
    ),
    "still falling": (("slow", {"epochs": 25, "noise": 0.2}), ("slow", {"epochs": 80, "size": 2.0, "noise": 0.5})),
    "overfitting": (
        ("overfitted", {"epochs": 25, "size": 1.5, "noise": 0.1}),
        ("overfitted", {"epochs": 80, "size": 3.0, "noise": 0.3, "decayed": True}),
    ),
    "KL unstable": (("spiked", {"epochs": 25, "size": 0.8}), ("spiked", {"epochs": 80, "noise": 0.3, "size": 2.0})),
}
HELD_OUT_REAL: Mapping[str, Mapping[str, str]] = {
    "converged": {
        "digits_k12": f"{DIGITS} --max_epochs 100 --latent_dim 12 --seed 7 --beta 1.5",
        "digits_h128": f'{DIGITS} --max_epochs 100 --hidden "[128]" --seed 7 --beta 2',
        "linear_beta1.5": f"{LINEAR} --max_epochs 25 --latent_dim 7 --beta 1.5 --seed 7",
    },
    "still falling": {
        "digits_lr5e-4": f'{DIGITS} --max_epochs 40 --hidden "[256]" --lr 5e-4 --lr_schedule constant --seed 7',
        "digits_short": f'{DIGITS} --max_epochs 6 --hidden "[256]" --seed 7',
    },
    "underfitting": {
        "digits_k1": f"{DIGITS} --max_epochs 60 --latent_dim 1 --seed 7",
        "digits_k3": f'{DIGITS} --max_epochs 60 --latent_dim 3 --hidden "[128]" --seed 7',
        "digits_h3": f'{DIGITS} --max_epochs 100 --hidden "[3]" --seed 7',
        "digits_h4_k8": f'{DIGITS} --max_epochs 100 --hidden "[4]" --latent_dim 8 --seed 7',
        "sprites_h1": '--max_epochs 40 --hidden "[1]" --seed 7',
    },
    "KL unstable": {
        "digits_lr2e-1": f'{DIGITS} --max_epochs 40 --hidden "[256]" --lr 2e-1 --lr_schedule constant --seed 7'
    },
}


def constructed(rows_of_kind: Sequence[tuple[str, Mapping[str, Any]]], seeds: range) -> Counter[str]:
    """The verdicts on histories of a kind, so many of each way."""
    facts = TrainingFacts(1.0, is_sample=True, values=256)
    rows = (made(name, seed=seed, **how) for name, how in rows_of_kind for seed in seeds)
    return Counter(str(fit_verdict(some, facts)["verdict"]) for some in rows)


def judged(folder: Path) -> str:
    """The verdict on a finished run, of any version that left a history."""
    record = RunRecord.read(folder)
    rows = rows_of((folder / HISTORY_FILE).read_text(encoding="utf-8"), slope=record.model["slope"])
    verdict = fit(Evidence(record.metrics, record.model["latent_dim"], rows, record.model, record.data))
    assert verdict is not None, "it has a history"
    return str(verdict["verdict"])


def real(kind: str, fits_of_kind: Mapping[str, str], runs: Path) -> Counter[str]:
    """The verdicts on the fits of a kind, which are made where they are not finished."""
    found = []
    for name, flags in fits_of_kind.items():
        code = fits.main([*shlex.split(flags), f"--run_dir={runs}", f"--name={name}", "--wandb=off", "--resume=auto"])
        found.append(judged(runs / name) if code == 0 else "failed")
        print(f"{name}: made to be {kind}, found {found[-1]}", flush=True)
    return Counter(found)


def table(rows: Mapping[str, Counter[str]]) -> str:
    """Made to do by found, as counts."""
    lines = [f"| made to be / found | {' | '.join(VERDICTS)} |", "|:---|" + "---:|" * len(VERDICTS)]
    lines += [f"| {kind} | {' | '.join(str(found[word] or '') for word in VERDICTS)} |" for kind, found in rows.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/fit_verdict"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--held_out", action="store_true", help="cases that no threshold was set by")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    first, runs = (HELD_OUT_SEEDS, options.runs / "held_out") if options.held_out else (0, options.runs)
    histories, fits_made = (HELD_OUT, HELD_OUT_REAL) if options.held_out else (CONSTRUCTED, REAL)
    seeds = range(first, first + options.seeds)
    known = table({kind: constructed(some, seeds) for kind, some in histories.items()})
    print(known, flush=True)
    fitted = table({kind: real(kind, some, runs) for kind, some in fits_made.items()})
    print(fitted)
    if options.write:
        which = " --held_out" if options.held_out else ""
        put_table(f"{known}\n\n{fitted}", command=f"benchmarks/fit_verdict.py{which}", file=DOCS)


if __name__ == "__main__":
    main()
