"""`python -m vae_rd.explore RUN...`: what a finished run generates and infers, into RUN/explore/."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vae_rd import __version__
from vae_rd.config.explorations import AGAINST, EXPLORATIONS
from vae_rd.config.fields import MOST
from vae_rd.config.options import Parser, whole
from vae_rd.process.command import run_command
from vae_rd.process.imports import whole_imports
from vae_rd.run.finding import finished_of


def parser() -> Parser:
    """The options, with their help."""
    command = Parser(prog="python -m vae_rd.explore", description=__doc__, allow_abbrev=False)
    command.add_argument("--version", action="version", version=f"vae_rd {__version__}")
    runs = (
        "folders of finished runs, folders of runs, or globs of either; of the latter, what is unfinished is left out"
    )
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help=runs)
    words = "; ".join(f"{word}: {meaning}" for word, meaning in EXPLORATIONS.items())
    command.add_argument("--only", nargs="+", choices=tuple(EXPLORATIONS), default=(), help=f"[all] {words}")
    against = "data sets whose examples `ood` ranks with the run's own [those embedded that have its shape]"
    command.add_argument("--against", nargs="+", choices=AGAINST, default=(), metavar="DATA", help=against)
    command.add_argument("--seed", type=whole(0, MOST), default=0, help="of all draws [%(default)s]")
    command.add_argument("--data_file", help="where the file or folder of one's own data is now [as the run says]")
    return command


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_command(lambda: _lines(argv), goes_on="what was made is in the runs' folders; give the command again")


def _lines(argv: Sequence[str]) -> Iterator[str]:
    options = parser().parse_args(argv)
    folders, left_out = finished_of(options.runs)  # Whatever is refused so far need not wait for torch.
    with whole_imports():
        from vae_rd.experiment.exploring import explore_runs
        from vae_rd.explore.base import Asked

    asked, where = Asked(tuple(options.only), options.seed), options.data_file
    yield from explore_runs(folders, asked, against=options.against, data_file=where, said=left_out)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
