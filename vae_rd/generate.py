"""`python -m vae_rd.generate RUN -o samples.png`: draw images from a finished run, z from its prior or a fitted one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from vae_rd import __version__
from vae_rd.config.estimates import MARGINALS
from vae_rd.config.fields import MOST
from vae_rd.config.options import Parser, whole
from vae_rd.errors import InputError
from vae_rd.process.command import run_command
from vae_rd.process.imports import whole_imports
from vae_rd.run.finding import check_finished
from vae_rd.run.record import RunRecord

SUFFIXES = (".npz", ".png")


def parser() -> Parser:
    """The options, with their help."""
    command = Parser(prog="python -m vae_rd.generate", description=__doc__, allow_abbrev=False)
    command.add_argument("--version", action="version", version=f"vae_rd {__version__}")
    command.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    marginal = "z from the prior that `evaluate --fit_marginal` left in the run [from the run's own prior]"
    command.add_argument("--marginal", choices=tuple(MARGINALS), help=marginal)
    command.add_argument("-n", dest="count", type=whole(1), default=64, help="images [%(default)s]")
    command.add_argument("--seed", type=whole(0, MOST), default=0, help="of all draws [%(default)s]")
    command.add_argument("--data_file", help="where the file or folder of one's own data is now [as the run says]")
    out = ".png for a picture of x in 0..1, .npz for `images` [n, H, W] or [n, H, W, C] and `z` [n, D] [%(default)s]"
    command.add_argument("-o", dest="out", type=Path, default=Path("samples.png"), help=out)
    return command


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_command(lambda: _lines(argv), goes_on="nothing was written; give the command again")


def _lines(argv: Sequence[str]) -> list[str]:
    options = parser().parse_args(argv)
    if options.out.suffix.lower() not in SUFFIXES:
        raise InputError(f"-o {options.out}: end the name in {' or '.join(SUFFIXES)}; the suffix picks the format")
    check_finished(RunRecord.read(options.run), options.run)  # Whatever is refused so far need not wait for torch.
    with whole_imports():
        from vae_rd.experiment.generating import generate

    return [str(generate(**vars(options)))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
