"""What the callbacks of a run know of the LightningModule that trains it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from lightning.pytorch import LightningModule
from torch import Tensor

from vae_rd.model.vae import VAE
from vae_rd.objectives.base import Objective


@dataclass
class Member:
    """One model in training, with a run folder of its own.

    Attributes:
        model: what is trained.
        objective: what is minimised.
        epoch_values: the epoch's row of history so far: Lightning's own log rounds to single precision.
        stderrs: of some of the epoch's means, such as "val/objective_stderr".
        score: what selects the checkpoint to keep, the lowest; None in an epoch without validation or while annealing.
        val_objective: D + slope R of every validation example, [N]; None in an epoch without validation, or without
            a slope or a rate.
    """

    model: VAE
    objective: Objective
    epoch_values: dict[str, float] = field(default_factory=dict)
    stderrs: dict[str, float] = field(default_factory=dict)
    score: float | None = None
    val_objective: Tensor | None = None


class TrainedModule(LightningModule):
    """A LightningModule of this package, as its callbacks know it."""

    @property
    @abstractmethod
    def members(self) -> Sequence[Member]:
        """Those that are trained, each with its own history and checkpoints."""
