"""`python -m vae_rd.evaluate RUN...`: measure finished runs again, or by more estimators; the records keep it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from vae_rd.command import run_command
from vae_rd.config import MOST
from vae_rd.errors import InputError
from vae_rd.records import SPLITS, Json

FLAGS = {
    "ais": "NLL and the decoder's own rate-distortion curve by annealed importance sampling, with its error",
    "gaps": "the inference gap in parts: what the family of q(z|x) costs, and what the encoder costs",
    "information": "R in parts: mutual information, total correlation, per-unit divergences",
    "dual": "bounds from below and above on the source's R(D) at this run's slope, for unlimited Gaussian-like sources",
}


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise InputError(f"{message}; see --help")


# What each option speaks to; given without any of them it is refused rather than ignored.
OPTIONS = {
    "samples": ("importance", "prior", "gaps"),
    "examples": ("importance", "prior", "ais", "gaps", "information"),
    "chains": ("ais",),
    "temperatures": ("ais",),
    "seed": ("importance", "prior", "ais", "gaps", "information", "dual"),
}


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_command(lambda: _lines(argv), goes_on="what is finished is in the records; the same command goes on")


def parser() -> Parser:
    """The command line of `python -m vae_rd.evaluate`."""
    command = Parser(prog="python -m vae_rd.evaluate", description=__doc__, allow_abbrev=False)
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a finished run")
    command.add_argument("--split", choices=SPLITS, help="of the estimates [test]; without any, of D, R and I [all]")
    command.add_argument("--nll", choices=("importance", "prior"), help="-E ln p(x), z from q(z|x) or from m(z)")
    for name, meaning in FLAGS.items():
        command.add_argument(f"--{name}", action="store_true", help=meaning)
    command.add_argument("--samples", type=_count, help="draws of z an example, of --nll and --gaps [5000]")
    command.add_argument("--examples", type=_count, help="how many, at random [all; 100 of --ais and --gaps]")
    command.add_argument("--chains", type=_count, help="of --ais, an example [16]")
    command.add_argument("--temperatures", type=_count, help="of --ais [500]")
    command.add_argument("--seed", type=_seed, help="of all draws [0]")
    return command


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number from 2 on")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdigit() or int(text) > MOST:
        raise argparse.ArgumentTypeError(f"{text}: give a whole number from 0 to {MOST}")
    return int(text)


def _lines(argv: Sequence[str]) -> Iterator[str]:
    options = parser().parse_args(argv)
    kinds = [options.nll] if options.nll else []
    kinds += [name for name in FLAGS if getattr(options, name)]
    asked = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    for name in asked:
        if not set(kinds) & set(OPTIONS[name]):
            raise InputError(f"--{name} belongs to {_flags_of(OPTIONS[name])}; add one of these, or leave it out")
    from vae_rd.estimates.base import Settings
    from vae_rd.experiment import open_run
    from vae_rd.reevaluation import add_estimates, check_estimates, renew_metrics

    settings = Settings(split=options.split or "test", **asked)
    runs = [open_run(folder) for folder in options.runs]  # All of them, before any work is begun.
    for run in runs:
        check_estimates(run, settings, kinds)
    for run in runs:
        yield f"{run.folder}:"
        if kinds:
            yield from (_line(entry) for entry in add_estimates(run, settings, kinds))
        else:
            yield from renew_metrics(run, [options.split] if options.split else SPLITS)


def _flags_of(kinds: Sequence[str]) -> str:
    return ", ".join(f"--{kind}" if kind in FLAGS else f"--nll {kind}" for kind in kinds)


def _line(entry: Json) -> str:
    value = "undefined" if entry["value"] is None else f"{entry['value']:.4f}"
    stderr = "" if entry["stderr"] is None else f" ± {entry['stderr']:.4f}"
    limit = f", certified 99 % limit {entry['limit']:.4f}" if entry.get("limit") is not None else ""
    bound = f"{entry['bound']} bound" if entry["bound"] else "estimate"
    if entry["kind"] == "dual" and not entry["certified"]:
        bound = "estimated lower bound"
    number = f"{value}{stderr} nats (n = {entry['n']:,}){limit}"
    return f"  {entry['kind']:<12} {entry['split']:<6} {number}  {bound}: {entry['source']}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
