"""Hyperband's stopping rule as W&B's server applies it, for sweeps without a server.

A run that has come to a band - so many validations - is stopped where its best value so far is worse than that of all
but the best 1 / eta of the runs that have come so far.

Source: Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar, "Hyperband" (JMLR 2018), https://arxiv.org/abs/1603.06560; the
rule for runs that come one after another is that of the `sweeps` package, W&B's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vae_rd.errors import InputError

KEYS = ("type", "min_iter", "max_iter", "s", "eta", "strict")
LARGEST = 10**9


@dataclass(frozen=True)
class Hyperband:
    """The bands of an `early_terminate` section.

    Attributes:
        bands: numbers of validations at which a run is judged, increasing.
        eta: the best 1 / eta goes on.
        strict: judge by the value at the band instead of the best one so far.
    """

    bands: tuple[int, ...]
    eta: float
    strict: bool = False

    def band_to_stop_at(self, own: Sequence[float], all_runs: Sequence[Sequence[float]]) -> int | None:
        """The band at which a run is among the worse ones, or None where it goes on.

        Args:
            own: its values so far, one a validation, the smaller the better.
            all_runs: the values of every run of the sweep, its own included.

        Example:
            >>> rule = Hyperband(bands=(2, 4), eta=2)
            >>> runs = [[9, 8, 8], [9, 5], [9, 6]]
            >>> [rule.band_to_stop_at(run, runs) for run in runs]
            [2, None, None]
        """
        band = max((band for band in self.bands if band <= len(own)), default=None)
        if band is None:
            return None
        there = sorted(values[band - 1] for values in all_runs if len(values) >= band)
        value = own[band - 1] if self.strict else min(own)
        return band if value > there[int(len(there) / self.eta)] else None


def hyperband_of(section: Any, *, where: str) -> Hyperband:
    """The rule of an `early_terminate` section.

    Raises:
        InputError: where it is not Hyperband, or lacks min_iter and max_iter.

    Example:
        >>> hyperband_of({"type": "hyperband", "min_iter": 3}, where="x.yaml").bands[:4]
        (3, 9, 27, 81)
        >>> hyperband_of({"type": "hyperband", "max_iter": 27, "s": 2}, where="x.yaml").bands
        (3, 9)
    """
    if not isinstance(section, Mapping) or section.get("type") != "hyperband":
        raise InputError(f"{where}: early_terminate must have type: hyperband")
    if unknown := [key for key in section if key not in KEYS]:
        raise InputError(f"{where}: early_terminate: {unknown[0]} is none of {', '.join(KEYS)}; leave it out")
    eta = section.get("eta", 3)
    if isinstance(eta, bool) or not isinstance(eta, int | float) or not 1 < eta < math.inf:
        raise InputError(f"{where}: early_terminate: eta is {eta}; it must be greater than 1")
    if not isinstance(strict := section.get("strict", False), bool):
        raise InputError(f"{where}: early_terminate: strict is {strict}; give true or false")
    return Hyperband(_bands(section, eta, where=where), eta, strict=strict)


def _bands(section: Mapping[str, Any], eta: float, *, where: str) -> tuple[int, ...]:
    first, last, count = section.get("min_iter"), section.get("max_iter"), section.get("s", 2)
    if (first is None) == (last is None):
        raise InputError(f"{where}: early_terminate: give min_iter (with eta) or max_iter (with s and eta)")
    if last is None and "s" in section:
        raise InputError(f"{where}: early_terminate: s belongs to max_iter, not to min_iter; leave it out")
    given = [("min_iter", first), ("max_iter", last), ("s", count)]
    for key, value in given:
        if value is not None and not (type(value) is int and value >= 1):
            raise InputError(f"{where}: early_terminate: {key} is {value}; give a whole number from 1 on")
    if first is not None:
        powers = (first * eta**k for k in range(100))
        return tuple(dict.fromkeys(int(band) for band in powers if band <= LARGEST))
    bands = sorted({int(last / eta**k) for k in range(1, count + 1) if last is not None and last / eta**k >= 1})
    if not bands:
        fault = f"max_iter {last} is below eta {eta}, so there is no band"
        raise InputError(f"{where}: early_terminate: {fault}; give a larger max_iter or a smaller eta")
    return tuple(bands)
