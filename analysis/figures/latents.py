"""Where validation examples lie in the space of z: two units of each run, coloured by label, and each against m(z)."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.layout import LINE_HEIGHT, heading
from analysis.marks.latents import latent_points, unit_histogram
from analysis.rows.groups import Groups, group_runs
from analysis.rows.latents import load_units
from analysis.rows.media import LABELS, Latents, load_latents, thinned
from analysis.rows.runs import as_rows, of_split
from analysis.style import COLUMN, DIGIT, GREY, LETTER, beta_words, characters, length, plain, unit_label
from analysis.theme import themed
from analysis.venues import look, width_of
from analysis.view import View
from vae_rd.errors import InputError

BESIDE = 2  # runs in a row of a column, and where nothing else is asked for
TITLE, PAD = 7, 3  # points of a title's letters, and between it and its panel
LEFT, ABOVE = 0.46, 0.09  # inches of words before a panel, and between the legend and the first of them
POINTS, BARS, WORDS = 1.3, 0.42, 0.3  # inches of the points, of each histogram, and of the words below either


class Panel(NamedTuple):
    """Two units of one run: their numbers, draws of q(z) and of m(z), labels, and the words above."""

    run: dict[str, Any]
    title: str
    units: tuple[int, ...]
    z: np.ndarray
    prior: np.ndarray | None
    labels: np.ndarray | None


def latents(runs: pd.DataFrame, **view: Any) -> Figure:
    """The aggregate posterior q(z) of each run over its two units of the largest rate, each against the prior m(z).

    Points are draws of q(z|x), one an example. Of a plain autoencoder, whose R is undefined, the units are those of the
    largest variance, and there is no m(z) to hold them against.

    Args:
        runs: from `load_runs`; latents.npz is read from the same folders.
        view: fields of `analysis.view.View`; `more` may have `factor`, which labels colour, and `most`, runs.

    Raises:
        InputError: where no run has a latents.npz, one is damaged, or has no such labels.

    Warns:
        RunWarning: one line that names the runs left out, for want of latents or of room.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`latents`, for the table of figures."""
    with look(view):
        page = width_of(view)
        beside = _beside(view)
        panels = _panels(runs, view, width=page / beside - LEFT)
        title = max(_title_height(panel.title) for panel in panels)
        row = POINTS + 2 * BARS + 3 * WORDS + title + ABOVE
        rows, columns = -(-len(panels) // beside), min(len(panels), beside)
        height = rows * row + LINE_HEIGHT + 0.08
        figure = Figure(figsize=(page, height))
        for place, panel in enumerate(panels):
            top = height - LINE_HEIGHT - ABOVE - (place // columns) * row - title
            _draw_panel(panel, figure, left=LEFT + place % columns * page / beside, top=top, wide=page / beside)
        handles = {handle.get_label(): handle for ax in figure.axes for handle in _bars(ax)}
        figure.legend(handles=[*handles.values()], loc="upper left", ncols=len(handles), **heading(""))
        return themed(figure, view)


def _beside(view: View) -> int:
    """Runs in a row, and in all where nothing else is asked for."""
    return int(BESIDE * width_of(view) / COLUMN) or 1


def _title_height(title: str) -> float:
    """Inches of a title in the letters that hold, which differ with its formulas."""
    page = Figure()
    return page.text(0, 0, title, fontsize=TITLE).get_window_extent().height / page.dpi + PAD / 72


def _bars(ax: Any) -> list[Any]:
    handles, labels = ax.get_legend_handles_labels()
    return [handle for handle, label in zip(handles, labels, strict=True) if label in ("$q(z)$", "$m(z)$")]


def _draw_panel(panel: Panel, figure: Figure, *, left: float, top: float, wide: float) -> None:
    width, height = figure.get_size_inches()
    size = (wide - LEFT - 0.04) / width

    def place(bottom: float, tall: float) -> Any:
        return figure.add_axes((left / width, bottom / height, size, tall / height))

    first, second = panel.units[0], panel.units[-1]
    ax = latent_points(panel.z[:, [0, -1]], panel.labels, ax=place(top - POINTS, POINTS))
    ax.set_title(panel.title, fontsize=TITLE, loc="left", pad=PAD)
    ax.set_xlabel(f"unit {first}", labelpad=1)
    ax.set_ylabel(f"unit {second}", labelpad=1)
    for line, unit in enumerate(panel.units):
        bottom = top - POINTS - (line + 1) * (BARS + WORDS)
        prior = None if panel.prior is None else panel.prior[:, line]
        ax = unit_histogram(panel.z[:, line], prior, ax=place(bottom, BARS))
        ax.set_xlabel(f"unit {unit}", labelpad=1)
    if panel.prior is None:
        ax.annotate("no $m(z)$", (1, 1), xycoords="axes fraction", ha="right", va="bottom", fontsize=7, color=GREY)


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """The draws that are shown: a row for each run, example and unit."""
    found = []
    for panel in _panels(runs, view):
        facts = {name: panel.run[name] for name in ("run", "folder", "data", "beta", "seed")}
        for line, unit in enumerate(panel.units):
            rows = pd.DataFrame({"unit": unit, "z": panel.z[:, line]})
            rows["prior"] = np.nan if panel.prior is None else panel.prior[:, line]
            rows["label"] = None if panel.labels is None else panel.labels
            found.append(rows.assign(**facts))
    return {"": pd.concat(found, ignore_index=True)}


def _panels(runs: pd.DataFrame, view: View, *, width: float = COLUMN / BESIDE) -> list[Panel]:
    """What is drawn, with words above it that are no wider than so many inches."""
    arrays, groups = load_latents(runs), group_runs(runs, by=view.group_by)
    chosen = groups.ordered(of_split(runs, view.split))
    chosen = thinned(chosen[chosen["folder"].isin(arrays)], view.more.get("most") or _beside(view))
    words = beta_words(chosen["beta"].dropna())
    return [_panel(run, arrays[run["folder"]], words, groups, view, width) for run in as_rows(chosen)]


def _panel(
    run: dict[str, Any], arrays: Latents, words: dict[float, str], groups: Groups, view: View, width: float
) -> Panel:
    units = _units(run, arrays, split=view.split)
    has_rate = not np.isnan(run["rate"])
    beta = "" if np.isnan(run["beta"]) else f"$\\beta$ = {words[run['beta']]}, "
    rate = f"$R$ = {run['rate']:.2f} {unit_label(run['units'])}" if has_rate else "$R$ undefined"
    group = plain(groups.labels[groups.place_of[run["folder"]]]) if groups.distinguished else ""
    letters = characters(width * LETTER / DIGIT)
    said = [beta + rate] if length(beta + rate) <= letters else [beta.rstrip(", "), rate]
    title = "\n".join(filter(None, (textwrap.fill(group, letters), *said)))
    prior = arrays["prior"][:, units] if has_rate else None
    return Panel(run, title, tuple(units), arrays["z"][:, units], prior, _labels(run, arrays, view.more.get("factor")))


def _units(run: dict[str, Any], arrays: Latents, *, split: str) -> list[int]:
    """The two units of the largest rate, or of the largest variance where no rate is known."""
    units = load_units(pd.DataFrame([run]), split=split).sort_values("unit")
    rates = units["rate"].to_numpy()
    by = rates if len(rates) == arrays["z"].shape[1] and not np.isnan(rates).any() else arrays["z"].var(0)
    return [int(unit) for unit in np.argsort(-by, kind="stable")[:2]]


def _labels(run: dict[str, Any], arrays: Latents, factor: str | None) -> np.ndarray | None:
    """Those asked for, or the only ones; none where there are several, or none at all.

    Raises:
        InputError: where those asked for are not there.
    """
    there = {name.removeprefix(LABELS): values for name, values in arrays.items() if name.startswith(LABELS)}
    if factor is not None and factor not in there:
        known = f"choose one of {', '.join(there)}" if there else "leave it out, there are no labels"
        raise InputError(f"--factor {factor}: no labels of {run['run']} have that name; {known}")
    return there[factor] if factor else next(iter(there.values())) if len(there) == 1 else None
