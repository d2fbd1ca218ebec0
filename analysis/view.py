"""What a command line asks of a figure beside its runs and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VENUES = ("neurips", "icml", "iclr", "jmlr", "tmlr")
THEMES = ("light", "dark")
Limits = tuple[float, float]
Window = tuple[float, float, float, float]


@dataclass(frozen=True)
class View:
    """What is shown of runs, and how; a figure reads what its row in `FIGURES` says that it reads.

    Attributes:
        split: whose metrics are shown.
        group_by: fields of the config whose values make the groups; empty: what differs between the runs.
        xlim: the ends of the horizontal axis, in the figure's units; None: as the numbers ask.
        ylim: likewise of the vertical one.
        log: which axes are logarithmic: "", "x", "y" or "xy".
        inset: a part of the axes that is drawn once more, larger: x from and to, y from and to.
        venue: where it is to appear, which gives sizes and fonts; empty: a journal.
        columns: of the page that it takes, 1 or 2.
        theme: "light" for paper or "dark" for slides.
        more: options of the figure's own by name.
    """

    split: str = "test"
    group_by: tuple[str, ...] = ()
    xlim: Limits | None = None
    ylim: Limits | None = None
    log: str = ""
    inset: Window | None = None
    venue: str = ""
    columns: int = 1
    theme: str = "light"
    more: Mapping[str, Any] = field(default_factory=dict)
