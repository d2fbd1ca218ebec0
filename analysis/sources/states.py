"""Whether a run still goes on: as its lock says, or of a run at W&B as W&B did when it was last asked."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from vae_rd.run.record import RunRecord

STATE_FILE = "wandb.json"  # What W&B said of a run when it was downloaded.
ALIVE = ("pending", "running", "preempting")  # W&B's words for a run of which more is to come.
FINISHED = "finished"  # Its word for one whose process ended well.
Json = dict[str, Any]


def heard(folder: Path) -> Json | None:
    """What W&B said of the run in a folder of the cache; None for every other folder."""
    with contextlib.suppress(OSError, ValueError):
        return dict(json.loads((folder / STATE_FILE).read_text(encoding="utf-8")))
    return None


def may_be_running(record: RunRecord, folder: Path) -> bool:
    """Whether a process may be at work on the run: its record says so, and nothing says that the process is gone."""
    said = heard(folder)
    return record.may_be_running(folder) if said is None else record.status == "running" and said["state"] in ALIVE


def standing(record: RunRecord, folder: Path) -> str:
    """How it stands with a run that is not finished, in words that follow its name."""
    said = heard(folder)
    return record.standing(folder) if said is None or record.status != "running" else f"is {said['state']} at W&B"
