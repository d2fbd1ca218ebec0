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
    from analysis.rows.runs import load_runs as load_runs

__all__ = [
    "beta",
    "collapse",
    "curves",
    "decomposition",
    "fit",
    "frontier",
    "information",
    "latents",
    "load_runs",
    "plane",
    "reconstructions",
    "samples",
    "table",
]

_LAZY = {
    "beta": "analysis.figures.beta",
    "collapse": "analysis.figures.collapse",
    "curves": "analysis.figures.curves",
    "decomposition": "analysis.figures.decomposition",
    "fit": "analysis.figures.fit",
    "frontier": "analysis.figures.frontier",
    "information": "analysis.figures.information",
    "latents": "analysis.figures.latents",
    "load_runs": "analysis.rows.runs",
    "plane": "analysis.figures.plane",
    "reconstructions": "analysis.figures.reconstructions",
    "samples": "analysis.figures.samples",
    "table": "analysis.figures.table",
}


def __getattr__(name: str) -> Any:
    """Import pandas and matplotlib only when something is loaded or drawn: `--help` needs neither."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'analysis' has no attribute {name!r}")
