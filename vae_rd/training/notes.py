"""Says what a user should know of a training, once, when it happens: on the terminal, in the record and in W&B."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from vae_rd.run.record import Json
from vae_rd.training.base import TrainedModule
from vae_rd.training.changes import ValidationChanges
from vae_rd.training.tracking import RunLogger
from vae_rd.verdicts.notes import Note, Row, TrainingFacts
from vae_rd.verdicts.training import AT_END, EACH_EPOCH, Judge

# Of a row of history, what notes read; standard errors and changes come to it.
READ = (
    *("beta_effective", "lr", "train/objective", "val/objective", "val/distortion", "val/rate", "val/elbo"),
    *("val/shuffled_distortion", "val/information", "val/amortisation_gap"),
)
DIGITS = 6  # Of a standard error.


class TrainingNotes(Checkpoint):
    """Asks the functions of `vae_rd.verdicts.training` after each epoch, and prints each kind of note once.

    It is a Lightning `Checkpoint`, as those run after the module has logged its epoch, and comes before the keeper. The
    last checkpoint holds what it has seen and said; what is said at the end alone is not in it, as a run may go on.

    Args:
        facts: what is known beside the rows.
        said: the notes so far, to which it adds: the record's own list.
    """

    def __init__(self, facts: TrainingFacts, *, said: list[Json]) -> None:
        self.facts, self.said = facts, said
        self.rows: list[dict[str, float]] = []
        self.text = ""  # Of the rows, a line of JSON each.
        self.changes = ValidationChanges()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what notes read of the epoch, and say what there is to say."""
        assert isinstance(pl_module, TrainedModule)
        (member,) = pl_module.members
        known = {name: value for name, value in member.epoch_values.items() if name in READ} | member.stderrs
        if member.val_objective is not None:
            known |= self.changes.numbers(member.val_objective)
        place = {"epoch": trainer.current_epoch, "step": trainer.global_step}
        is_annealing = member.objective is not None and member.objective.is_annealing(trainer.global_step)
        annealing = {"annealing": int(is_annealing)}
        known = {name: _kept(name, value) for name, value in known.items() if math.isfinite(value)}
        self.rows.append(place | annealing | known)
        self.text += json.dumps(self.rows[-1]) + "\n"
        member.epoch_values = known | member.epoch_values  # History has them too, so that a run can be judged again.
        self._say(EACH_EPOCH, trainer)

    def finish(self, trainer: Trainer) -> None:
        """Say what only the end of training shows."""
        self._say(AT_END, trainer)

    def _say(self, judges: Sequence[Judge], trainer: Trainer) -> None:
        for note in new_notes(judges, self.rows, self.facts, said=self.said):
            if trainer.is_global_zero:
                print(note_line(note), flush=True)
            if isinstance(trainer.logger, RunLogger):
                trainer.logger.note(note.kind, note.text)

    def state_dict(self) -> dict[str, Any]:
        """What must survive a resume; rows as text, as thousands of numbers one by one take longer than a step."""
        return {"rows": self.text, "said": self.said, **self.changes.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint left off; in earlier ones rows are a list."""
        rows, self.said[:] = state_dict["rows"], state_dict["said"]
        self.rows = [json.loads(line) for line in rows.splitlines()] if isinstance(rows, str) else rows
        self.text = "".join(f"{json.dumps(row)}\n" for row in self.rows)
        self.changes.load_state_dict(state_dict)


def new_notes(
    judges: Sequence[Judge], rows: Sequence[Row], facts: TrainingFacts, *, said: list[Json]
) -> Iterator[Note]:
    """What there is to say of a training that was not said yet, each added to what is."""
    for judge in judges:
        note = judge(rows, facts)
        if note is not None and all(note.kind != known["kind"] for known in said):
            said.append(note.to_json())
            yield note


def note_line(note: Note) -> str:
    """As the terminal shows it."""
    return f"note: epoch {note.epoch + 1}: {note.text}"


def _kept(name: str, value: float) -> float:
    """The value; of a standard error as many digits as do not depend on the order of sums."""
    return float(f"{value:.{DIGITS}g}") if name.endswith("_stderr") else float(value)
