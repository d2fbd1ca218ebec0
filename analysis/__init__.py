"""Figures and tables from run records alone: no torch, no lightning, no wandb, no network to rebuild.

    from analysis import (curves, information, load_runs, plane, table)

    runs = load_runs("runs/sprites_beta")      # one row per run and split
    plane(runs).savefig("plane.pdf")           # the rate-distortion plane and the bounds on I(X; Z)
    information(runs).savefig("a.pdf")         # accuracy of probes over R, of runs that were probed
    curves(runs).savefig("curves.pdf")         # D, R and ELBO per epoch
    print(table(runs))                         # markdown

The same from a shell: `python -m analysis {plane,information,curves,table} RUNS...`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.figures.beta import beta as beta
    from analysis.figures.collapse import collapse as collapse
    from analysis.figures.curves import curves as curves
    from analysis.figures.decomposition import decomposition as decomposition
    from analysis.figures.fit import fit as fit
    from analysis.figures.frontier import frontier as frontier
    from analysis.figures.information import information as information
    from analysis.figures.latents import latents as latents
    from analysis.figures.plane import plane as plane
    from analysis.figures.reconstructions import reconstructions as reconstructions
    from analysis.figures.samples import samples as samples
    from analysis.figures.table import table as table
    from analysis.figures.traversals import traversals as traversals
    from analysis.marks.epochs import epoch_lines as epoch_lines
    from analysis.marks.groups import group_lines as group_lines
    from analysis.marks.plane import rd_points as rd_points
    from analysis.marks.plane import slope_ticks as slope_ticks
    from analysis.marks.probes import probe_points as probe_points
    from analysis.marks.within import information_within as information_within
    from analysis.rows.histories import load_histories as load_histories
    from analysis.rows.probes import load_probes as load_probes
    from analysis.rows.runs import load_runs as load_runs
    from analysis.statistics.bounds import add_bounds as add_bounds
    from analysis.theme import dark as dark

_LAZY = {
    "add_bounds": "analysis.statistics.bounds",
    "beta": "analysis.figures.beta",
    "collapse": "analysis.figures.collapse",
    "curves": "analysis.figures.curves",
    "dark": "analysis.theme",
    "decomposition": "analysis.figures.decomposition",
    "epoch_lines": "analysis.marks.epochs",
    "fit": "analysis.figures.fit",
    "frontier": "analysis.figures.frontier",
    "group_lines": "analysis.marks.groups",
    "information": "analysis.figures.information",
    "information_within": "analysis.marks.within",
    "latents": "analysis.figures.latents",
    "load_histories": "analysis.rows.histories",
    "load_probes": "analysis.rows.probes",
    "load_runs": "analysis.rows.runs",
    "plane": "analysis.figures.plane",
    "probe_points": "analysis.marks.probes",
    "rd_points": "analysis.marks.plane",
    "reconstructions": "analysis.figures.reconstructions",
    "samples": "analysis.figures.samples",
    "slope_ticks": "analysis.marks.plane",
    "table": "analysis.figures.table",
    "traversals": "analysis.figures.traversals",
}

__all__ = [
    "add_bounds",
    "beta",
    "collapse",
    "curves",
    "dark",
    "decomposition",
    "epoch_lines",
    "fit",
    "frontier",
    "group_lines",
    "information",
    "information_within",
    "latents",
    "load_histories",
    "load_probes",
    "load_runs",
    "plane",
    "probe_points",
    "rd_points",
    "reconstructions",
    "samples",
    "slope_ticks",
    "table",
    "traversals",
]


def __getattr__(name: str) -> Any:
    """Import pandas and matplotlib only when something is loaded or drawn: `--help` needs neither."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'analysis' has no attribute {name!r}")
