"""The rows of a training that others carry out, the best of its validations, and what there is to say of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from vae_rd.run.files import csv_text
from vae_rd.run.record import Json
from vae_rd.training.changes import ValidationChanges
from vae_rd.training.history import history_columns
from vae_rd.training.notes import new_notes
from vae_rd.verdicts.notes import Note, TrainingFacts
from vae_rd.verdicts.training import AT_END, EACH_EPOCH


class Epochs:
    """One row for each epoch with a validation, of its last one.

    Attributes:
        rows: as `vae_rd.verdicts.training` says.
        said: notes so far, as the record has them.
        best: the lowest score of a validation under the final loss.
        kept_epoch: whose it is; -1 for none.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.said: list[Json] = []
        self.best, self.kept_epoch = math.inf, -1
        self.changes = ValidationChanges()

    def add(self, row: Mapping[str, float], objectives: Tensor | None) -> None:
        """Put a row in, instead of one of the same epoch.

        Args:
            row: of a validation; what is not finite is undefined.
            objectives: D + beta R of each of its examples, [N].
        """
        known = dict(row) | ({} if objectives is None else self.changes.numbers(objectives))
        self.rows = [before for before in self.rows if before["epoch"] < row["epoch"]]
        self.rows.append({name: float(value) for name, value in known.items() if math.isfinite(value)})

    def is_best(self, score: float, epoch: int) -> bool:
        """Whether a score is the lowest so far, which it then is."""
        if not score < self.best:
            return False
        self.best, self.kept_epoch = score, epoch
        return True

    def notes(self, facts: TrainingFacts, *, at_end: bool = False) -> list[Note]:
        """What there is to say and was not said yet."""
        return list(new_notes(AT_END if at_end else EACH_EPOCH, self.rows, facts, said=self.said))

    def csv(self, latent_dim: int) -> str:
        """As history.csv has them, in its columns."""
        columns = [*history_columns(latent_dim), *(name for row in self.rows for name in row)]
        rows = [{name: _cell(name, value) for name, value in row.items() if name != "annealing"} for row in self.rows]
        return csv_text([name for name in dict.fromkeys(columns) if name != "annealing"], rows)

    def state_dict(self) -> dict[str, Any]:
        """What must survive a resume."""
        own = {name: getattr(self, name) for name in ("rows", "said", "best", "kept_epoch")}
        return own | {"changes": self.changes.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint left off."""
        self.rows, self.said = list(state["rows"]), list(state["said"])
        self.best, self.kept_epoch = state["best"], state["kept_epoch"]
        self.changes.load_state_dict(state["changes"])


_COUNTS: Sequence[str] = ("epoch", "step", "active_units", "active_units_by_rate", "collapsed_units")


def _cell(name: str, value: float) -> float | int:
    return int(value) if name.rsplit("/", 1)[-1] in _COUNTS else value
