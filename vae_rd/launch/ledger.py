"""What a sweep knows beyond its runs' records: `<folder>/sweep.json`, replaced whole after every change.

It names the file, each run's parameters and what became of it, and the sweep at W&B where there is one. Whether a run
is finished is its record's to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from vae_rd.errors import InputError
from vae_rd.run.files import new_folder, write_atomic
from vae_rd.run.folder import as_bad_input
from vae_rd.run.lock import locked

SWEEP_FILE = "sweep.json"
SCHEMA_VERSION = 1

State = Literal["waiting", "running", "finished", "stopped early", "interrupted", "failed", "refused"]
SETTLED = ("finished", "stopped early")  # There is nothing left to do for these.


@dataclass
class Entry:
    """One run of a sweep.

    Attributes:
        point: the parameters in which it differs from others.
        state: what became of it; "stopped early" is for being worse than others, and is not gone on with.
        attempts: how often it was started.
        error: why it is not finished, in one line.
        cube: its place in the search, of a search.
    """

    point: dict[str, Any]
    state: State = "waiting"
    attempts: int = 0
    error: str | None = None
    cube: dict[str, Any] | None = None


@dataclass
class Ledger:
    """The content of sweep.json; `path` is where it lies."""

    path: Path
    file: str
    sweep: dict[str, Any]
    runs: dict[str, Entry] = field(default_factory=dict)
    wandb: dict[str, Any] | None = None

    @property
    def wandb_path(self) -> str | None:
        """ENTITY/PROJECT/ID of this very sweep at W&B, if it is there."""
        return self.wandb["path"] if self.wandb and self.wandb["sweep"] == self.sweep else None

    def remember_wandb(self, path: str) -> None:
        """Note where W&B has this sweep."""
        self.wandb = {"path": path, "sweep": self.sweep}
        self.write()

    @classmethod
    def opened(cls, folder: Path, *, file: str, sweep: Mapping[str, Any]) -> Ledger:
        """The ledger of a folder, new or as it was left, with the sweep as it is asked for now.

        Raises:
            InputError: when the file is damaged.
        """
        path = folder / SWEEP_FILE
        if not path.exists():
            return cls(path, file, dict(sweep))
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            runs = {str(name): _entry(entry) for name, entry in content["runs"].items()}
            return cls(path, file, dict(sweep), runs, content["wandb"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            raise InputError(f"{path}: damaged; remove it, the runs' own records stay and count") from None

    def write(self) -> None:
        """Replace sweep.json."""
        content = {"schema_version": SCHEMA_VERSION, "file": self.file, "sweep": self.sweep, "wandb": self.wandb}
        # A line a run, and no copy of it: of ten thousand runs it is written twenty thousand times.
        runs = (f"    {json.dumps(name)}: {json.dumps(vars(entry))}" for name, entry in self.runs.items())
        head = json.dumps(content, indent=2).removesuffix("\n}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, f'{head},\n  "runs": {{\n' + ",\n".join(runs) + "\n  }\n}\n")


def _entry(content: Mapping[str, Any]) -> Entry:
    return Entry(**{f.name: content[f.name] for f in fields(Entry)})


@contextmanager
def held_sweep(folder: Path) -> Iterator[None]:
    """Keep every other process from carrying out a sweep in a folder within the block; it is made where there is none.

    Raises:
        InputError: when another process is at it, or the folder cannot be used; nothing is left of a new one then.
    """
    with ExitStack() as held:
        with as_bad_input(folder):
            held.enter_context(new_folder(folder))
        held.enter_context(locked(folder / "sweep", what="sweep", instead="--run_dir"))
        yield
