"""What the LightningModules of a run share, and what its callbacks know of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from vae_rd.data.module import Batch, TrainBatches
from vae_rd.model.generative import GenerativeModel
from vae_rd.objectives.base import Objective
from vae_rd.training.adam import shares_of, step_of
from vae_rd.training.advice import Advice
from vae_rd.training.ending import validate_at_end


@dataclass
class Member:
    """One model in training, with a run folder of its own.

    Attributes:
        model: what is trained.
        objective: what is minimised; None where two networks have losses of their own.
        epoch_values: the epoch's row of history so far: Lightning's own log rounds to single precision.
        stderrs: of some of the epoch's means, such as "val/objective_stderr".
        score: what selects the checkpoint to keep, the lowest; None in an epoch without validation or while annealing.
        val_objective: D + slope R of every validation example, [N]; None in an epoch without validation, or without
            a slope or a rate.
    """

    model: GenerativeModel
    objective: Objective | None
    epoch_values: dict[str, float] = field(default_factory=dict)
    stderrs: dict[str, float] = field(default_factory=dict)
    score: float | None = None
    val_objective: Tensor | None = None

    def begin_epoch(self) -> None:
        """Forget the epoch before."""
        self.epoch_values, self.stderrs = {}, {}
        self.score, self.val_objective = None, None


@dataclass(frozen=True)
class Descent:
    """How Adam takes its steps.

    Attributes:
        lr: learning rate, at its highest.
        steps: optimiser steps of the whole fit, after which it stops.
        schedule: share of `lr` at a step of `steps`.
        weight_decay: decoupled weight decay.
        grad_clip: largest gradient norm, None for no clipping.
        second_moment: decay, a step, of Adam's mean of squared gradients.
    """

    lr: float
    steps: int
    schedule: Callable[..., float]
    weight_decay: float
    grad_clip: float | None
    second_moment: float = 0.999

    def learning_rate(self, step: int) -> float:
        """The learning rate of an optimiser step."""
        return self.lr * self.schedule(step, steps=self.steps)

    def optimizer(
        self, parameters: Iterable[nn.Parameter], *, betas: tuple[float, float] | None = None
    ) -> torch.optim.Optimizer:
        """Fused Adam; its learning rate is set before every step, as a function of the step alone."""
        betas = betas or (0.9, self.second_moment)
        return torch.optim.AdamW(parameters, lr=self.lr, betas=betas, weight_decay=self.weight_decay, fused=True)


class TrainedModule(LightningModule):
    """A LightningModule of this package, as its callbacks know it.

    Nothing in a step waits for the device: sums stay there and are read once an epoch. Optimisation is manual because
    Lightning hands over a block of batches at a time; see `vae_rd.data.module.TrainBatches`.

    Args:
        descent: how steps are taken.

    Attributes:
        after_chunk: called after every chunk of validation.
    """

    def __init__(self, descent: Descent) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.descent = descent
        self.after_chunk: Callable[[], None] = lambda: None
        self.weights = ""  # As of `Advice`.
        self.taken_over: Mapping[str, Any] | None = None  # The state of an optimiser of the same parameters.

    @property
    @abstractmethod
    def members(self) -> Sequence[Member]:
        """Those that are trained, each with its own history and checkpoints."""

    def weight(self, step: int) -> float | Tensor:
        """Of the rate in the loss of a step; 0 where it has none."""
        return 0.0

    def on_train_start(self) -> None:
        """End at once where a run that had taken all its steps goes on."""
        if self.global_step >= self.descent.steps:
            self.trainer.should_stop = True

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's row of history."""
        for member in self.members:
            member.begin_epoch()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Let the end of training have its validation: `left` says that it has come."""
        validate_at_end(self.trainer)

    def left(self, block: Iterable[Batch], *, first: int) -> Iterator[tuple[int, Batch]]:
        """The batches of a block with the steps they are of, from step `first` on, up to the last step of the fit."""
        for step, batch in enumerate(block, start=first):
            yield step, batch
            if step + 1 >= self.descent.steps:
                self.trainer.should_stop = True
                return

    def descend(self, loss: Tensor, step: int) -> Tensor | None:
        """Take one step on a loss, [B]; the norm of the gradients, where it is clipped."""
        for parameter in self.optimizer.param_groups[0]["params"]:
            parameter.grad = None  # As its `zero_grad` does, whose own hooks take 0.8 % of a small step.
        self.trainer.strategy.pre_backward(loss)  # Readies the sum of gradients over processes.
        # As of `loss.mean()`. Lightning's own backward surrounds this with hooks that nobody uses here.
        loss.backward(shares_of(loss))
        return self.move(step)

    def move(self, step: int) -> Tensor | None:
        """Take one step by the gradients that parameters have; their norm, where it is clipped."""
        optimizer, norm = self.optimizer, None
        (group,) = optimizer.param_groups
        group["lr"] = self.descent.learning_rate(step)
        if self.descent.grad_clip is not None:
            norm = self.clip(self.descent.grad_clip)
        step_of(optimizer)
        return norm

    def clip(self, most: float) -> Tensor:
        """Scale the gradients down to a norm of all together; what it was, []."""
        return torch.nn.utils.clip_grad_norm_(self.parameters(), most)

    def count_steps(self, taken: int) -> None:
        """Say how many steps were taken: beyond that Lightning's own optimiser does nothing, at 1 % of a small step."""
        self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total.completed = taken

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The one of all trained parameters."""
        return cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser of all parameters, with the moments of their gradients that were taken over, if any were."""
        optimizer = self.descent.optimizer(self.parameters())
        if self.taken_over is not None:
            settings = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": self.taken_over["state"], "param_groups": settings})
        return optimizer

    @property
    def advice(self) -> Advice:
        """What can be at fault where training breaks; asked for the batch of a step, it draws that again."""

        def x(step: int) -> Tensor:
            batches = cast(TrainBatches, self.trainer.train_dataloader)
            return next(islice(chain.from_iterable(batches), (step - 1) % batches.steps, None)).x

        return Advice(
            x,
            lambda step: self.weight(step - 1),
            lr=self.descent.lr,
            weight_decay=self.descent.weight_decay,
            grad_clip=self.descent.grad_clip,
            is_double=torch.get_default_dtype() == torch.float64,
            weights=self.weights,
        )

    def log_row(self, split: str, values: Mapping[str, float | Tensor]) -> None:
        """Keep values for the row of history, which is what callbacks see and loggers get.

        Lightning's own log of them, which nobody reads, would take a sixth of a small run.
        """
        (member,) = self.members
        member.epoch_values |= {f"{split}/{name}" if split else name: as_number(v) for name, v in values.items()}


def as_number(value: float | Tensor) -> float:
    """A number, or that of a tensor of one."""
    return value.item() if isinstance(value, Tensor) else value
