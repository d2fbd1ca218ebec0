"""The LightningModule of a fit: one VAE under one objective, by blocks of batches.

`vae_rd.training.module` has the one for anybody's Trainer; they share the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from vae_rd.data.module import Batch
from vae_rd.functional.rate_distortion import objective_of
from vae_rd.functional.seeding import generator
from vae_rd.metrics.rate_distortion import RateDistortion
from vae_rd.model.vae import VAE
from vae_rd.objectives.base import Objective
from vae_rd.objectives.gradients.base import Gradient
from vae_rd.process.collectives import all_gather
from vae_rd.process.memory import memory_advice
from vae_rd.training.base import Descent, Member, TrainedModule, as_number
from vae_rd.training.examples import ExampleTerms, add_examples, as_terms, example_terms, read_means
from vae_rd.training.guard import check_terms, check_weights
from vae_rd.training.many_betas import BetaGrid, rows_of
from vae_rd.training.passed import Passed
from vae_rd.training.replay import LEAST, Given, Replay, is_known, takes_note
from vae_rd.training.stacked_loss import Loss

Steps = Callable[[Iterable[Batch], int], tuple[list[ExampleTerms], list[Tensor]]]


class Seat(Protocol):
    """The place of a member among others that train beside it in one process."""

    def steps_of(self, module: VAEBlocks) -> Steps:
        """What takes the steps of a block, as `VAEBlocks.take_steps`, together with the others'."""


