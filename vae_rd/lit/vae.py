"""The LightningModule of one VAE under one objective."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from vae_rd.data.module import Batch
from vae_rd.metrics.rate_distortion import RateDistortion
from vae_rd.model import VAE
from vae_rd.objectives.base import Objective
from vae_rd.schedules import cosine_decay
from vae_rd.seeding import generator
from vae_rd.terms import Terms


class VAEModule(LightningModule):
    """Trains a VAE and logs train and val distortion, rate, elbo, objective, loss, active units and per-unit rates.

    Nothing in a step waits for the device: sums stay there and are read once an epoch.

    Args:
        model: the VAE.
        objective: what is minimised.
        batch_size: over all processes; the noise of a step is drawn for all of it and each process takes its rows.
        samples: draws of z per example, S.
        seed: of the noise.
        lr: learning rate of Adam.
        decay_steps: steps over which a cosine takes the learning rate to 0; None keeps it constant.
        weight_decay: decoupled weight decay.
    """

    def __init__(
        self,
        model: VAE,
        objective: Objective,
        *,
        batch_size: int,
        samples: int,
        seed: int,
        lr: float,
        decay_steps: int | None,
        weight_decay: float,
    ) -> None:
        super().__init__()
        self.model, self.objective = model, objective
        self.batch_size, self.samples, self.seed = batch_size, samples, seed
        self.lr, self.decay_steps, self.weight_decay = lr, decay_steps, weight_decay
        self.train_metrics = RateDistortion(model.latent_dim, beta=objective.beta)
        self.val_metrics = RateDistortion(model.latent_dim, beta=objective.beta)
        self.epoch_values: dict[str, float] = {}  # In full precision: Lightning logs in single.

    @property
    def is_annealing(self) -> bool:
        """Whether the objective is still being annealed, so that no checkpoint should be kept."""
        return self.objective.is_annealing(self.global_step)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean loss of one batch."""
        x = batch.x
        noise = generator(x.device, self.seed, "noise", self.current_epoch, batch.part)
        per_process = len(x)
        eps = self._noise(noise, self.batch_size, x)
        first = self.global_rank * per_process
        terms = self.model.terms(x, eps[:, first : first + per_process])
        return self._measure(self.train_metrics, terms).mean()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add one chunk under the noise that belongs to it, the same at every epoch."""
        noise = generator("cpu", self.seed, "validation", batch.part)
        terms = self.model.terms(batch.x, self._noise(noise, len(batch.x), batch.x))
        self._measure(self.val_metrics, terms)

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's validation means."""
        self._log("val", self.val_metrics)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training means, over weights as they moved and in train mode."""
        self._log("train", self.train_metrics)
        settings = {
            "beta_effective": self.objective.weight(self.global_step),
            "lr": self.trainer.optimizers[0].param_groups[0]["lr"],
        }
        self.epoch_values |= settings
        self.log_dict(settings)

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's row of history."""
        self.epoch_values = {}

    def configure_optimizers(self) -> Any:
        """Fused Adam, with a per-step cosine schedule if asked for."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=self.weight_decay, fused=True)
        if (steps := self.decay_steps) is None:
            return optimizer
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine_decay(step, steps=steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _noise(self, noise: torch.Generator, examples: int, like: Tensor) -> Tensor:
        shape = (self.samples, examples, self.model.latent_dim)
        return torch.randn(shape, generator=noise, device=noise.device, dtype=like.dtype).to(like.device)

    def _measure(self, metric: RateDistortion, terms: Terms) -> Tensor:
        loss = self.objective(terms, self.global_step)
        metric.update(terms, loss)
        return loss

    def _log(self, split: str, metric: RateDistortion) -> None:
        values = {f"{split}/{name}": value for name, value in metric.compute().items()}
        self.epoch_values |= values
        self.log_dict({name: float(value) for name, value in values.items()})
        metric.reset()
