"""What a run writes while it trains: `history.csv`, `kept.ckpt` and `last.ckpt`, once an epoch, each atomically.

Both callbacks are Lightning `Checkpoint`s because those run after the module has logged its epoch, in list order:
history comes first, and a checkpoint holds its rows. The last checkpoint but one stays as `last.previous.ckpt`, and
reading checks every byte, so that a damaged file costs an epoch and never a wrong number.
"""

from __future__ import annotations

import csv
import io
import math
import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from vae_rd.errors import InputError
from vae_rd.folders import KEPT, LAST, PREVIOUS
from vae_rd.lit.vae import VAEModule
from vae_rd.records import HISTORY_FILE, csv_text, write_atomic

_QUANTITIES = ("distortion", "rate", "elbo", "objective", "loss", "active_units")


def history_columns(latent_dim: int) -> list[str]:
    """The columns of history.csv; validation cells are empty in epochs without validation."""
    means = [f"{split}/{name}" for split in ("train", "val") for name in _QUANTITIES]
    units = [f"{split}/rate_dim_{d}" for split in ("val", "train") for d in range(latent_dim)]
    return ["epoch", "step", "beta_effective", "lr", *means, *units]


class HistoryWriter(Checkpoint):
    """One row an epoch, for history.csv and the logger.

    The last checkpoint holds the rows up to its epoch: a resumed run writes history.csv anew from them, without rows
    of epochs that will be trained again, and whatever has become of the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / HISTORY_FILE
        self.rows: list[Mapping[str, Any]] = []
        self.text = ""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write down the rows of the epochs that are already trained, even where none is left to train."""
        if self.text and trainer.is_global_zero:
            write_atomic(self.path, self.text)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row."""
        assert isinstance(pl_module, VAEModule)
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, **pl_module.epoch_values}
        self.rows.append({name: value for name, value in row.items() if not _undefined(value)})
        self.text = csv_text(history_columns(pl_module.model.latent_dim), self.rows)
        if trainer.is_global_zero:
            write_atomic(self.path, self.text)
        if trainer.logger is not None:
            logged = {name: value for name, value in self.rows[-1].items() if name != "step"}
            trainer.logger.log_metrics(logged, step=trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """The file as it stands."""
        return {"csv": self.text}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the rows of the epochs that are already trained."""
        self.text = state_dict["csv"]
        self.rows = list(csv.DictReader(io.StringIO(self.text)))


class CheckpointKeeper(Checkpoint):
    """Keeps the last epoch and the one of lowest validation objective D + beta R, counted after any warm-up.

    Args:
        folder: the run's folder.
        patience: validations without a lower objective after which training stops; None for never.
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
        assert isinstance(pl_module, VAEModule)
        objective = pl_module.epoch_values.get("val/objective")
        if objective is not None and not pl_module.is_annealing:
            self.stale += 1
            if objective < self.best:
                self.best, self.stale, self.kept_epoch = objective, 0, trainer.current_epoch
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
        staged = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            _write({**checkpoint, "run": self.run or _run_of(path)}, staged)
            if path.name == Path(LAST).name and path.is_file() and not self.is_last_damaged:
                path.replace(path.with_name(Path(PREVIOUS).name))
            staged.replace(path)
            self.is_last_damaged = False
        finally:
            staged.unlink(missing_ok=True)

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """A checkpoint by `read_checkpoint`; after the last but one, a last one that is no good is not put aside."""
        self.is_last_damaged = Path(path).name == Path(PREVIOUS).name
        return read_checkpoint(Path(path))


def whole_checkpoint(folder: Path, *, run: str | None = None) -> Path:
    """The checkpoint from which a run goes on: the last one or, if that is damaged or missing, the one before it.

    Says so in one line on stderr where an epoch is lost. Where some epoch was kept already, its file must be whole,
    since no later epoch might be as good.

    Args:
        folder: of the run.
        run: what they must say they belong to; by default the folder's name.

    Raises:
        InputError: when there is none, or one that must be whole is damaged or belongs to another run.
    """
    path, run = folder / LAST, run or folder.name
    try:
        content = read_checkpoint(path, run=run)
    except InputError as error:
        if path.is_dir() or not (folder / PREVIOUS).is_file():
            raise
        path = folder / PREVIOUS
        content = read_checkpoint(path, run=run)
        fault = str(error).rpartition("; ")[0]
        print(f"{fault}; going on from the epoch before", file=sys.stderr)
    if content["callbacks"][CheckpointKeeper.__name__]["kept_epoch"] >= 0:
        read_checkpoint(folder / KEPT, run=run)
    return path


def read_checkpoint(path: Path, *, run: str | None = None) -> dict[str, Any]:
    """What is in a checkpoint, on the CPU; only tensors and plain values are ever unpickled.

    Args:
        path: the file.
        run: what it must say it belongs to; None for any.

    Raises:
        InputError: when the file is missing, damaged in any byte, another kind of checkpoint than its name says, or of
            another run.
    """
    try:
        content = _read(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such checkpoint; fit the run to its end") from None
    except Exception:  # A damaged file can make its readers raise anything.
        raise InputError(f"{path}: damaged, no checkpoint can be read; fit the run again with --overwrite") from None
    if run is not None and content.get("run", run) != run:
        raise InputError(f"{path}: of the run {content['run']}, not of {run}; put the right file there")
    return content


def load_whole(path: Path) -> Any:
    """What torch saved in a file, on the CPU, if all of it is as it was written.

    torch.load alone ignores the sums in the file, and takes a flipped bit for a weight.

    Raises:
        Exception: of any kind, where the file is damaged or holds anything but tensors and plain values.
    """
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise ValueError("a sum is wrong")
    return torch.load(path, map_location="cpu", weights_only=True)


def _write(checkpoint: dict[str, Any], path: Path) -> None:
    try:
        with path.open("wb") as stream:
            torch.save(checkpoint, stream)
            stream.flush()
            os.fsync(stream.fileno())
    except (OSError, RuntimeError) as error:
        # torch's writer fails once more when it closes the file that was cut short, and hides why it was.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        raise OSError(cause.errno, f"{cause.strerror}; what was saved before is whole", str(path)) from error


def _read(path: Path) -> dict[str, Any]:
    """The content of a whole file that is what its name says."""
    content: dict[str, Any] = load_whole(path)
    is_kept = path.name == Path(KEPT).name
    parts = {"state_dict", "epoch"} if is_kept else {"state_dict", "optimizer_states", "loops", "callbacks", "run"}
    states = set() if is_kept else {HistoryWriter.__name__, CheckpointKeeper.__name__}
    if not (parts <= content.keys() and states <= content.get("callbacks", {}).keys()):
        raise ValueError("parts are missing")
    if is_kept and "optimizer_states" in content:
        raise ValueError("a last checkpoint in place of the kept one")
    return content


def _run_of(path: Path) -> str:
    return path.absolute().parent.parent.name


def _undefined(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
