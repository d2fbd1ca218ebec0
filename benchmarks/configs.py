"""Every config file fitted briefly: as it is, interrupted and resumed, and by two processes: one table.

    VAE_RD_DATA=... python benchmarks/configs.py [--only STEM ...] [--write]

Two epochs of the first 128 training examples, or, of the grid, of `digits` with two layers of 16 and 32 channels, at
whose size a CPU gets through a decoder that reads x. Resumed, a fit must be
the one that nothing happened to, and by `--devices 2` the same to rounding. `--write` puts the table into
docs/families.md. Exits with 1 where one is not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from known_answers.fits import elbo_or_distortion, fit, interrupted, relative
from known_answers.tables import ROOT, put_table

CONFIGS: Mapping[str, Path] = {path.stem: path for path in sorted((ROOT / "configs").glob("**/*.yaml"))}
BRIEF = ("--max_epochs=2", "--val_every=1")
SMALL = (*BRIEF, "--n_train=128", "--n_test=64", "--batch_size=64")
DIGITS = (*BRIEF, "--data=digits", "--binarization=threshold", "--hidden=[16,32]", "--latent_dim=8")
RESUMED, TOGETHER = 1e-7, 1e-4


def row(stem: str) -> tuple[str, bool]:
    """The row of a config, and whether it holds."""
    path = CONFIGS[stem]
    flags = (f"--config={path}", *(DIGITS if path.parent.name == "grid" else SMALL))
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        one, seconds = fit(runs, *flags, "--name=one")
        resumed = relative(one, interrupted(runs, *flags, epochs=1))
        together = relative(one, fit(runs, *flags, "--name=two", "--devices=2", "--strategy=ddp")[0])
    cells = [stem, f"{elbo_or_distortion(one):.2f}", f"{resumed:.1e}", f"{together:.1e}"]
    return f"| {' | '.join([*cells, f'{seconds:.0f}'])} |", resumed <= RESUMED and together <= TOGETHER


def rows(stems: list[str]) -> Iterator[tuple[str, bool]]:
    """The table, line by line, each with whether it holds."""
    yield "| config | -ELBO, or D of an autoencoder | resumed | `--devices 2` | seconds of a fit |", True
    yield "|:---|---:|---:|---:|---:|", True
    yield from map(row, stems)


def main() -> int:
    parser = argparse.ArgumentParser(description="Every config file fitted, resumed, and fitted by two processes.")
    parser.add_argument("--only", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    parser.add_argument("--write", action="store_true", help="put the table into docs/families.md")
    options = parser.parse_args()
    lines, holds = [], True
    for line, is_held in rows(options.only):
        print(line if is_held else f"{line} **missed**", flush=True)
        lines.append(line)
        holds &= is_held
    if options.write:
        put_table("\n".join(lines), command="python benchmarks/configs.py --write", file=ROOT / "docs" / "families.md")
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
