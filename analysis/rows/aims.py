"""What runs aimed at, in words: a beta, or the rate that was asked for where no beta is known."""

from __future__ import annotations

import math

import pandas as pd

from analysis.style import beta_words

AIMS = ["beta", "target_rate"]  # columns of `load_runs`, one of which a run mostly has


def aim_words(data: pd.DataFrame) -> pd.Series:
    """The aim of each row as figures write it; empty where a run has none.

    Example:
        >>> runs = pd.DataFrame({"beta": [0.5, math.nan, math.nan], "target_rate": [math.nan, 4.0, math.nan]})
        >>> aim_words(runs).tolist()
        ['0.5', '$R$ = 4', '']
    """
    betas = beta_words(data["beta"].dropna())
    asked = beta_words(data["target_rate"].dropna())
    words = [
        betas[beta] if not math.isnan(beta) else "" if math.isnan(rate) else f"$R$ = {asked[rate]}"
        for beta, rate in data[AIMS].itertuples(index=False)
    ]
    return pd.Series(words, index=data.index, dtype=object)
