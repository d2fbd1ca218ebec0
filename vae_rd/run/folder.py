"""Which folder a run gets, and what to do when it is already there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vae_rd.config.fields import FitConfig
from vae_rd.config.names import PATHS_OF_CONTENT, RESUMABLE_FIELDS, differences, run_name
from vae_rd.config.rules import refuse_unread
from vae_rd.errors import InputError
from vae_rd.run.files import CONFIG_FILE, ERROR_FILE, FAILURE, HISTORY_FILE, MEDIA, POINTS, RECORD_FILE, tree_sha256
from vae_rd.run.lock import locked
from vae_rd.run.record import RunRecord

ANOTHER = ", or choose another --name"  # The other remedy of a fit whose folder has another run.
CHECKPOINTS = "checkpoints"
KEPT = f"{CHECKPOINTS}/kept.ckpt"
LAST = f"{CHECKPOINTS}/last.ckpt"
PREVIOUS = f"{CHECKPOINTS}/last.previous.ckpt"  # The last but one; alone, after a kill between two moves.


@dataclass(frozen=True)
class Claim:
    """A run's folder and how to go on: from nothing, from its last checkpoint, or not at all.

    Attributes:
        folder: `<run_dir>/<name>`; it need not exist yet.
        action: "start" afresh, "continue" from its last checkpoint, or nothing, since it is "finished".
        record: the record that is already there, except when starting.
    """

    folder: Path
    action: Literal["start", "continue", "finished"]
    record: RunRecord | None = None

    @contextmanager
    def taken(self, config: FitConfig) -> Iterator[Path]:
        """The folder, prepared, and no other process's within the block.

        Once the lock is held, what was decided is decided again: another process may have come first.

        Raises:
            InputError: when another process is at work there, or was since this was claimed.
        """
        with as_bad_input(self.folder):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            if claim(config) != self:
                raise InputError(f"{self.folder}: another process has just worked on this run; give the command again")
            yield self.prepare()

    def prepare(self) -> Path:
        """Make the folder ready to be written to; what `--overwrite` replaces goes now, and not before."""
        aside = self.folder.with_name(f".{self.folder.name}.removed")
        if aside.exists():
            shutil.rmtree(aside)
        if self.action == "start" and self.folder.exists():
            self.folder.rename(aside)  # A kill on the way leaves the old run whole or out of the way.
            shutil.rmtree(aside)
        for old in (self.folder / ERROR_FILE, *self.folder.glob(f"{FAILURE}*")):
            old.unlink(missing_ok=True)
        (self.folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        places = (CHECKPOINTS, MEDIA, f"{POINTS}/*/{CHECKPOINTS}")
        within = (path for name in places for path in self.folder.glob(f"{name}/*.tmp"))
        for staged in (*self.folder.glob(".*.tmp"), *within):
            staged.unlink()  # Of a process that was killed while it wrote.
        return self.folder


def folder_of(config: FitConfig) -> Path:
    """`<run_dir>/<name>`."""
    return Path(config.run_dir) / run_name(config)


def check_unread(config: FitConfig, *, spared: Collection[str] = ()) -> None:
    """`refuse_unread` for a run to come; one that is there already keeps the flags that it was named by.

    Raises:
        InputError: naming the flag that nothing would read.
    """
    try:
        refuse_unread(config, spared=spared)
    except InputError:
        folder = folder_of(config)
        with as_bad_input(folder):
            if not (folder / RECORD_FILE).is_file():
                raise


def is_finished(config: FitConfig, *, checksum: Callable[[Path], str] = tree_sha256) -> bool:
    """Whether the run that a config's flags ask for is there, and nothing is left to do.

    False too where the file of one's own data is another one now: whether its pixels are, the run itself finds out.

    Args:
        config: of the run.
        checksum: `tree_sha256`, or one that remembers.

    Raises:
        InputError: as `claim` does, and where the run there was fitted to what Python gave it.
    """
    claimed = claim(config)
    if claimed.action != "finished" or claimed.record is None:
        return False
    refuse_given(claimed.record, claimed.folder, of_data=True, of_network=True)
    return has_files_of(config, claimed.record, checksum=checksum)


def has_files_of(config: FitConfig, record: RunRecord, *, checksum: Callable[[Path], str] = tree_sha256) -> bool:
    """Whether the file or folder of one's own data is the one that a run was fitted to; other data have none."""
    if config.data_file is None or not Path(config.data_file).exists():  # A run that is there has its say.
        return True
    return record.data["file_sha256"] == file_checksum(config, checksum=checksum)


def file_checksum(config: FitConfig, *, checksum: Callable[[Path], str] = tree_sha256) -> str | None:
    """The checksum of the file or folder of one's own data; None where the data have none.

    Raises:
        InputError: where it cannot be read.
    """
    if config.data_file is None or (config.data == "hf" and not Path(config.data_file).exists()):
        return None  # Of a name at the hub its pixels say what it is.
    with as_bad_input(Path(config.data_file), flag="--data_file "):
        return checksum(Path(config.data_file))


