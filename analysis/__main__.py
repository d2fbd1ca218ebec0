"""`python -m analysis {plane,information,curves,table,report} RUNS...`.

Exit code 0, or after one line 2 (bad input) or 1 (failure).
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from analysis.figures.kinds import FIGURES
from analysis.sources.wandb_runs import local_runs
from analysis.view import THEMES, VENUES, View
from vae_rd.config.options import Parser
from vae_rd.errors import InputError
from vae_rd.run.finding import find_runs
from vae_rd.run.record import SPLITS
from vae_rd.units import UNITS

if TYPE_CHECKING:
    import pandas as pd

REDO = "make a figure or report again, from what lies beside it: its command, where that was given"
REPORT = "one HTML file to explore: the plane, a table, and each run's curves, units and pictures"
SELECT_HELP = "only runs whose fields agree, such as \"beta < 10 and prior in ['normal', 'maf']\""
# What several figures obey; each names those that it does in its row.
SHARED: dict[str, dict[str, Any]] = {
    "group_by": {
        "type": lambda text: tuple(filter(None, text.split(","))),
        "default": (),
        "metavar": "FIELDS",
        "help": "fields of the config that make the groups, such as prior,decoder (default: what differs)",
    },
    "xlim": {"nargs": 2, "type": float, "metavar": ("FROM", "TO"), "help": "the ends of the horizontal axis"},
    "ylim": {"nargs": 2, "type": float, "metavar": ("FROM", "TO"), "help": "the ends of the vertical axis"},
    "log": {"choices": ("x", "y", "xy"), "default": "", "help": "axes that are logarithmic"},
    "inset": {
        "nargs": 4,
        "type": float,
        "metavar": ("X0", "X1", "Y0", "Y1"),
        "help": "a part that is drawn once more, larger",
    },
}
TABLE_OUT = "a .md, .tex (LaTeX, booktabs) or .csv file (default: markdown on standard output)"
RARELY = 200_000  # new objects from one search for garbage to the next: of 700 it is a fifth of a figure's time
# What every figure obeys.
LOOK: dict[str, dict[str, Any]] = {
    "venue": {"choices": VENUES, "default": "", "help": "whose widths, sizes and fonts it has (default: a journal's)"},
    "columns": {
        "choices": (1, 2),
        "type": int,
        "default": 1,
        "help": "of the page that it takes; several data sets take the page (default %(default)s)",
    },
    "theme": {"choices": THEMES, "default": THEMES[0], "help": "dark is for slides (default %(default)s)"},
}
RUNS_HELP = (
    "run folders, folders of runs, or globs of either, or wandb:ENTITY/PROJECT[/SWEEP]; runs that are not finished are "
    "left out"
)
WATCH_HELP = "draw again whenever a run changes, until none is running (Ctrl-C ends it)"
COLUMNS_HELP = (
    "where runs of other code at W&B have their numbers: beta=config.beta,rate=val/kl,distortion=val/recon, of the "
    "config or the summary"
)


def parser() -> Parser:
    """The command line; building it imports neither pandas nor matplotlib."""
    top = Parser(prog="python -m analysis", description="Figures and tables from run records alone.")
    names = ",".join((*FIGURES, "table", "report"))
    commands = top.add_subparsers(dest="command", required=True, metavar=f"{{{names}}}")
    for name, kind in FIGURES.items():
        command = _command(commands, name, kind.meaning, has_split=kind.has_split)
        for flag, words in ({flag: SHARED[flag] for flag in kind.reads} | LOOK).items():
            command.add_argument(f"--{flag}", **words)
        for own in kind.options:
            style: dict[str, Any] = {"type": own.kind, "default": own.default, "choices": own.choices}
            action = "append" if own.several else "store"
            command.add_argument(f"--{own.name}", help=own.meaning, action=action, **style)
        out = f"figures/{name}.pdf"
        more = "its suffix picks pdf, svg or png; the numbers go beside it as CSV (default %(default)s)"
        command.add_argument("-o", dest="out", default=out, type=Path, help=more)
        command.add_argument("--watch", action="store_true", help=WATCH_HELP)
    table = _command(commands, "table", "one row a run: D, R, the bounds on I, active units, collapse", has_split=True)
    table.add_argument("-o", dest="out", type=Path, help=TABLE_OUT)
    report = _command(commands, "report", REPORT, has_split=True)
    report.add_argument("--group_by", **SHARED["group_by"])
    more = "an .html file, which needs no other and no network (default %(default)s)"
    report.add_argument("-o", dest="out", type=Path, default=Path("figures/report.html"), help=more)
    redo = commands.add_parser("redo", help=REDO, description=f"{REDO[0].upper()}{REDO[1:]}.")
    redo.add_argument("figure", type=Path, metavar="FIGURE.json", help="what lies beside a figure or report")
    return top


def _command(commands: Any, name: str, meaning: str, *, has_split: bool) -> Parser:
    command: Parser = commands.add_parser(name, help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}.")
    command.add_argument("runs", nargs="+", metavar="RUNS", help=RUNS_HELP)
    command.add_argument("--select", metavar="EXPRESSION", help=SELECT_HELP)
    command.add_argument("--wandb_columns", metavar="COLUMNS", help=COLUMNS_HELP)
    command.add_argument("--units", choices=UNITS, default="nats", help="of all information (default %(default)s)")
    if has_split:
        command.add_argument("--split", choices=SPLITS, default="test", help="whose metrics (default %(default)s)")
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command line, print the paths written, and return the exit code."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # Of a home that cannot be written it says three lines.
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        options = parser().parse_args(words)
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _once()
            lines = _redone(options.figure) if options.command == "redo" else _carried_out(options, words)
    except InputError as error:
        return _complain(f"error: {error}", code=2)
    except OSError as error:  # Such as that no place is left for the caches of matplotlib.
        return _complain(f"failed: {' '.join(str(error).split())}", code=1)
    except KeyboardInterrupt as stop:
        return _complain(str(stop) or "interrupted; nothing was written", code=128 + signal.SIGINT)
    except SystemExit:  # --help is printed, and not yet flushed
        sys.exit(_say())
    return _say(*lines)


def _say(*lines: str | Path) -> int:
    """Print to standard output at once; a reader who has enough and leaves is no failure, a full disk is."""
    if sys.stdout is None:
        return _complain("failed: standard output is closed; open it", code=1)
    try:
        if lines:
            print(*lines, sep="\n")
        sys.stdout.flush()
    except OSError as error:
        _silence(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            return _complain(f"failed: standard output cannot be written ({error.strerror}); lead it elsewhere", code=1)
    return 0


def _complain(line: str, *, code: int) -> int:
    """Print a line to standard error, if there is one, and return the exit code."""
    try:
        if sys.stderr is not None:  # else it would go to standard output
            print(line, file=sys.stderr, flush=True)
    except OSError:
        _silence(sys.stderr)
    return code


def _silence(stream: TextIO) -> None:
    """Lead what is left in a stream's buffer nowhere: Python would try again when it ends, and change the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _once() -> Callable[..., None]:
    """What says each warning of a command once, in one line: a figure and its numbers read the same records."""
    said: set[str] = set()

    def one_line(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in said:
            said.add(str(message))
            _complain(f"warning: {message}", code=0)

    return one_line


def _carried_out(options: argparse.Namespace, words: Sequence[str]) -> Sequence[str | Path]:
    match options.command:
        case "table":
            return _table(options)
        case "report":
            return _report(options, words)
        case _:
            return _figure(options, words)


def _figure(options: argparse.Namespace, words: Sequence[str]) -> list[Path]:
    from analysis import output

    output.check_suffix(options.out, output.FIGURE_SUFFIXES)
    if not options.watch:
        return _drawn(options, words, _folders(options))  # What is refused so far need not wait for pandas.
    from analysis.watch import pause, watch

    once = [word for word in words if word != "--watch"]  # As the figure says it is made again.
    watch(lambda folders: _drawn(options, once, folders), lambda: _folders(options), _say, seconds=pause(options.runs))
    return []


def _drawn(options: argparse.Namespace, words: Sequence[str], folders: Sequence[Path]) -> list[Path]:
    from analysis import output

    runs, view, drawing = _selected(folders, options), _view(options), FIGURES[options.command].load()
    if options.watch:
        from analysis.rows.running import load_running

        view = replace(view, more={**view.more, "running": load_running(folders, units=options.units)})
    inputs = [*folders, *_published(view)]
    return output.write_figure(
        drawing.draw(runs, view), drawing.numbers(runs, view), options.out, runs=runs, argv=words, inputs=inputs
    )


def _published(view: View) -> list[Path]:
    """The files of points of others."""
    from analysis.rows.foreign import parsed

    return [parsed(option).path for option in view.more.get("foreign") or ()]


def _folders(options: argparse.Namespace) -> list[Path]:
    return find_runs(local_runs(options.runs, columns=options.wandb_columns))


def _selected(folders: Sequence[Path], options: argparse.Namespace) -> pd.DataFrame:
    from analysis.rows.runs import load_runs, measured_on
    from analysis.rows.selecting import select_runs

    runs = load_runs(folders, units=options.units)
    if options.select:
        runs = select_runs(runs, options.select, split=getattr(options, "split", "test"))
    return measured_on(runs, options.split) if "split" in options else runs  # A data set may have no such run.


def _view(options: argparse.Namespace) -> View:
    """What the options of a figure ask of it; its own are those that no other figure has."""
    given = vars(options)
    own = {option.name: given[option.name] for option in FIGURES[options.command].options}
    shared: dict[str, Any] = {f.name: given[f.name] for f in fields(View) if given.get(f.name) is not None}
    shared |= {name: tuple(value) for name, value in shared.items() if isinstance(value, list)}
    return View(**shared, more=own)


def _table(options: argparse.Namespace) -> Sequence[str | Path]:
    from analysis import output

    if options.out is not None:
        output.check_suffix(options.out, (".md", ".tex", ".csv"))
    folders = _folders(options)
    from analysis.figures import table as tables

    runs = _selected(folders, options)
    if options.out is None:
        return [tables.table(runs, split=options.split).rstrip("\n")]
    suffix = options.out.suffix.lower()
    if suffix == ".csv":
        content = output.csv_bytes(tables.table_numbers(runs, split=options.split))
    else:
        content = tables.table(runs, split=options.split, suffix=suffix).encode()
    return output.write_all({options.out: content}, command=options.command, inputs=folders)


def _report(options: argparse.Namespace, words: Sequence[str]) -> list[Path]:
    from analysis import output, provenance
    from analysis.report.page import page, plotly_script

    output.check_suffix(options.out, (".html",))
    script = plotly_script()
    folders = _folders(options)
    from analysis.report.contents import contents

    runs, command = _selected(folders, options), provenance.command_of(words)
    found = contents(runs, split=options.split, group_by=options.group_by, command=command)
    made = provenance.statement(runs, words, options.out, packages=provenance.OF_REPORT)
    files = {options.out: page(found, plotly=script).encode(), provenance.beside(options.out): made}
    return output.write_all(files, command=options.command, inputs=folders)


def _redone(path: Path) -> list[Path]:
    """The files of a figure or report that is made again in the folder where its command was given."""
    from analysis import provenance

    before = provenance.read(path)
    with chdir(before.place):
        written = [before.place / line for line in _carried_out(parser().parse_args(before.argv), before.argv)]
    if said := provenance.differences(before, provenance.read(path)):
        warnings.warn(said, UserWarning, stacklevel=2)
    return [Path(os.path.relpath(line)) for line in written]


if __name__ == "__main__":
    gc.set_threshold(RARELY)
    sys.exit(main())
