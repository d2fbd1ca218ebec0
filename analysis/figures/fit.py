"""Training as a way through the rate-distortion plane."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.layout import explain_colours, head_of, lines_of, new_figure, settle, titled, write_head
from analysis.marks import paths
from analysis.marks.frame import obey
from analysis.marks.groups import brief_head
from analysis.marks.words import Words
from analysis.rows.data_sets import data_sets
from analysis.rows.finding import RunWarning, told_apart
from analysis.rows.groups import add_settings, group_runs
from analysis.rows.histories import load_histories
from analysis.rows.latents import load_verdicts
from analysis.style import beta_colours, unit_label
from analysis.theme import themed
from analysis.venues import line_height, look, width_of
from analysis.view import View
from vae_rd.errors import InputError

HEIGHT, TEXT = 2.4, 0.6  # inches: of the axes, and of labels and colours
SPLIT = "test"  # whose verdicts there are


def fit(runs: pd.DataFrame, **view: Any) -> Figure:
    """The way of each run through the plane as it trains, train and val joined, with the verdict on its end.

    Args:
        runs: from `load_runs`; their history.csv is read from the same folders. Each data set has axes of its own.
        view: fields of `analysis.view.View`.

    Raises:
        InputError: for a missing or damaged history.csv, and where no run has a rate.

    Warns:
        RunWarning: one line that names the runs whose R is undefined.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`fit`, for the table of figures."""
    histories = _with_rates(runs)
    parts = [
        (title, rows, histories[histories["folder"].isin(rows["folder"])], load_verdicts(rows, split=SPLIT))
        for title, rows in titled(runs[runs["folder"].isin(histories["folder"])])
    ]
    colours = beta_colours(beta for _, _, history, _ in parts for beta in history["beta"])
    groups = group_runs(runs, by=view.group_by).untold
    with look(view):
        width = width_of(view, panels=len(parts)) / min(len(parts), 2)
        heads = [head_of(rows, title, width=width - 0.5) for title, rows, _, _ in parts]
        text = [TEXT + line_height() * lines_of(head) for head in heads]
        figure, panels = new_figure([[HEIGHT]] * len(parts), text=text, view=view)
        words = []
        for (_, _, history, verdicts), head, (ax,) in zip(parts, heads, panels, strict=True):
            paths.training_paths(history, colours=colours, ax=ax)
            paths.verdict_ends(history, verdicts, colours=colours, ax=ax)
            unit = unit_label(history["units"].iloc[0])
            obey(view, rates=history["rate"], distortions=history["distortion"], ax=ax)
            ax.set(xlabel=f"rate $R$ [{unit}]", ylabel=f"distortion $D$ [{unit}]")
            write_head(head, ax)
            words.append([Words(ax, paths.path_keys(verdicts), head=groups.note, brief=brief_head(groups))])
        explain_colours(figure, panels, colours)
        return themed(settle(figure, words), view)


def _with_rates(runs: pd.DataFrame) -> pd.DataFrame:
    """The histories of the runs that have a way: an autoencoder's R is undefined.

    Raises:
        InputError: where no run has one.

    Warns:
        RunWarning: one line that names the others.
    """
    history = load_histories(runs)
    known = history["rate"].notna().groupby(history["folder"]).transform("any")
    if not known.any():
        raise InputError("none of the runs has a rate: no way through the plane; draw the curves")
    if missing := told_apart(history, set(history["folder"][~known])):
        warnings.warn(f"left out, R is undefined: {', '.join(missing)}", RunWarning, stacklevel=3)
    return history[known]


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """The rows of `load_histories` with the verdict on each run's training and a column for all that varies."""
    parts = [load_histories(rows).assign(data=name) for name, rows in data_sets(runs).items()]
    verdicts = load_verdicts(runs, split=SPLIT)[["folder", "fit"]].rename(columns={"fit": "verdict"})
    return {"": add_settings(pd.concat(parts, ignore_index=True).merge(verdicts, on="folder", how="left"), runs)}