def refuse_given(record: RunRecord, folder: Path, *, of_data: bool, of_network: bool, otherwise: str = ANOTHER) -> None:
    """Refuse a run that was fitted to what Python gave it, where its flags alone are at hand.

    Args:
        record: of the run.
        folder: of the run.
        of_data: whether the data would be those of the flags.
        of_network: whether the network would be.
        otherwise: what else helps than to give them again.

    Raises:
        InputError: naming what was given, and the way to give it again.
    """
    if of_network and record.model.get("is_own"):
        network = record.model.get("network", {}).get("class", "one's own")
        raise InputError(
            f"{folder}: its network ({network}) was given from Python, not by flags; give it as model= there{otherwise}"
        )
    if of_data and record.data.get("is_own"):
        raise InputError(
            f"{folder}: its data ({record.data.get('name')}) were given from Python, not by flags; "
            f"give them as data= there{otherwise}"
        )


def check_data_file(config: FitConfig) -> None:
    """Refuse a file of one's own that is not there, before all that reads it is imported; a run that is has its say.

    Raises:
        InputError: naming what is wrong with --data_file.
    """
    if config.data_file is None or config.data == "hf":
        return
    path, folder = Path(config.data_file), folder_of(config)
    with as_bad_input(folder):
        if (folder / RECORD_FILE).is_file():
            return
    with as_bad_input(path, flag="--data_file "):
        if not path.exists():
            kind = {"npy": "file or folder", "image_folder": "folder"}.get(config.data, "file")
            raise InputError(f"--data_file {path}: no such {kind}; give its path from {Path.cwd()}, or a whole one")
        if config.data == "npz" and path.is_dir():
            raise InputError(f"--data_file {path}: is a folder; add --data image_folder, or give the .npz file in it")
        if config.data == "image_folder" and not path.is_dir():
            raise InputError(f"--data_file {path}: is no folder; give the one that the images are in, or --data npz")


def claim(config: FitConfig) -> Claim:
    """Decide from what is on disk, changing nothing.

    Raises:
        InputError: when the folder is taken and neither `--resume auto` nor `--overwrite` says what to do with it, or
            when the run there differs in a field that may not change.
    """
    folder = folder_of(config)
    with as_bad_input(folder):
        return _claimed(config, folder)


def _claimed(config: FitConfig, folder: Path) -> Claim:
    _refuse_unwritable(folder)
    if not folder.exists():
        return Claim(folder, "start")
    if not (folder / RECORD_FILE).is_file() and _holds_files(folder):
        raise InputError(f"{folder}: holds files but no {RECORD_FILE}; choose another --name or --run_dir")
    if config.overwrite or not _holds_files(folder):
        return Claim(folder, "start")
    if config.resume != "auto":
        raise InputError(f"{folder}: this run exists; add --resume auto to go on with it or --overwrite to replace it")
    record = RunRecord.read(folder)
    finished = record.status == "finished"
    allowed = PATHS_OF_CONTENT | (frozenset() if finished else RESUMABLE_FIELDS)
    _refuse_differences(config, record, folder, allowed=allowed)
    if finished:
        return Claim(folder, "finished", record)
    if taken := [name for name in (CONFIG_FILE, HISTORY_FILE, CHECKPOINTS) if not _may_be_written(folder / name)]:
        raise InputError(f"{folder / taken[0]}: cannot be written, what is there is of another kind; remove it")
    has_begun = any((folder / name).is_file() for name in (LAST, PREVIOUS))
    return Claim(folder, "continue" if has_begun else "start", record)


def _holds_files(folder: Path) -> bool:
    """Whether anything is there; what a signal leaves of a run before its first record is written is nothing."""
    there = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return any(path.suffix != ".tmp" for path in there)


def _refuse_unwritable(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"{folder}: is no folder of its own; choose another --name or --run_dir")
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        raise InputError(f"--run_dir {folder.parent}: nothing can be written in {nearest}")


def _may_be_written(path: Path) -> bool:
    return not path.exists() or path.is_dir() == (path.name == CHECKPOINTS)


@contextmanager
def as_bad_input(path: Path, *, flag: str = "") -> Iterator[None]:
    """A path that the system refuses, for its length say, is bad input."""
    try:
        yield
    except (OSError, ValueError) as error:
        fault = getattr(error, "strerror", None) or error
        raise InputError(f"{flag}{path}: cannot be used ({fault}); give another place") from None


def _refuse_differences(config: FitConfig, record: RunRecord, folder: Path, *, allowed: frozenset[str]) -> None:
    if before := differences(config, record.identity, allowed=allowed):
        was = ", ".join(f"{name} {value} (now {getattr(config, name)})" for name, value in before.items())
        raise InputError(f"{folder}: the {record.status} run there has {was}; choose another --name, or --overwrite")
