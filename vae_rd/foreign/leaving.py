"""The run folder of a training that others carry out: its history.csv after each validation, the record of its best."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from vae_rd.errors import InputError
from vae_rd.foreign.epochs import Epochs
from vae_rd.run.files import HISTORY_FILE, RECORD_FILE, write_atomic
from vae_rd.run.folder import as_bad_input
from vae_rd.run.lock import locked
from vae_rd.run.record import RunRecord, Status
from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.kinds import judged


class RunFolder:
    """A folder that is one fit's while it goes on.

    Args:
        folder: made where it is missing.
        overwrite: whether another training's files there may be replaced.
    """

    def __init__(self, folder: Path, *, overwrite: bool) -> None:
        self.folder, self.overwrite = folder, overwrite
        self._held, self._began, self._is_taken = ExitStack(), 0.0, False

    def take(self, epochs: Epochs) -> None:
        """Take it for a fit, which goes on with these epochs.

        Raises:
            InputError: where another training's files are there, another process is at work, or nothing can be written.
        """
        there = [name for name in (RECORD_FILE, HISTORY_FILE) if (self.folder / name).exists()]
        if there and not epochs.rows and not self.overwrite:
            raise InputError(
                f"{self.folder}: {there[0]} of another training is there; give overwrite=True, another folder, or "
                "ckpt_path= to go on with it"
            )
        self._began = time.monotonic()
        with as_bad_input(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._held.enter_context(locked(self.folder, instead="folder"))
            if not epochs.rows:
                for name in there:
                    (self.folder / name).unlink()
        self._is_taken = True

    def has_record_of(self, epoch: int) -> bool:
        """Whether the record there is of the weights of an epoch."""
        if not (self.folder / RECORD_FILE).exists():
            return False
        return bool(RunRecord.read(self.folder).model["kept_epoch"] == epoch)

    def write(self, record: RunRecord | None, epochs: Epochs, *, latent_dim: int) -> None:
        """The epochs so far, and a record where there is a new one."""
        write_atomic(self.folder / HISTORY_FILE, epochs.csv(latent_dim))
        if record is not None:
            record.write(self.folder)

    def end(self, epochs: Epochs, status: str, error: str | None = None) -> None:
        """Say in the record how the training ended, and let the folder go; nothing where it was not taken."""
        if self._is_taken and (self.folder / RECORD_FILE).exists():
            record = RunRecord.read(self.folder)
            record.status, record.error = cast(Status, status), error
            record.seconds = round(record.seconds + time.monotonic() - self._began, 3)
            _, metrics = max(record.metrics.items(), key=lambda item: item[0] == "val")
            evidence = Evidence({"test": metrics}, record.model["latent_dim"], epochs.rows, record.model, record.data)
            record.verdicts |= {**judged(evidence), "training": epochs.said}
            record.write(self.folder)
        self._held.close()
        self._is_taken = False
