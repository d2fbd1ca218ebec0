"""What a run writes while it trains: `history.csv`, `kept.ckpt` and `last.ckpt`, once an epoch, each atomically.

Both callbacks are Lightning `Checkpoint`s because those run after the module has logged its epoch, in list order:
history comes first, so a checkpoint never claims an epoch that history lacks.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from vae_rd.folders import KEPT, LAST
from vae_rd.lit.vae import VAEModule
from vae_rd.records import HISTORY_FILE, csv_text, write_atomic

_QUANTITIES = ("distortion", "rate", "elbo", "objective", "loss", "active_units")


def history_columns(latent_dim: int) -> list[str]:
    """The columns of history.csv; validation cells are empty in epochs without validation."""
    means = [f"{split}/{name}" for split in ("train", "val") for name in _QUANTITIES]
    units = [f"{split}/rate_dim_{d}" for split in ("val", "train") for d in range(latent_dim)]
    return ["epoch", "step", "beta_effective", "lr", *means, *units]


class HistoryWriter(Checkpoint):
    """One row an epoch, for history.csv and the logger; rows of epochs that will be trained again are dropped."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / HISTORY_FILE
        self.rows: list[Mapping[str, Any]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the rows of the epochs that are already trained."""
        if trainer.current_epoch > 0:
            with self.path.open(encoding="utf-8", newline="") as stream:
                self.rows = [row for row in csv.DictReader(stream) if int(row["epoch"]) < trainer.current_epoch]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row."""
        assert isinstance(pl_module, VAEModule)
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, **pl_module.epoch_values}
        self.rows.append({name: value for name, value in row.items() if not _undefined(value)})
        if trainer.is_global_zero:
            write_atomic(self.path, csv_text(history_columns(pl_module.model.latent_dim), self.rows))
        if trainer.logger is not None:
            # W&B starts a requeued run with every key it logged: by its own name, lr would set the flag.
            names = {"lr": "train/lr"}
            logged = {names.get(name, name): value for name, value in self.rows[-1].items() if name != "step"}
            trainer.logger.log_metrics(logged, step=trainer.global_step)


class CheckpointKeeper(Checkpoint):
    """Keeps the last epoch and the one of lowest validation objective D + beta R, counted after any warm-up.

    Args:
        folder: the run's folder.
        patience: validations without a lower objective after which training stops; None for never.
    """

    def __init__(self, folder: Path, *, patience: int | None) -> None:
        self.folder, self.patience = folder, patience
        self.best, self.stale = math.inf, 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End at once where a run that had ended its training goes on."""
        if self.patience is not None and self.stale >= self.patience:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save `kept` if this epoch is the best yet, `last` in any case, and stop when patience has run out."""
        assert isinstance(pl_module, VAEModule)
        objective = pl_module.epoch_values.get("val/objective")
        if objective is not None and not pl_module.is_annealing:
            self.stale += 1
            if objective < self.best:
                self.best, self.stale = objective, 0
                trainer.save_checkpoint(self.folder / KEPT, weights_only=True)
            if self.patience is not None and self.stale >= self.patience:
                trainer.should_stop = True
        trainer.save_checkpoint(self.folder / LAST)

    def state_dict(self) -> dict[str, Any]:
        """What must survive a resume."""
        return {"best": self.best, "stale": self.stale}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting where the checkpoint left off."""
        self.best, self.stale = state_dict["best"], state_dict["stale"]


class StagedCheckpointIO(TorchCheckpointIO):
    """Checkpoints staged beside their target: Lightning's own staging area may be on another file system, where the
    final move is a copy that a kill can tear."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write the whole file, then put it in place."""
        staged = Path(f"{path}.{os.getpid()}.tmp")
        try:
            with staged.open("wb") as stream:
                torch.save(checkpoint, stream)
                stream.flush()
                os.fsync(stream.fileno())
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)


def _undefined(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
