"""What a run keeps of its weights: `kept.ckpt` and `last.ckpt`, once an epoch, each atomically.

The keeper is a Lightning `Checkpoint`, as history's writer is, because those run after the module has logged its epoch,
in list order: history comes first, and a checkpoint holds its rows. The last checkpoint but one stays as
`last.previous.ckpt`, and reading checks every byte, so that a damaged file costs an epoch and never a wrong number.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from vae_rd.process.waiting import waiting_for_disk
from vae_rd.run.checkpoints import read_checkpoint, run_of, write_checkpoint
from vae_rd.run.files import staged
from vae_rd.run.folder import KEPT, LAST, PREVIOUS
from vae_rd.training.base import TrainedModule


class CheckpointKeeper(Checkpoint):
    """Keeps the last epoch and the one of the lowest score that its objective gives, counted after any warm-up.

    Args:
        folder: the run's folder.
        patience: validations without a lower score after which training stops; None for never.
    """

    def __init__(self, folder: Path, *, patience: int | None) -> None:
        self.folder, self.patience = folder, patience
        self.best, self.stale = math.inf, 0
        self.kept_epoch = -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End at once where a run that had ended its training goes on.

        Where `kept` comes from an epoch that is to be trained again, whose result may change with `--max_epochs`, the
        next epoch replaces it: if nothing changes, that epoch was the best up to then and is kept again.
        """
        kept = self.folder / KEPT
        if trainer.current_epoch > 0 and kept.exists() and read_checkpoint(kept)["epoch"] != self.kept_epoch:
            self.best = math.inf
        if self.patience is not None and self.stale >= self.patience:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save `kept` if this epoch is the best yet, `last` in any case, and stop when patience has run out."""
        assert isinstance(pl_module, TrainedModule)
        (member,) = pl_module.members
        score = member.score
        if score is not None:
            self.stale += 1
            if score < self.best:
                self.best, self.stale, self.kept_epoch = score, 0, trainer.current_epoch
                trainer.save_checkpoint(self.folder / KEPT, weights_only=True)
            if self.patience is not None and self.stale >= self.patience:
                trainer.should_stop = True
        trainer.save_checkpoint(self.folder / LAST)

    def state_dict(self) -> dict[str, Any]:
        """What must survive a resume."""
        return {"best": self.best, "stale": self.stale, "kept_epoch": self.kept_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting where the checkpoint left off."""
        self.best, self.stale = state_dict["best"], state_dict["stale"]
        self.kept_epoch = state_dict["kept_epoch"]


class StagedCheckpointIO(TorchCheckpointIO):
    """Checkpoints staged beside their target: Lightning's own staging area may be on another file system, where the
    final move is a copy that a kill can tear.

    Args:
        run: what each says it belongs to; by default the name of the folder above its own.
    """

    def __init__(self, run: str | None = None) -> None:
        super().__init__()
        self.run = run
        self.is_last_damaged = False

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write the whole file, then put it in place, the last one before it aside.

        Raises:
            OSError: when it cannot be written, on a full disk say; what was saved before is as it was.
        """
        path = Path(path)
        with staged(path) as temporary:
            write_checkpoint({**checkpoint, "run": self.run or run_of(path)}, temporary)
            if path.name == Path(LAST).name and path.is_file() and not self.is_last_damaged:
                with waiting_for_disk():
                    path.replace(path.with_name(Path(PREVIOUS).name))
        if path.name == Path(LAST).name:
            self.is_last_damaged = False

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """A checkpoint by `read_checkpoint`; after the last but one, a last one that is no good is not put aside."""
        self.is_last_damaged = Path(path).name == Path(PREVIOUS).name
        return read_checkpoint(Path(path))