class VAEBlocks(TrainedModule):
    """Trains a VAE by blocks of batches of our own under our own Trainer.

    It logs train and val distortion, rate, elbo, objective, loss, active units and per-unit rates.

    Args:
        model: the VAE.
        objective: what is minimised.
        gradient: how the gradient of its draws is estimated.
        descent: how steps are taken.
        batch_size: over all processes; the noise of a step is drawn for all of it and each process takes its rows.
        samples: draws of z per example, S.
        seed: of the noise.
        after_step: called after every optimiser step.

    Attributes:
        seat: its place among members that are trained together; None of one alone.
        replay: its steps as a list of operations on tensors; None while they are built anew each time.
        turns: whether the objective takes note of steps.
        passed: models of the betas that training has passed, where its objective goes on to others.
    """

    def __init__(
        self,
        model: VAE,
        objective: Objective,
        *,
        gradient: Gradient,
        descent: Descent,
        batch_size: int,
        samples: int,
        seed: int,
        after_step: Callable[[], None],
    ) -> None:
        super().__init__(descent)
        self.model, self.objective, self.gradient = model, objective, gradient
        self.batch_size, self.samples, self.seed = batch_size, samples, seed
        self.after_step = after_step
        self.seat: Seat | None = None
        self.replay: Replay | None = None
        self.turns = type(objective).after_step is not Objective.after_step
        self.passed = Passed(objective.passed)
        # Of a batch of many betas there is no objective of one; D and R are then means over all of them.
        self.grid = None if objective.betas is None else BetaGrid(objective.betas)
        slope = objective.slope() if self.grid is None else None
        self.train_metrics = RateDistortion(model.latent_dim, slope=slope)
        self.val_metrics = RateDistortion(model.latent_dim, slope=objective.slope())
        self.member = Member(model, objective)
        self._val_objective: dict[int, Tensor] = {}  # By evaluation chunk.

    @property
    def members(self) -> tuple[Member]:
        """The one that is trained."""
        return (self.member,)

    def weight(self, step: int) -> float | Tensor:
        """Of the rate in the loss of a step."""
        return self.objective.weight(step)

    def training_step(self, block: Iterable[Batch], block_idx: int) -> None:
        """Optimise on each batch of a block.

        Raises:
            Diverged: when a loss in the block is not finite.
            OutOfMemory: when a step does not fit.
        """
        first = self.global_step
        with memory_advice("a training step", lower="--batch_size, --samples or the network (--hidden, --latent_dim)"):
            seen, norms = (self.take_steps if self.seat is None else self.seat.steps_of(self))(block, first)
        check_terms(seen, norms, first_step=first + 1, advice=self.advice)
        add_examples(self.train_metrics, seen)
        self.count_steps(first + len(seen))

    def take_steps(self, block: Iterable[Batch], first: int) -> tuple[list[ExampleTerms], list[Tensor]]:
        """Take the steps of a block from step `first` on; what each adds to the epoch's means, and norms it clipped."""
        seen, norms, replay = [], [], self._replay_from(first)
        for step, batch in self.left(block, first=first):
            noise = generator(batch.x.device, self.seed, "noise", self.current_epoch, batch.part)
            eps, context = self.training_noise(batch.x, noise), self._training_context(batch.x, noise)
            given = Given(batch.x, eps, context, **batch.scored)
            examples = None if replay is None else replay.step(given, step)
            examples, norm = self._built(given, step, noise) if examples is None else self._replayed(examples, step)
            seen.append(examples)
            if norm is not None:
                norms.append(norm)
            self.passed.note(step + 1, self.model)
            self.after_step()
        return seen, norms

    def _built(self, given: Given, step: int, noise: torch.Generator) -> tuple[ExampleTerms, Tensor | None]:
        """Take a step by modules and autograd."""
        x, eps, context, target = given
        terms, loss, surrogate = self.gradient.step(
            self.model, self.objective, x, eps, step, noise=noise, context=context, target=target
        )
        examples = example_terms(terms, loss, latent_dim=self.model.latent_dim)
        norm = self.descend(surrogate, step)
        terms.after_step()
        self.objective.after_step(terms)
        return examples, norm

    def _replayed(self, examples: ExampleTerms, step: int) -> tuple[ExampleTerms, Tensor | None]:
        """Take a step whose gradients the parameters have."""
        norm = self.move(step)
        if self.turns:
            self.objective.after_step(as_terms(examples))
        return examples, norm

    def _replay_from(self, first: int) -> Replay | None:
        """What carries out steps from `first` on without modules and autograd; None where that is not worth it."""
        left = self.descent.steps - first
        if self.replay is None and first and left >= LEAST and self.trainer.world_size == 1:
            loss = Loss(self.model, self.objective, self.gradient)
            self.replay = Replay(loss) if is_known(loss) and not takes_note(self.model) else None
        return self.replay

    def training_noise(self, x: Tensor, noise: torch.Generator) -> Tensor:
        """This process's rows of the noise of the whole batch, which all processes draw from the step's stream."""
        first = self.global_rank * len(x)
        return self.model.noise(self.samples, x, noise, examples=self.batch_size)[:, first : first + len(x)]

    def _training_context(self, x: Tensor, noise: torch.Generator) -> Tensor | None:
        """What this process's rows of the whole batch are given, likewise."""
        whole = self.objective.context(self.batch_size, noise)
        return None if whole is None else rows_of(whole, self.batch_size, self.global_rank * len(x), len(x))

    def validation_step(self, block: Iterable[Batch], block_idx: int) -> None:
        """Add the chunks of a block."""
        for batch in block:
            self._validate(batch)
            self.after_chunk()

    def _validate(self, batch: Batch) -> None:
        """Add one chunk under the noise that belongs to it, the same at every epoch."""
        noise = generator("cpu", self.seed, "validation", batch.part)
        with memory_advice("validation", lower="--samples or the network (--hidden, --latent_dim)"):
            eps = self.model.noise(self.samples, batch.x, noise)
            terms = self.model.terms(batch.x, eps, **batch.scored)
            loss = self.objective(terms, self.global_step, noise=noise)
            seen = example_terms(terms, loss, latent_dim=self.model.latent_dim)
            if self.grid is not None:
                self.grid.add(self.model, batch, eps)
        add_examples(self.val_metrics, [seen])
        if len(batch.x) and (slope := self.objective.slope()) is not None:
            self._val_objective[batch.part] = objective_of(seen.distortion, seen.rate, slope).mean(0)

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's validation means, and score them once the loss is the final one."""
        means = read_means(self.val_metrics)
        self._log("val", means)
        self.member.val_objective = self._read_val_objective()
        means |= {} if self.grid is None else self.grid.means()
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
        check_weights(self.named_parameters(), self.optimizer, step=self.global_step, advice=self.advice)
        self._log("train", read_means(self.train_metrics))
        settings = {"beta_effective": self.objective.weight(self.global_step), **self.objective.logged()}
        self._log("", {**settings, "lr": self.descent.learning_rate(self.global_step)})

    def _log(self, split: str, values: Mapping[str, float | Tensor]) -> None:
        """A row of means, whose standard error is kept apart."""
        if "objective_stderr" in values:
            self.member.stderrs[f"{split}/objective_stderr"] = as_number(values["objective_stderr"])
        self.log_row(split, {name: value for name, value in values.items() if name != "objective_stderr"})
