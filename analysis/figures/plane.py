"""The rate-distortion plane, composed of the marks of `analysis.marks`.

Each data set has axes and lines of its own, under its name where there are several. Colours of beta and shapes of
groups are the same on all axes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.layout import head_of, lines_of, new_figure, settle, titled, write_head
from analysis.marks import lines as line_marks
from analysis.marks import plane as plots
from analysis.marks import within
from analysis.marks.beside import foreign_points, running_points
from analysis.marks.betas import bar_within
from analysis.marks.defaults import shown_beta
from analysis.marks.frame import frame_plane
from analysis.marks.groups import brief_head, group_head, group_lines
from analysis.marks.legends import inset_within
from analysis.marks.names import group_keys
from analysis.marks.space import Space
from analysis.marks.words import Words
from analysis.rows.data_sets import data_sets
from analysis.rows.foreign import load_foreign
from analysis.rows.groups import Groups, add_settings, group_runs
from analysis.rows.running import COLUMNS, of_data_set
from analysis.statistics.bounds import Entropy, add_bounds, entropies, placeable, warn_impossible
from analysis.statistics.lines import plane_lines, warn_left_out
from analysis.style import GREY, Colours, beta_colours, unit_label
from analysis.theme import themed
from analysis.venues import line_height, look, width_of
from analysis.view import View

INSET = (0.4, 0.36)  # of the axes, what is drawn once more
MOST_BESIDE = 6  # groups that are named beside their lines
SHARE = 0.82  # of the width, where that asks for more


@dataclass(frozen=True)
class _Side:
    """What the plane shows of one data set.

    Attributes:
        head: its name where there are several, and what its D is of.
        rows: the points of all splits, from `placeable`; R may be undefined.
        chosen: those of the split asked for, by aim and group.
        h_by_split: H by split.
        lines: from `plane_lines`.
    """

    head: str
    rows: pd.DataFrame
    chosen: pd.DataFrame
    h_by_split: dict[str, Entropy]
    lines: pd.DataFrame


@dataclass(frozen=True)
class _Look:
    """What all axes of a plane share; `foreign` is from `load_foreign`, `running` from `load_running`."""

    view: View
    colours: Colours
    groups: Groups
    foreign: pd.DataFrame
    running: pd.DataFrame


def plane(runs: pd.DataFrame, **view: Any) -> Figure:
    """The rate-distortion plane, and in it the bounds H - D <= I <= R of each run on the level of its D.

    In the plane stand, beside the runs, all that is known of where they could lie: Shannon's R(D) of the source,
    bounds on it, the curves of the runs' decoders and their NLL, as far as the records hold them. A run whose R is
    undefined, as a plain autoencoder's, stands at its D on the axis.

    Args:
        runs: from `load_runs`; each data set has a plane of its own.
        view: fields of `analysis.view.View`; the split's points get error bars, slopes and intervals, those of the
            splits before it are drawn where they differ.

    Raises:
        InputError: for runs without D on `split`, or with damaged estimates, and for an axis that cannot be as asked.

    Warns:
        RunWarning: one line for each run left out for want of D, for each point that cannot be right, and where
            bounds on the source's R(D) are left out.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`plane`, for the table of figures."""
    groups, parts = group_runs(runs, by=view.group_by), titled(runs)
    foreign = load_foreign(view.more.get("foreign") or (), runs)
    running = view.more.get("running", pd.DataFrame(columns=list(COLUMNS)))
    with look(view):
        width = width_of(view, panels=len(parts)) / min(len(parts), 2)
        sides = [_side(rows, groups, view, head_of(rows, title, width=width - 0.5)) for title, rows in parts]
        colours = beta_colours(pd.concat([shown_beta(side.rows) for side in sides]))
        shared = _Look(view, colours, groups, foreign, running)
        text = [line_height() * lines_of(side.head) for side in sides]
        figure, panels = new_figure([(_height(width),)] * len(sides), text=text, view=view)
        words = [_draw(side, shared, ax=ax) for side, (ax,) in zip(sides, panels, strict=True)]
        _once(words)
        settle(figure, [[one] for one in words])
    return themed(figure, view)


def _height(width: float) -> float:
    """Inches of a panel of a width: a column's is nearly square, that of a page as wide as a page can be low."""
    return float(np.clip(SHARE * width, 2.4, 3.0))


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """`plane_numbers`: its points, and its lines beside them."""
    tables = dict(zip(("", "-lines"), plane_numbers(runs, split=view.split), strict=True))
    if not (options := view.more.get("foreign")):
        return tables
    return tables | {"-foreign": load_foreign(options, runs)}


