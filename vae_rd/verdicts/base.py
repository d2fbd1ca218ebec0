"""What a verdict rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vae_rd.verdicts.notes import Row


@dataclass(frozen=True)
class Evidence:
    """What is known of a run when it is judged.

    Attributes:
        metrics: of the kept checkpoint by split, as the record has them.
        latent_dim: units of z.
        rows: of its history, as `vae_rd.verdicts.training` says; none where there is no history.
        model: of the record, or as much of it as there is.
        data: the card, as the record has it.
    """

    metrics: Mapping[str, Mapping[str, Any]]
    latent_dim: int
    rows: Sequence[Row] = ()
    model: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
