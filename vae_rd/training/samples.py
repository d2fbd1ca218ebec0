"""After each validation of a model without q(z|x): how far its samples are from the split, which selects what stays."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer

from vae_rd.data.dataset import DataSet
from vae_rd.estimators.sample_quality import Moments, frechet_distance, spread
from vae_rd.metrics.samples import Components, sample_images, sample_noise, some_of
from vae_rd.training.base import TrainedModule
from vae_rd.training.media import evaluated

MOST = 2_000  # Examples, and as many samples.


class SampleMonitor(Callback):
    """Puts `val/frechet` and `val/spread` into the epoch's row, by principal components; the first is the score.

    The same z and the same draws at every validation. Each process measures all of it: the numbers are those of one.

    Args:
        data: the data set.
        seed: of samples.
    """

    def __init__(self, data: DataSet, *, seed: int) -> None:
        self.data, self.seed = data, seed

    @cached_property
    def components(self) -> Components:
        """The space in which samples are compared with examples."""
        return Components.of(self.data)

    @cached_property
    def points(self) -> np.ndarray:
        """The examples there."""
        return self.components.points(self.data.examples("val", some_of(self.data, "val", MOST)))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure, before the row is written."""
        assert isinstance(pl_module, TrainedModule)
        for member in pl_module.members:
            with evaluated(member.model):
                noise = sample_noise(member.model, self.seed, "validation")
                samples = self.components.points(sample_images(member.model, len(self.points), noise=noise))
            if np.isfinite(samples).all():
                member.score = frechet_distance(Moments.of(self.points), Moments.of(samples))
                member.epoch_values |= {"val/frechet": member.score, "val/spread": spread(self.points, samples)}
