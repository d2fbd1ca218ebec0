"""How the nats of a record are shown: in which unit, and of pixel counts or of the density that stands in for them.

Dequantised pixels x = (k + u) / levels have a density, and what is called the bits per dimension of an image is that
of its counts k: -ln P(k) <= -E ln p(x) + n ln(levels) for n values (Theis et al. 2016, arXiv 1511.01844). So D, -ELBO,
the NLL and H are log2(levels) higher in that unit; R and I, which compare two densities, are as they were.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from analysis.rows.reading import Damaged, Part
from vae_rd.units import Unit, per_nat

Values = TypeVar("Values", float, "pd.Series[float]")
SIGNS = {"distortion": 1, "objective": 1, "entropy": 1, "nll": 1, "elbo": -1}  # How often each contains D or H.


@dataclass(frozen=True)
class Scale:
    """From nats of a record to what is shown.

    Attributes:
        per_nat: how many of the unit a nat is worth.
        shift: how much higher D is than `per_nat` times the record's.

    Example:
        >>> scale = Scale.of("bits_per_dim", dims=784, levels=256)
        >>> scale.shift, scale.shown("distortion", 0.0), scale.shown("elbo", 0.0), scale.shown("rate", 0.0)
        (8.0, 8.0, -8.0, 0.0)
        >>> Scale.of("bits", dims=784, levels=256).shift
        0.0
    """

    per_nat: float
    shift: float

    @classmethod
    def of(cls, units: Unit, *, dims: int, levels: float) -> Scale:
        """The scale of a data set.

        Args:
            units: what is shown.
            dims: observed dimensions.
            levels: of dequantised pixels; NaN for others.
        """
        counts = units == "bits_per_dim" and not math.isnan(levels)
        return cls(per_nat(units, dims=dims), math.log2(levels) if counts else 0.0)

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Scale:
        """That of a row of `load_runs`."""
        return cls.of(row["units"], dims=row["dims"], levels=row["levels"])

    def shown(self, name: str, nats: Values) -> Values:
        """A metric of this name: a number, or a column of them."""
        return self.per_nat * nats + SIGNS.get(name, 0) * self.shift


def dequantised_levels(card: Part) -> float:
    """Grey levels of a data set that is shown as a density of counts plus noise; NaN for every other."""
    if card.optional("params").word("dequantize") != "uniform":
        return math.nan
    if "levels" in card:
        return float(card.whole("levels"))
    stated = re.fullmatch(r"\(k \+ u\) / (\d+)", card.word("pixel_scale") or "")  # All that older cards say.
    if stated is None:
        raise Damaged("data pixel_scale does not state the levels of dequantised pixels")
    return float(stated[1])


def scale_note(row: Mapping[Any, Any]) -> str:
    """What a reader must know of the D of grey pixels; empty where it is a probability, or data are real numbers.

    Args:
        row: of `load_runs`.

    Example:
        >>> scale_note({"units": "bits_per_dim", "dims": 4, "levels": 256.0, "pixel_scale": "(k + u) / 256"})
        'D, H: of the discrete image, from above; 8 bits/dim less for the density of (k + u) / 256'
        >>> scale_note({"units": "bits", "dims": 4, "levels": 256.0, "pixel_scale": "(k + u) / 256"})
        'D, H: of the density of (k + u) / 256; 32 bits more for the discrete image'
        >>> scale_note({"units": "nats", "dims": 4, "levels": float("nan"), "pixel_scale": "k / 255"})
        'D, H: of a density of k / 255, which is no bound for the discrete image'
    """
    scale, levels, units = row["pixel_scale"], row["levels"], row["units"]
    if not isinstance(scale, str):
        return ""
    if math.isnan(levels):
        return f"D, H: of a density of {scale}, which is no bound for the discrete image"
    if units == "bits_per_dim":
        return (
            f"D, H: of the discrete image, from above; {math.log2(levels):.6g} bits/dim less for the density of {scale}"
        )
    more = per_nat(units, dims=row["dims"]) * row["dims"] * math.log(levels)
    return f"D, H: of the density of {scale}; {more:.6g} {units} more for the discrete image"
