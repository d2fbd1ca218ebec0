"""What runs aimed at, in words: a beta, or the rate or distortion that was asked for where no beta is known."""

from __future__ import annotations

import math

import pandas as pd

from analysis.style import beta_words

AIMS = ["beta", "target_rate", "target_distortion"]  # columns of `load_runs`, one of which a run mostly has

MARKS = ["", "$R$ = ", "$D$ = "]  # What each is written after.


def aim_words(data: pd.DataFrame) -> pd.Series:
    """The aim of each row as figures write it; empty where a run has none.

    Example:
        >>> runs = pd.DataFrame({"beta": [0.5, math.nan, math.nan], "target_rate": [math.nan, 4.0, math.nan]})
        >>> runs["target_distortion"] = [math.nan, math.nan, 80.0]
        >>> aim_words(runs).tolist()
        ['0.5', '$R$ = 4', '$D$ = 80']
    """
    data = data.reindex(columns=AIMS)
    written = [beta_words(data[aim].dropna()) for aim in AIMS]
    words = [
        next((f"{mark}{known[v]}" for mark, known, v in zip(MARKS, written, row, strict=True) if not math.isnan(v)), "")
        for row in data.itertuples(index=False)
    ]
    return pd.Series(words, index=data.index, dtype=object)
