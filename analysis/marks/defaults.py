"""What marks take where their caller says nothing: the current axes, a colour for each beta, groups by the configs."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes

from analysis.rows.groups import Groups, group_runs
from analysis.style import Colours, beta_colours


def axes_of(ax: Axes | None) -> Axes:
    """These axes, or those of pyplot that are current."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.gca()


def colours_of(rows: pd.DataFrame, colours: Colours | None) -> Colours:
    """These colours, or one for each beta of the rows."""
    return beta_colours(rows["beta"]) if colours is None else colours


def groups_of(rows: pd.DataFrame, groups: Groups | None) -> Groups:
    """These groups, or those of the rows' configs; one for all where the rows have none."""
    if groups is not None:
        return groups
    return (
        group_runs(rows) if {"config", "card"} <= set(rows) else Groups((), (), ("",), dict.fromkeys(rows["folder"], 0))
    )


def shown_beta(rows: pd.DataFrame) -> pd.Series:
    """The beta of each row; none where R is undefined, as for a plain autoencoder, which no beta weighs."""
    return rows["beta"].mask(rows["rate"].isna(), math.nan)


def inked(rows: pd.DataFrame, colours: Colours) -> pd.DataFrame:
    """The rows with the colour of each, as `ink`."""
    ink = pd.Series([colours[beta] for beta in shown_beta(rows)], index=rows.index, dtype=object)
    return rows.assign(ink=ink)
