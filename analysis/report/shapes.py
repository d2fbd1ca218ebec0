"""What is known of where runs can lie, as lines and points of a plot: the rows of `plane_lines`, taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.rows.estimates import DECODER, LOWER, UPPER
from analysis.statistics.bounds import Entropy
from analysis.statistics.lines import BEYOND, MARGINAL, NLL, SHANNON, lower_envelope

Json = dict[str, Any]
ENVELOPE_POINTS = 200


def plane_shapes(lines: pd.DataFrame, rows: pd.DataFrame, entropy: Entropy | None) -> list[Json]:
    """One entry a shape: `line`, `kind`, `source`, `drawn` ("line" or "points"), its `rate` and `distortion`.

    A shape that belongs to one run has its `folder`.

    Args:
        lines: from `plane_lines`.
        rows: the points of the plane.
        entropy: H of the split, if it is known or estimated.
    """
    reach = BEYOND * max([0.0, *rows["rate"].dropna()]) or 1.0
    return [*_entropy(entropy, reach), *_of_source(lines, reach), *_of_runs(lines)]


def _entropy(entropy: Entropy | None, reach: float) -> Iterator[Json]:
    if entropy is not None:
        ends = {"rate": [0.0, reach], "distortion": [entropy.value, entropy.value - reach]}
        name = "D + R = H" if entropy.known else "D + R = Ĥ"
        yield {"line": name, "kind": entropy.kind.replace("_", " "), "source": entropy.source, "drawn": "line", **ends}


def _of_source(lines: pd.DataFrame, reach: float) -> Iterator[Json]:
    """Shannon's curve and the bounds on it."""
    for line, drawn in ((SHANNON, "line"), (UPPER, "points")):
        if not (part := lines[lines["line"] == line]).empty:
            yield _shape(line, part, drawn)
    if not (part := lines[lines["line"] == LOWER]).empty:
        rates = np.linspace(0.0, reach, ENVELOPE_POINTS)
        bound = {"rate": rates.tolist(), "distortion": lower_envelope(lines, rates).tolist()}
        yield _shape(LOWER, part, "line") | bound


def _of_runs(lines: pd.DataFrame) -> Iterator[Json]:
    """Curves of decoders and points of single runs."""
    for line, drawn in ((DECODER, "line"), (NLL, "points"), (MARGINAL, "points")):
        for folder, part in lines[lines["line"] == line].groupby("folder", sort=False):
            yield _shape(line, part, drawn) | {"folder": folder}


def _shape(line: str, part: pd.DataFrame, drawn: str) -> Json:
    kinds, sources = (", ".join(dict.fromkeys(part[name])) for name in ("kind", "source"))
    places = {name: part[name].tolist() for name in ("rate", "distortion")}
    return {"line": line, "kind": kinds, "source": sources, "drawn": drawn, **places}
