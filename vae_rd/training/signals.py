"""Lets a signal end training between steps rather than within one."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer

from vae_rd.process.signals import SignalGuard
from vae_rd.training.base import TrainedModule


class HoldSignals(Callback):
    """Makes signals wait while training runs; the module checks after every step and every chunk of validation."""

    def __init__(self, guard: SignalGuard) -> None:
        self.guard = guard

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on signals wait for a check."""
        assert isinstance(pl_module, TrainedModule)
        pl_module.after_chunk = self.guard.check
        self.guard.hold()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop if a signal has come in the last epoch's end; from here on signals act at once."""
        self.guard.check()
        self.guard.release()
