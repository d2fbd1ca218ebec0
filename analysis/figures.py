"""Whole figures, composed of the marks of `analysis.plots`, `analysis.intervals` and `analysis.epochs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import epochs, intervals, line_marks, plots
from analysis.frontier import Entropy, add_bounds, entropies, known_entropies, placeable, warn_impossible
from analysis.lines import plane_lines, warn_left_out
from analysis.load import EPOCH_METRICS, load_histories, one_data_set
from analysis.style import COLUMN, STYLE, beta_colours, unit_label

PLANE_HEIGHT = 2.3  # inches, of the axes alone
ROW_HEIGHT = 0.17
TEXT_HEIGHT = 1.7  # axis labels and legends, less those of known answers and estimates
LINE_HEIGHT = 0.13
CURVES_HEIGHT = 5.2


def plane(runs: pd.DataFrame, *, split: str = "test") -> Figure:
    """The rate-distortion plane above the bounds H - D <= I <= R, both over one axis of information.

    In the plane stand, beside the runs, all that is known of where they could lie: Shannon's R(D) of the source,
    bounds on it, the curves of the runs' decoders and their NLL, as far as the records hold them.

    Args:
        runs: of one data set, from `load_runs`.
        split: whose points get error bars, slopes and intervals; the splits before it are drawn where they differ.

    Raises:
        InputError: for runs of two data sets, without D and R on `split`, or with damaged estimates.

    Warns:
        RunWarning: one line for each run left out for want of D or R, for each point that cannot be right, and where
            bounds on the source's R(D) are left out.
    """
    rows = placeable(add_bounds(one_data_set(runs), split=split), split=split)
    warn_impossible(rows)
    asked = rows[rows["split"] == split].sort_values(["beta", "seed"], kind="stable", ignore_index=True)
    warn_left_out(asked, split=split)
    of = _shown_entropies(runs, rows, split=split)
    lines = plane_lines(rows, of, split=split)
    bounds_height = ROW_HEIGHT * (max(intervals.interval_rows(asked)) + 1.8)
    text_height = TEXT_HEIGHT + LINE_HEIGHT * line_marks.legend_rows(lines)
    colours = beta_colours(asked["beta"])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN, PLANE_HEIGHT + bounds_height + text_height), layout="constrained")
        top, bottom = figure.subplots(2, sharex=True, height_ratios=[PLANE_HEIGHT, bounds_height])
        _draw_plane(rows, of, lines, split=split, ax=top)
        _draw_bounds(asked, ax=bottom)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # slopes and labels hold for these positions only
        plots.slope_ticks(asked, colours=colours, ax=top)
        line_marks.nll_ticks(lines, asked, colours=colours, ax=top)
        plots.beta_labels(asked, ax=top)
    return figure


def plane_numbers(runs: pd.DataFrame, *, split: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What `plane` shows as two tables, its points with their bounds and its lines, from which it can be redrawn."""
    rows = add_bounds(runs, split=split)
    placed = rows.dropna(subset=["distortion", "rate"])
    return rows, plane_lines(placed, _shown_entropies(runs, rows, split=split), split=split)


def _shown_entropies(runs: pd.DataFrame, rows: pd.DataFrame, *, split: str) -> dict[str, Entropy]:
    return {name: h for name, h in entropies(runs, split=split).items() if name in set(rows["split"])}


def _draw_plane(rows: pd.DataFrame, of: dict[str, Entropy], lines: pd.DataFrame, *, split: str, ax: Axes) -> None:
    """All that needs no final layout; points are explained at the top of the figure, lines above the axes."""
    unit, colours = unit_label(rows["units"].iloc[0]), beta_colours(rows["beta"])
    ax.tick_params(labelbottom=True)
    ax.set(xlabel=f"rate $R$ [{unit}]", ylabel=f"distortion $D$ [{unit}]")
    plots.frame_plane(rows, of.get(split), lines=lines, ax=ax)
    plots.rd_points(rows, split=split, colours=colours, ax=ax)
    points = len(ax.get_legend_handles_labels()[0])
    plots.key(ax, r"tangent of slope $-\beta$, labelled by $\beta$", linestyle="-", linewidth=0.8)
    line_marks.nll_key(lines, ax=ax)
    line_marks.decoder_curves(lines, colours=colours, ax=ax)
    plots.entropy_lines(of, split=split, unit=unit, ax=ax)
    line_marks.known_curves(lines, ax=ax)
    handles = ax.get_legend_handles_labels()[0]
    ax.figure.legend(handles=handles[:points], loc="outside upper left", ncols=4)
    _legend_above(ax, handles[points:])


def _draw_bounds(asked: pd.DataFrame, *, ax: Axes) -> None:
    intervals.information_intervals(asked, colours=beta_colours(asked["beta"]), ax=ax)
    intervals.information_caps(asked, ax=ax)
    ax.set_xlabel(f"mutual information $I(X; Z)$ [{unit_label(asked['units'].iloc[0])}]")
    ax.set_ylabel(r"$\beta$", rotation=0, va="center")
    _legend_above(ax, ax.get_legend_handles_labels()[0])


def curves(runs: pd.DataFrame) -> Figure:
    """Training and validation D, R and ELBO per epoch, stacked over one axis; one colour a beta.

    Args:
        runs: of one data set, from `load_runs`; their history.csv is read from the same folders.

    Raises:
        InputError: for runs of two data sets, or a missing or damaged history.csv.
    """
    histories = load_histories(one_data_set(runs))
    colours = beta_colours(histories["beta"])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN, CURVES_HEIGHT), layout="constrained")
        panels = figure.subplots(len(EPOCH_METRICS), sharex=True)
        for quantity, ax in zip(EPOCH_METRICS, panels, strict=True):
            epochs.epoch_lines(histories, quantity, colours=colours, ax=ax)
        epochs.elbo_bounds(known_entropies(runs), ax=panels[-1])
        panels[-1].set_xlabel("epoch")
        _legend_above(panels[-1], panels[-1].get_legend_handles_labels()[0])
        _legend_above(panels[0], epochs.line_keys(histories), ncols=3)
        keys: dict[str, Any] = {
            "title": r"$\beta$",
            "title_fontsize": 7,
            "alignment": "left",
            "handlelength": 0.9,
            "ncols": 7,
        }
        figure.legend(handles=epochs.beta_keys(colours), loc="outside upper left", **keys)
    return figure


def _legend_above(ax: Axes, handles: Sequence[Artist], *, ncols: int = 1) -> None:
    """A legend over the axes that starts where the axis labels do; nothing is drawn for no handles."""
    if handles:
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.14, 1.0), ncols=ncols)
