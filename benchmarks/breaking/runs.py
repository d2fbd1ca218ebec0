"""What a run that broke and went on must leave: the bits of a run that nothing happened to, and nothing else."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from breaking.forks import OUTPUT, ForkedFit
from breaking.tally import Tally

# 0.4 million parameters: with Adam's moments a checkpoint is 5 MB, whose writing takes a good part of an epoch.
FIT = [
    *("--n_train=256", "--hidden=[700]", "--latent_dim=2", "--batch_size=64", "--max_epochs=15", "--eval_samples=2"),
    *("--name=mine", "--resume=auto"),
]
RUN = Path("runs") / "mine"


@dataclass
class Bench:
    """Where runs are broken.

    Attributes:
        top: the folder that holds the working directories of all fits.
        reference: the finished run to which nothing happened.
        seconds: what a fit takes.
        moments: says when faults come.
        tally: counts them.
    """

    top: Path
    reference: Path
    seconds: float
    moments: random.Random
    tally: Tally

    @classmethod
    def set_up(cls, top: Path, *, seed: int) -> Bench:
        """Fit the reference."""
        folder = top / "reference"
        folder.mkdir()
        fit = ForkedFit([*FIT, "--wandb=off"], folder)
        if fit.code() != 0:
            raise RuntimeError(f"a fit fails without any fault: {fit.printed}")
        record = json.loads((folder / RUN / "record.json").read_text())
        return cls(top, folder / RUN, record["seconds"], random.Random(seed), Tally())

    def folder(self) -> Path:
        """A new working directory."""
        return Path(tempfile.mkdtemp(dir=self.top))

    def moment(self) -> float:
        """Seconds into a fit at which a fault comes, uniform."""
        return self.moments.uniform(0, self.seconds)

    def resumed(self, folder: Path, argv: list[str]) -> Iterator[str]:
        """Take a run to its end by the same command; what is wrong then."""
        fit = ForkedFit(argv, folder)
        if (code := fit.code()) != 0:
            yield f"resumed: {ended(code, fit.printed)}"
        else:
            yield from self.wrong_with(folder)

    def wrong_with(self, folder: Path) -> Iterator[str]:
        """What is wrong with the finished run in a working directory."""
        settled(folder)
        yield from differences(folder / RUN, self.reference)
        yield from leftovers(folder, self.reference)


def ended(code: int, printed: str) -> str:
    """How a command ended, in a line."""
    return f"exit code {code}: {' '.join(printed.split())[-400:]}"


def status_of(folder: Path) -> str | None:
    """The record's status in a working directory, None where there is no record."""
    path = folder / RUN / "record.json"
    return str(json.loads(path.read_text())["status"]) if path.is_file() else None


def differences(run: Path, reference: Path) -> Iterator[str]:
    """In what a finished run is not the reference, bit by bit; times, paths and what `evaluate` adds are left out."""
    record, expected = (json.loads((folder / "record.json").read_text()) for folder in (run, reference))
    if record["status"] != "finished":
        yield f"the record says {record['status']}: {record['error']}"
    if (run / "history.csv").read_bytes() != (reference / "history.csv").read_bytes():
        yield "history.csv differs"
    for name in ("kept", "last"):
        mine, theirs = (_checkpoint(folder / "checkpoints" / f"{name}.ckpt") for folder in (run, reference))
        if not _equal(mine, theirs):
            yield f"{name}.ckpt differs"
    yield from (f"the record's {key} differ" for key in ("metrics", "verdicts") if record[key] != expected[key])


def leftovers(folder: Path, reference: Path) -> Iterator[str]:
    """Files below a fit's working directory that the reference has not, W&B's own aside, and processes there."""
    run, known = folder / RUN, {reference / path for path in files_of(reference)}
    for path in files_of(folder):
        counterpart = reference / path.relative_to(RUN) if path.is_relative_to(RUN) else None
        if counterpart not in known and path != Path(OUTPUT) and not (folder / path).is_relative_to(run / "wandb"):
            yield f"left {path}"
    yield from (f"process {process.pid} still runs" for process in processes_in(folder))


def files_of(folder: Path) -> list[Path]:
    """All files below a folder, relative to it."""
    return [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]


def processes_in(folder: Path) -> list[psutil.Process]:
    """The processes whose working directory is the folder or one below."""
    return [process for process in psutil.process_iter() if _works_in(process, folder)]


def settled(folder: Path, *, seconds: float = 10.0) -> None:
    """Wait until no process works in the folder, but no longer than so: W&B's ends a moment after its fit."""
    psutil.wait_procs([process for process in processes_in(folder) if process.pid != os.getpid()], timeout=seconds)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def _checkpoint(path: Path) -> dict[str, Any]:
    content = torch.load(path, map_location="cpu", weights_only=True)
    return {key: content.get(key) for key in ("state_dict", "optimizer_states", "epoch", "global_step", "callbacks")}


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    return bool(a == b)
