"""The command line of `python -m vae_rd.sweep`."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vae_rd import __version__
from vae_rd.config.cli import split, with_place
from vae_rd.config.fields import FIELDS, MOST
from vae_rd.config.options import Parser, whole
from vae_rd.config.values import expanded
from vae_rd.errors import InputError
from vae_rd.launch.points.continuation import WAYS
from vae_rd.launch.points.multirate import TUNING_EPOCHS
from vae_rd.launch.points.sweep_file import SweepFile, read_sweep_file

DESCRIPTION = "Carry out a W&B sweep file here, by W&B's agents, or on SLURM."
LAUNCHERS = ("local", "packed", "continuation", "multirate", "wandb", "slurm")
# The options of SLURM's tasks, which are the fields of SlurmOptions: what each means, and its type.
SLURM: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "partition": ("of the cluster", str),
    "minutes": ("time limit of a task [60]", whole(1)),
    "gpus": ("of a process of a fit [0]", whole(0)),
    "cpus": ("of a process of a fit [1]", whole(1)),
    "memory_gb": ("of a task", whole(1)),
    "at_once": ("tasks at a time", whole(1)),
}
OF_LAUNCHER = {  # The options that one launcher alone looks at.
    "continuation": ("continuation_epochs", "ways"),
    "multirate": ("ranges", "tuning_epochs"),
    "packed": ("ensemble_chunk",),
    "slurm": (*SLURM, "no_requeue", "script"),
}


def parser() -> Parser:
    """The command line of `python -m vae_rd.sweep`, but for the flags of fits."""
    command = Parser(
        prog="python -m vae_rd.sweep",
        usage="python -m vae_rd.sweep FILE [options] [--FLAG VALUE]...\n       "
        "python -m vae_rd.sweep --suggest [-o FILE] [--count N] [--FLAG VALUE]...",
        description=DESCRIPTION,
        epilog="Every flag of python -m vae_rd.fit may follow: all runs get it, whatever the file says of it. With "
        "--suggest in the place of FILE, a file is written whose betas suit the data: see --suggest --help.",
        allow_abbrev=False,
    )
    command.add_argument("file", type=path_of, metavar="FILE", help="a W&B sweep file, such as sweeps/beta.yaml")
    command.add_argument("--launcher", choices=LAUNCHERS, default="local", help="who carries the runs out [local]")
    command.add_argument(
        "--jobs", type=whole(1), help="runs (packs) at a time [one a GPU; without GPUs one a core, up to 8]"
    )
    command.add_argument("--count", type=whole(1), help="runs in all, in place of the file's run_cap")
    command.add_argument("--search_seed", type=whole(0, MOST), default=0, help="of random and bayes [0]")
    command.add_argument("--version", action="version", version=f"vae_rd {__version__}")
    command.add_argument("--dry_run", action="store_true", help="print the runs' commands and do nothing")
    along = command.add_argument_group("with --launcher continuation: each beta from its neighbour's weights")
    epochs = "of every run but the first of each chain [a quarter of its, and of its --max_steps]"
    along.add_argument("--continuation_epochs", type=whole(1), help=epochs)
    along.add_argument("--ways", choices=WAYS, help="from the greatest beta down, the least up, or down and up [both]")
    many = command.add_argument_group("with --launcher multirate: each beta from a model of many")
    many.add_argument("--ranges", type=_ranges, help='of betas, a model each, as "[[0.01, 0.6], [0.3, 10]]" [one]')
    many.add_argument("--tuning_epochs", type=whole(1), help=f"of the run at each beta [{TUNING_EPOCHS}]")
    packed = command.add_argument_group("with --launcher packed")
    packed.add_argument("--ensemble_chunk", type=_chunk, help="runs in a pack, or auto: as many as memory holds [auto]")
    slurm = command.add_argument_group("with --launcher slurm")
    for name, (meaning, kind) in SLURM.items():
        slurm.add_argument(f"--{name}", type=kind, help=meaning)
    slurm.add_argument("--no_requeue", action="store_true", help="a task that is stopped stays out of the queue")
    slurm.add_argument("--script", type=path_of, metavar="PATH", help="write an sbatch script of W&B agents instead")
    return command


def _chunk(text: str) -> int | str:
    return text if text == "auto" else whole(1)(text)


def _ranges(text: str) -> list[tuple[float, float]]:
    try:
        found = [(float(low), float(high)) for low, high in json.loads(text)]
    except (ValueError, TypeError):
        found = []
    if not found or not all(0 < low < high < math.inf for low, high in found):
        raise argparse.ArgumentTypeError(f"{text!r}: give the least and the greatest beta of each, as [[0.01, 0.6]]")
    return found


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, SweepFile]:
    """The options of a command line, and the sweep file with what the flags on it fix.

    Raises:
        InputError: for a wrong option or flag, or a bad sweep file.
    """
    options, rest = parser().parse_known_args(argv)
    _check(options)
    file = read_sweep_file(options.file, fixed=fixed_flags(split(rest)), count=options.count)
    if file.method == "grid" and options.search_seed != 0:
        raise InputError("--search_seed: a grid draws nothing; leave it out, or give its parameter seed several values")
    return options, file


def path_of(text: str) -> Path:
    """The path that an option names, `~` being the home folder."""
    return Path(expanded(text, where="the path"))


def _check(options: argparse.Namespace) -> None:
    """Refuse options that the launcher would not look at."""
    for launcher, names in OF_LAUNCHER.items():
        given = [name for name in names if getattr(options, name) not in (None, False)]
        if given and options.launcher != launcher:
            raise InputError(f"--{given[0]} belongs to --launcher {launcher}; add it, or leave --{given[0]} out")
    if options.search_seed != 0 and (options.launcher == "wandb" or options.script is not None):
        raise InputError("--search_seed: W&B's server draws the points of its sweeps; leave it out")
    if options.jobs is not None and options.launcher == "slurm":
        raise InputError("--jobs is of this machine; with --launcher slurm, --at_once limits the tasks at a time")


def fixed_flags(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """The flags of fits on a command line, each with its one value; `--data hf:PLACE` is two of them.

    Raises:
        InputError: for one that is given two, or that is none of a fit's.
    """
    fixed: dict[str, str] = {}
    for name, value in pairs:
        if fixed.setdefault(name, value) != value:
            raise InputError(f"--{name} is given twice; runs differ by the file, as in {name}: {{values: [...]}}")
    if others := [name for name in fixed if name not in FIELDS]:
        raise InputError(f"--{others[0]}: goes into the sweep file's command, before ${{args}}")
    return with_place(fixed)
