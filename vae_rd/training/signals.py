"""Lets a signal end training between steps rather than within one."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from vae_rd.process.signals import SignalGuard


class HoldSignals(Callback):
    """Makes signals wait while training runs; the module checks after every step, this callback after the rest."""

    def __init__(self, guard: SignalGuard) -> None:
        self.guard = guard

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on signals wait for a check."""
        self.guard.hold()

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