def plane_numbers(runs: pd.DataFrame, *, split: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What `plane` shows as two tables, its points with their bounds and its lines, from which it can be redrawn.

    Both name the data set, and the points have a column for every setting that varies between the runs.
    """
    points, lines = zip(*(_numbers(rows, name, split=split) for name, rows in data_sets(runs).items()), strict=True)
    return add_settings(pd.concat(points, ignore_index=True), runs), pd.concat(lines, ignore_index=True)


def _numbers(runs: pd.DataFrame, name: str, *, split: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = add_bounds(runs, split=split)
    placed = rows.dropna(subset="distortion")
    lines = plane_lines(placed, _shown_entropies(runs, rows, split=split), split=split)
    lines.insert(0, "data", name)
    return rows.assign(data=name), lines


def _side(runs: pd.DataFrame, groups: Groups, view: View, head: str) -> _Side:
    split = view.split
    rows = placeable(add_bounds(runs, split=split), split=split)
    warn_impossible(rows)
    chosen = groups.ordered(rows[rows["split"] == split])
    warn_left_out(chosen, split=split)
    h_by_split = _shown_entropies(runs, rows, split=split)
    return _Side(head, rows, chosen, h_by_split, plane_lines(rows, h_by_split, split=split))


def _shown_entropies(runs: pd.DataFrame, rows: pd.DataFrame, *, split: str) -> dict[str, Entropy]:
    return {name: h for name, h in entropies(runs, split=split).items() if name in set(rows["split"])}


def _draw(side: _Side, shared: _Look, *, ax: Axes) -> Words:
    """All that needs no final layout; what does, and what is written, is returned."""
    rows, lines, unit = side.rows, side.lines, unit_label(side.rows["units"].iloc[0])
    view, colours, groups = shared.view, shared.colours, shared.groups
    write_head(side.head, ax)
    ax.set(xlabel=f"rate $R$, information $I$ [{unit}]", ylabel=f"distortion $D$ [{unit}]")
    frame_plane(rows, side.h_by_split.get(view.split), lines=lines, view=view, ax=ax)
    plots.rd_points(rows, split=view.split, colours=colours, groups=groups, ax=ax)
    foreign_points(shared.foreign[shared.foreign["card"] == rows["card"].iloc[0]], ax=ax)
    running_points(of_data_set(shared.running, rows["card"].iloc[0]), ax=ax)
    plots.slope_key(side.chosen, ax=ax)
    within.information_within(side.chosen, colours=colours, ax=ax)
    line_marks.nll_key(lines, ax=ax)
    line_marks.decoder_curves(lines, colours=colours, ax=ax)
    line_marks.fitted_priors(lines, side.chosen, colours=colours, ax=ax)
    keys = _explained(ax)
    group_lines(side.chosen, groups=groups, ax=ax)
    entries = group_keys(groups, side.chosen, connected=True)
    before = _explained(ax)
    beside = groups.connected and len(entries) <= MOST_BESIDE
    joined = list(zip(before[len(keys) :], entries, strict=True)) if beside else []
    within.cap_lines(side.chosen, ax=ax)
    within.forecast_collapse(side.chosen, ax=ax)
    plots.entropy_lines(side.h_by_split, split=view.split, unit=unit, ax=ax)
    line_marks.known_curves(lines, ax=ax)
    direct = [artist for artist in _explained(ax) if artist not in before]
    blocks: list[Callable[[Space], bool]] = []
    if len(colours) > plots.MOST_LABELS:
        blocks.append(lambda space: bar_within(colours, space=space, ax=ax))
    if view.inset:
        blocks.append(lambda space: _inset(side, shared, space, ax=ax))

    def write(space: Space) -> None:
        plots.slope_ticks(side.chosen, colours=colours, ax=ax)
        line_marks.nll_ticks(lines, side.chosen, colours=colours, ax=ax)
        space.renew()
        plots.aim_labels(side.chosen, space=space, ax=ax)

    keys += [] if joined else entries
    return Words(ax, keys, direct, joined, write, head=group_head(groups), brief=brief_head(groups), blocks=blocks)


def _once(words: list[Words]) -> None:
    """Of the entries of all legends each is needed once."""
    seen: set[str] = set()
    for one in words:
        one.keys = [entry for entry in one.keys if str(entry.get_label()) not in seen]
        seen |= {str(entry.get_label()) for entry in one.keys}


def _inset(side: _Side, shared: _Look, space: Space, *, ax: Axes) -> bool:
    """The part of the plane that the view asks for once more, larger, in a free part of the axes."""
    view, colours = shared.view, shared.colours
    inset = inset_within(INSET, space=space, ax=ax)
    if inset is None or view.inset is None:
        return False
    inset.set(xlim=view.inset[:2], ylim=view.inset[2:])
    plots.rd_points(side.rows, split=view.split, colours=colours, groups=shared.groups, ax=inset)
    within.information_within(side.chosen, colours=colours, ax=inset)
    group_lines(side.chosen, groups=shared.groups, ax=inset)
    plots.entropy_lines(side.h_by_split, split=view.split, unit="", ax=inset)
    inset.set(xlim=view.inset[:2], ylim=view.inset[2:])
    for artist in (*inset.lines, *inset.collections):
        artist.set_clip_on(True)
    ax.indicate_inset_zoom(inset, edgecolor=GREY, alpha=1.0, linewidth=0.6)
    return True


def _explained(ax: Axes) -> list[Artist]:
    """The artists of the axes that have a label."""
    return list(ax.get_legend_handles_labels()[0])
