"""What writes down the models of the betas that one training goes through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from vae_rd.run.checkpoints import write_checkpoint
from vae_rd.run.files import staged
from vae_rd.run.folder import KEPT
from vae_rd.run.points import point_folder
from vae_rd.training.vae import VAEBlocks


class PointKeeper(Checkpoint):
    """Writes the models of betas that the epoch has passed, each as the kept checkpoint of its point.

    It comes before the keeper of the run's last checkpoint: an epoch that this one says is over has its points.

    Args:
        folder: of the run.
        run: what checkpoints say they belong to.
    """

    def __init__(self, folder: Path, *, run: str) -> None:
        self.folder, self.run = folder, run

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write them down, in the first process."""
        if not isinstance(pl_module, VAEBlocks):
            return
        for beta, weights in pl_module.passed.weights.items():
            state = {f"model.{name}": value for name, value in weights.items()}
            content: dict[str, Any] = {"state_dict": state, "epoch": trainer.current_epoch, "run": self.run}
            if trainer.is_global_zero:
                _write(point_folder(self.folder, beta) / KEPT, content)
        pl_module.passed.weights.clear()


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with staged(path) as temporary:
        write_checkpoint(content, temporary)
