"""The LightningModule of one VAE under one objective."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from typing import cast

import torch
from torch import Tensor

from vae_rd.data.module import Batch, TrainBatches
from vae_rd.functional.rate_distortion import objective_of
from vae_rd.metrics.rate_distortion import RateDistortion
from vae_rd.model.vae import VAE
from vae_rd.objectives.base import Objective
from vae_rd.objectives.gradients.base import Gradient
from vae_rd.process.collectives import all_gather
from vae_rd.process.memory import memory_advice
from vae_rd.seeding import generator
from vae_rd.training.advice import Advice
from vae_rd.training.base import Member, TrainedModule
from vae_rd.training.examples import ExampleTerms, add_examples, example_terms
from vae_rd.training.guard import check_terms, check_weights


class VAEModule(TrainedModule):
    """Trains a VAE and logs train and val distortion, rate, elbo, objective, loss, active units and per-unit rates.

    Nothing in a step waits for the device: sums stay there and are read once an epoch. Optimisation is manual because
    Lightning hands over a block of batches at a time; see `vae_rd.data.module.TrainBatches`.

    Args:
        model: the VAE.
        objective: what is minimised.
        gradient: how the gradient of its draws is estimated.
        batch_size: over all processes; the noise of a step is drawn for all of it and each process takes its rows.
        samples: draws of z per example, S.
        seed: of the noise.
        lr: learning rate of Adam, at its highest.
        steps: optimiser steps of the whole fit, after which it stops.
        schedule: share of `lr` at a step of `steps`.
        weight_decay: decoupled weight decay.
        grad_clip: largest gradient norm, None for no clipping.
        after_step: called after every optimiser step.
    """

    def __init__(
        self,
        model: VAE,
        objective: Objective,
        *,
        gradient: Gradient,
        batch_size: int,
        samples: int,
        seed: int,
        lr: float,
        steps: int,
        schedule: Callable[..., float],
        weight_decay: float,
        grad_clip: float | None,
        after_step: Callable[[], None],
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model, self.objective, self.gradient = model, objective, gradient
        self.batch_size, self.samples, self.seed = batch_size, samples, seed
        self.lr, self.steps, self.schedule, self.weight_decay = lr, steps, schedule, weight_decay
        self.grad_clip, self.after_step = grad_clip, after_step
        self.train_metrics = RateDistortion(model.latent_dim, slope=objective.slope())
        self.val_metrics = RateDistortion(model.latent_dim, slope=objective.slope())
        self.member = Member(model, objective)
        self._val_objective: dict[int, Tensor] = {}  # By evaluation chunk.

    @property
    def members(self) -> tuple[Member]:
        """The one that is trained."""
        return (self.member,)

    def learning_rate(self, step: int) -> float:
        """The learning rate of an optimiser step."""
        return self.lr * self.schedule(step, steps=self.steps)

    def on_train_start(self) -> None:
        """End at once where a run that had taken all its steps goes on."""
        if self.global_step >= self.steps:
            self.trainer.should_stop = True

    def training_step(self, block: Iterable[Batch], block_idx: int) -> None:
        """Optimise on each batch of a block.

        Raises:
            Diverged: when a loss in the block is not finite.
            OutOfMemory: when a step does not fit.
        """
        first = self.global_step
        with memory_advice("a training step", lower="--batch_size, --samples or the network (--hidden, --latent_dim)"):
            seen, norms = self._steps(block, first=first)
        check_terms(seen, norms, first_step=first + 1, advice=self._advice)
        add_examples(self.train_metrics, seen)
        # Beyond stepping, Lightning's wrapped step only counts, which costs a small model 1 % of a step: count here.
        self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total.completed = first + len(seen)

    def _steps(self, block: Iterable[Batch], *, first: int) -> tuple[list[ExampleTerms], list[Tensor]]:
        """Take the steps of a block from step `first` on; what each adds to the epoch's means, and norms it clipped."""
        optimizer, seen, norms = self._optimizer, [], []
        for step, batch in enumerate(block, start=first):
            noise = generator(batch.x.device, self.seed, "noise", self.current_epoch, batch.part)
            eps = self._training_noise(batch.x, noise)
            terms = self.gradient.terms(self.model, batch.x, eps, **batch.scored)
            loss = self.objective(terms, step, noise=noise)
            surrogate = self.gradient.surrogate(self.objective, terms, loss, step, noise=noise)
            seen.append(example_terms(terms, loss, latent_dim=self.model.latent_dim))
            optimizer.param_groups[0]["lr"] = self.learning_rate(step)
            optimizer.zero_grad()
            self.trainer.strategy.pre_backward(surrogate)  # Readies the sum of gradients over processes.
            surrogate.mean().backward()  # Lightning's own backward surrounds this with hooks that nobody uses here.
            if self.grad_clip is not None:
                norms.append(torch.nn.utils.clip_grad_norm_(self.parameters(), self.grad_clip))
            optimizer.step()
            terms.after_step()
            self.objective.after_step(terms)
            self.after_step()
            if step + 1 >= self.steps:
                self.trainer.should_stop = True
                break
        return seen, norms

    @property
    def _advice(self) -> Advice:
        """What can be at fault where training breaks; asked for the batch of a step, it draws that again."""

        def x(step: int) -> Tensor:
            batches = cast(TrainBatches, self.trainer.train_dataloader)
            return next(islice(chain.from_iterable(batches), (step - 1) % batches.steps, None)).x

        return Advice(
            x,
            lambda step: self.objective.weight(step - 1),
            lr=self.lr,
            weight_decay=self.weight_decay,
            grad_clip=self.grad_clip,
            is_double=torch.get_default_dtype() == torch.float64,
        )

    @property
    def _optimizer(self) -> torch.optim.Optimizer:
        return cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Fused Adam; its learning rate is set before every step, as a function of the step alone."""
        return torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=self.weight_decay, fused=True)

    def _training_noise(self, x: Tensor, noise: torch.Generator) -> Tensor:
        """This process's rows of the noise of the whole batch, which all processes draw from the step's stream."""
        first = self.global_rank * len(x)
        return self.model.noise(self.samples, x, noise, examples=self.batch_size)[:, first : first + len(x)]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add one chunk under the noise that belongs to it, the same at every epoch."""
        noise = generator("cpu", self.seed, "validation", batch.part)
        with memory_advice("validation", lower="--samples or the network (--hidden, --latent_dim)"):
            terms = self.model.terms(batch.x, self.model.noise(self.samples, batch.x, noise), **batch.scored)
            loss = self.objective(terms, self.global_step, noise=noise)
            seen = example_terms(terms, loss, latent_dim=self.model.latent_dim)
        add_examples(self.val_metrics, [seen])
        if len(batch.x) and (slope := self.objective.slope()) is not None:
            self._val_objective[batch.part] = objective_of(seen.distortion, seen.rate, slope).mean(0)

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's row of history."""
        self.member.epoch_values, self.member.stderrs = {}, {}
        self.member.score, self.member.val_objective = None, None

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's validation means, and score them once the loss is the final one."""
        means = _read(self.val_metrics)
        self._log("val", means)
        self.member.val_objective = self._read_val_objective()
        if not self.objective.is_annealing(self.global_step):
            self.member.score = self.objective.score(means)
            if self.member.score != means["objective"]:  # Else val/objective says it.
                self._log("", {"score": self.member.score})
            self._log("val", self.objective.of_validation(means))

    def _read_val_objective(self) -> Tensor | None:
        """The objective of every validation example, of all processes in their fixed order."""
        found = all_gather({part: values.cpu() for part, values in self._val_objective.items()})
        self._val_objective = {}
        values = torch.cat([found[part] for part in sorted(found)]) if found else None
        return values if values is not None and values.isfinite().all() else None

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training means, over weights as they moved and in train mode, and the settings to come.

        Raises:
            Diverged: when the weights are no longer finite; neither history nor checkpoints, which come next, see them.
        """
        check_weights(self.named_parameters(), self._optimizer, step=self.global_step, advice=self._advice)
        self._log("train", _read(self.train_metrics))
        settings = {"beta_effective": self.objective.weight(self.global_step), **self.objective.logged()}
        self._log("", {**settings, "lr": self.learning_rate(self.global_step)})

    def _log(self, split: str, values: Mapping[str, float | Tensor]) -> None:
        """Keep values for the row of history, which is what loggers get, and show them to other callbacks."""
        if "objective_stderr" in values:
            self.member.stderrs[f"{split}/objective_stderr"] = _number(values["objective_stderr"])
        values = {name: value for name, value in values.items() if name != "objective_stderr"}
        row = {f"{split}/{name}" if split else name: _number(value) for name, value in values.items()}
        self.member.epoch_values |= row
        self.log_dict({name: float(value) for name, value in row.items()}, logger=False)


def _number(value: float | Tensor) -> float:
    return value.item() if isinstance(value, Tensor) else value


def _read(metric: RateDistortion) -> dict[str, float]:
    """The means of an epoch as numbers, rates by units as `rate_dim_<d>`; the sums begin anew."""
    means = metric.compute()
    per_dim = means.pop("rate_per_dim").reshape(-1).tolist()  # torchmetrics gives that of one unit as a scalar.
    metric.reset()
    numbers = {name: value.item() for name, value in means.items()}
    if math.isfinite(numbers["active_units"]):
        numbers["active_units"] = int(numbers["active_units"])
    return numbers | {f"rate_dim_{d}": rate for d, rate in enumerate(per_dim)}
