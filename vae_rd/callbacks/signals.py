"""What ends training early: a step limit or a signal."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from vae_rd.signals import SignalGuard


class StepLimit(Callback):
    """Stops at `max_steps` with a validation of its own; Lightning's limit skips it in the middle of an epoch."""

    def __init__(self, max_steps: int) -> None:
        self.max_steps = max_steps

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask for the end of training once the limit is reached."""
        if trainer.global_step >= self.max_steps:
            trainer.should_stop = True


class StopOnSignal(Callback):
    """Lets a signal end training at the end of a step rather than within it."""

    def __init__(self, guard: SignalGuard) -> None:
        self.guard = guard

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on signals wait for the end of a step."""
        self.guard.hold()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop if a signal has come."""
        self.guard.check()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop if a signal has come."""
        self.guard.check()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop if a signal has come in the last epoch's end; from here on signals act at once."""
        self.guard.check()
        self.guard.release()
