"""What a verdict rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Evidence:
    """What is known of a run when it is judged.

    Attributes:
        metrics: of the kept checkpoint by split, as the record has them.
        latent_dim: units of z.
    """

    metrics: Mapping[str, Mapping[str, Any]]
    latent_dim: int
