"""`python -m vae_rd.sweep sweeps/beta.yaml`: carry out a W&B sweep file here, by W&B's agents, or on SLURM."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

if __name__ == "__main__":  # Ctrl-C ends these imports as other signals do, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from vae_rd.cli import split
from vae_rd.command import run_command
from vae_rd.config import FIELDS, MOST
from vae_rd.errors import InputError
from vae_rd.launch.by_agents import run_by_agents
from vae_rd.launch.local import run_local
from vae_rd.launch.plan import Plan, plan, planned
from vae_rd.launch.search import STARTUP, first_cube, point_at
from vae_rd.launch.sweep_file import read_sweep_file
from vae_rd.options import Parser, whole

LAUNCHERS = {"local": run_local, "wandb": run_by_agents}


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_command(lambda: _answer(argv), goes_on="the same command does what is left")


def parser() -> Parser:
    """The command line of `python -m vae_rd.sweep`, but for the flags of fits."""
    command = Parser(
        prog="python -m vae_rd.sweep",
        usage="python -m vae_rd.sweep FILE [options] [--FLAG VALUE]...",
        description=__doc__,
        epilog="Every flag of python -m vae_rd.fit may follow: all runs get it, whatever the file says of it.",
        allow_abbrev=False,
    )
    command.add_argument("file", type=Path, metavar="FILE", help="a W&B sweep file, such as sweeps/beta.yaml")
    command.add_argument(
        "--launcher", choices=tuple(LAUNCHERS), default="local", help="who carries the runs out [local]"
    )
    command.add_argument("--jobs", type=whole(1), help="runs at a time [one a GPU; without GPUs one a core, up to 8]")
    command.add_argument("--count", type=whole(1), help="runs in all, in place of the file's run_cap")
    command.add_argument("--search_seed", type=whole(0, MOST), default=0, help="of random and bayes [0]")
    command.add_argument("--dry_run", action="store_true", help="print the runs' commands and do nothing")
    return command


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, Plan]:
    """The options of a command line, and the plan that it asks for.

    Raises:
        InputError: for a wrong option or flag, or a bad sweep file.
    """
    options, rest = parser().parse_known_args(argv)
    file = read_sweep_file(options.file, fixed=_fixed(rest), count=options.count)
    return options, plan(file, search_seed=options.search_seed)


def _answer(argv: Sequence[str]) -> Iterable[str] | int:
    options, asked = parse(argv)
    if options.dry_run:
        return _commands(asked)
    return LAUNCHERS[options.launcher](asked, jobs=options.jobs)


def _fixed(words: Sequence[str]) -> Mapping[str, str]:
    """The flags of fits among the words of a command line."""
    fixed = dict(split(words))
    if others := [name for name in fixed if name not in FIELDS]:
        raise InputError(f"--{others[0]}: goes into the sweep file's command, before ${{args}}")
    return fixed


def _commands(asked: Plan) -> Iterator[str]:
    """Each run's command; of a search those of its first draws, which no result changes."""
    if asked.runs:
        yield from (run.command for run in asked.runs)
        return
    first = min(STARTUP, asked.total)
    cubes = (first_cube(asked.file, asked.search_seed, i) for i in range(first))
    yield from (planned(asked.file, point_at(asked.file, cube)).command for cube in cubes)
    if asked.total > first:
        yield f"# and up to {asked.total - first} more, chosen by what the runs before them give"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
