"""history.csv: one row an epoch, for the file and the loggers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from vae_rd.run.files import HISTORY_FILE, csv_text, write_atomic
from vae_rd.training.base import TrainedModule
from vae_rd.training.diagnosis import DIAGNOSIS

# By these a run is judged again.
ERRORS = (
    "train/objective_stderr",
    "val/objective_stderr",
    *(f"val/objective_{of}{end}" for of in ("change", "above_best") for end in ("", "_stderr")),
)
_QUANTITIES = ("distortion", "rate", "elbo", "objective", "loss", "active_units")


def history_columns(latent_dim: int) -> list[str]:
    """The columns of every history.csv, before what objectives log; a cell of an epoch without validation is empty."""
    means = [f"{split}/{name}" for split in ("train", "val") for name in _QUANTITIES]
    units = [f"{split}/rate_dim_{d}" for split in ("val", "train") for d in range(latent_dim)]
    return ["epoch", "step", "beta_effective", "lr", *means, *units, *DIAGNOSIS, *ERRORS]


class HistoryWriter(Checkpoint):
    """One row an epoch, for history.csv and the logger.

    The last checkpoint holds the rows up to its epoch: a resumed run writes history.csv anew from them, without rows
    of epochs that will be trained again, and whatever has become of the file. A history goes on in the columns that it
    was begun with: half a column, of a run that an earlier version began, would be taken for all of it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / HISTORY_FILE
        self.rows: list[Mapping[str, Any]] = []
        self.text = ""
        self.columns: list[str] = []  # Of the text, once an epoch has been added.
        self.begun: Sequence[str] = ()  # The columns of a history that this one goes on with.

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write down the rows of the epochs that are already trained, even where none is left to train."""
        if self.text and trainer.is_global_zero:
            write_atomic(self.path, self.text)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row."""
        assert isinstance(pl_module, TrainedModule)
        (member,) = pl_module.members
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, **member.epoch_values}
        self._add(row, history_columns(member.model.latent_dim))
        if trainer.is_global_zero:
            write_atomic(self.path, self.text)
        if trainer.logger is not None:
            logged = {name: value for name, value in self.rows[-1].items() if name != "step"}
            trainer.logger.log_metrics(logged, step=trainer.global_step)

    def _add(self, row: Mapping[str, Any], fixed: Sequence[str]) -> None:
        """Add a row's line; where it has a column that the lines before have not, all of them are written anew."""
        later = set(fixed) - set(self.begun or fixed)
        self.rows.append({name: value for name, value in row.items() if name not in later and not _undefined(value)})
        if self.columns and self.rows[-1].keys() <= set(self.columns):
            self.text += csv_text(self.columns, self.rows[-1:], header=False)
            return
        columns = [*(name for name in fixed if name not in later), *(name for row in self.rows for name in row)]
        self.columns = list(dict.fromkeys(columns))
        self.text = csv_text(self.columns, self.rows)

    def state_dict(self) -> dict[str, Any]:
        """The file as it stands."""
        return {"csv": self.text}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the rows of the epochs that are already trained."""
        self.text = state_dict["csv"]
        reader = csv.DictReader(io.StringIO(self.text))
        self.rows, self.begun = list(reader), reader.fieldnames or []


def _undefined(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
