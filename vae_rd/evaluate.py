"""`python -m vae_rd.evaluate RUN...`: measure finished runs again, or by more estimators; the records keep it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from vae_rd.config.estimates import ESTIMATES, flag_of
from vae_rd.config.fields import MOST
from vae_rd.config.options import Parser, whole
from vae_rd.errors import InputError
from vae_rd.process.command import run_command
from vae_rd.process.ranks import check_place, place, run_processes
from vae_rd.process.signals import whole_imports
from vae_rd.run.lock import locked
from vae_rd.run.record import SPLITS, Json, RunRecord

OPTIONS = ("samples", "examples", "chains", "temperatures", "seed")


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_command(lambda: _answer(argv), goes_on="what is finished is in the records; the same command goes on")


def parser() -> Parser:
    """The command line of `python -m vae_rd.evaluate`."""
    command = Parser(prog="python -m vae_rd.evaluate", description=__doc__, allow_abbrev=False)
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a finished run")
    command.add_argument("--split", choices=SPLITS, help="of the estimates [test]; without any, of D, R and I [all]")
    command.add_argument("--nll", choices=("importance", "prior"), help="-E ln p(x), z from q(z|x) or from m(z)")
    for kind, estimate in ESTIMATES.items():
        if estimate.flag is None:
            command.add_argument(f"--{kind}", action="store_true", help=estimate.meaning)
    command.add_argument("--samples", type=whole(2), help="draws of z an example, of --nll and --gaps [5000]")
    command.add_argument("--examples", type=whole(2), help="how many, at random [all; 100 of --ais and --gaps]")
    command.add_argument("--chains", type=whole(2), help="of --ais, an example [16]")
    command.add_argument("--temperatures", type=whole(2), help="of --ais [500]")
    command.add_argument("--seed", type=whole(0, MOST), help="of all draws [0]")
    command.add_argument("--devices", type=whole(1), default=1, help="processes on each machine, one a device [1]")
    command.add_argument("--num_nodes", type=whole(1), default=1, help="machines, as for vae_rd.fit [1]")
    return command


def _answer(argv: Sequence[str]) -> Iterator[str] | int:
    options, found = parser().parse_args(argv), place()
    check_place(found, devices=options.devices, num_nodes=options.num_nodes)
    if found is None and options.devices > 1:
        return run_processes("vae_rd.evaluate", argv, count=options.devices)
    return _lines(options)


def _lines(options: argparse.Namespace) -> Iterator[str]:
    kinds = [options.nll] if options.nll else []
    kinds += [kind for kind, estimate in ESTIMATES.items() if estimate.flag is None and getattr(options, kind)]
    given = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    for name in given:
        readers = [kind for kind, estimate in ESTIMATES.items() if name in estimate.reads]
        if not set(kinds) & set(readers):
            flags = ", ".join(map(flag_of, readers))
            raise InputError(f"--{name} belongs to {flags}; add one of these, or leave it out")
    with whole_imports():
        import torch

        from vae_rd.estimates.base import Settings
        from vae_rd.experiment.evaluating import add_estimates, check_estimates, renew_metrics
        from vae_rd.experiment.loading import open_run
        from vae_rd.process.collectives import broadcast, check_same, connected, on_all_ranks, rank_zero_first

    settings = Settings(split=options.split or "test", **given)
    cuda = torch.cuda.is_available() and any(_wants_gpu(folder) for folder in options.runs)
    with connected(devices=options.devices, num_nodes=options.num_nodes, cuda=cuda), ExitStack() as held:
        check_same(vars(options), what="options")
        broadcast(lambda: _hold(options.runs, held))
        # All of them, before any work is begun.
        runs = [on_all_ranks(partial(rank_zero_first, partial(open_run, folder))) for folder in options.runs]
        for run in runs:
            check_estimates(run, settings, kinds)
        for run in runs:
            yield f"{run.folder}:"
            if kinds:
                yield from (_line(entry) for entry in add_estimates(run, settings, kinds))
            else:
                yield from renew_metrics(run, [options.split] if options.split else SPLITS)


def _wants_gpu(folder: Path) -> bool:
    return RunRecord.read(folder).config.get("accelerator") != "cpu"


def _hold(folders: Sequence[Path], held: ExitStack) -> None:
    """Keep every other process from working on these runs until `held` is closed."""
    for folder in {folder.resolve(): folder for folder in folders}.values():
        RunRecord.read(folder)  # No file is written where there is no run.
        held.enter_context(locked(folder))


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
