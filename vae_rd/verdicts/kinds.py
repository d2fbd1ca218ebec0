"""The verdicts of a record: one row for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.collapse import collapse

VERDICTS: dict[str, Callable[[Evidence], dict[str, Any]]] = {"collapse": collapse}


def judged(metrics: Mapping[str, Mapping[str, Any]], latent_dim: int) -> dict[str, dict[str, Any]]:
    """Every verdict on a run by its metrics."""
    evidence = Evidence(metrics, latent_dim)
    return {name: judge(evidence) for name, judge in VERDICTS.items()}
