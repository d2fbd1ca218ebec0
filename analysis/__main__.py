"""`python -m analysis {plane,curves,table} RUNS...`: exit code 0, or 2 after one line on bad input."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS
from vae_rd.units import UNITS

RUNS_HELP = "run folders, folders of runs, or globs of either; runs that are not finished are left out"


class OneLineParser(argparse.ArgumentParser):
    """Raises what argparse would print as usage and error."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line with one line."""
        raise InputError(f"{message}; see {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """The command line; building it imports neither pandas nor matplotlib."""
    top = OneLineParser(prog="python -m analysis", description="Figures and tables from run records alone.")
    commands = top.add_subparsers(dest="command", required=True, metavar="{plane,curves,table}")
    figure = "its suffix picks pdf, svg or png; the numbers go beside it as CSV"
    plane = _command(
        commands, "plane", "the rate-distortion plane with all known lines, and the bounds H - D <= I <= R"
    )
    plane.add_argument("-o", dest="out", default="figures/plane.pdf", type=Path, help=f"{figure} (default %(default)s)")
    curves = _command(commands, "curves", "training and validation D, R and ELBO per epoch")
    curves.add_argument(
        "-o", dest="out", default="figures/curves.pdf", type=Path, help=f"{figure} (default %(default)s)"
    )
    table = _command(commands, "table", "one row a run: D, R, the bounds on I, active units, collapse")
    table.add_argument("-o", dest="out", type=Path, help="a .md or .csv file (default: markdown on standard output)")
    for command in (plane, table):
        command.add_argument("--split", choices=SPLITS, default="test", help="whose metrics (default %(default)s)")
    return top


def _command(commands: Any, name: str, meaning: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}.")
    command.add_argument("runs", nargs="+", metavar="RUNS", help=RUNS_HELP)
    command.add_argument("--units", choices=UNITS, default="nats", help="of all information (default %(default)s)")
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command line, print the paths written, and return the exit code."""
    try:
        options = parser().parse_args(argv)
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _one_line
            lines = {"plane": _plane, "curves": _curves, "table": _table}[options.command](options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(*lines, sep="\n")
    return 0


def _one_line(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _plane(options: argparse.Namespace) -> list[Path]:
    from analysis import output
    from analysis.figures import plane as figures
    from analysis.rows import runs as load

    output.check_suffix(options.out, output.FIGURE_SUFFIXES)
    runs = load.load_runs(options.runs, units=options.units)
    figure = figures.plane(runs, split=options.split)
    points, lines = figures.plane_numbers(runs, split=options.split)
    return output.write_figure(figure, {"": points, "-lines": lines}, options.out)


def _curves(options: argparse.Namespace) -> list[Path]:
    from analysis import output
    from analysis.figures import curves as figures
    from analysis.rows import runs as load

    output.check_suffix(options.out, output.FIGURE_SUFFIXES)
    runs = load.load_runs(options.runs, units=options.units)
    return output.write_figure(figures.curves(runs), {"": figures.curves_numbers(runs)}, options.out)


def _table(options: argparse.Namespace) -> Sequence[str | Path]:
    from analysis import output
    from analysis.figures import table as tables
    from analysis.rows import runs as load

    if options.out is not None:
        output.check_suffix(options.out, (".md", ".csv"))
    runs = load.load_runs(options.runs, units=options.units)
    text = tables.table(runs, split=options.split)
    if options.out is None:
        return [text.rstrip("\n")]
    numbers = tables.table_numbers(runs, split=options.split)
    content = output.csv_bytes(numbers) if options.out.suffix.lower() == ".csv" else text.encode()
    return output.write_all({options.out: content})


if __name__ == "__main__":
    sys.exit(main())
