"""Checkpoints, read and written whole or not at all; only tensors and plain values are ever unpickled."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from vae_rd.errors import InputError
from vae_rd.run.files import put_on_disk
from vae_rd.run.folder import KEPT, LAST, PREVIOUS

# Under which keys of `callbacks` a checkpoint holds the rows of history and the keeper's counts: class names.
HISTORY_STATE, KEEPER_STATE = "HistoryWriter", "CheckpointKeeper"


def whole_checkpoint(folder: Path, *, owners: Collection[str] = ()) -> Path:
    """The checkpoint from which a run goes on: the last one or, if that is damaged or missing, the one before it.

    Says so in one line on stderr where an epoch is lost. Where some epoch was kept already, its file must be whole,
    since no later epoch might be as good.

    Args:
        folder: of the run.
        owners: what they may say they belong to; by default the folder's name.

    Raises:
        InputError: when there is none, or one that must be whole is damaged or belongs to another run.
    """
    path, owners = folder / LAST, owners or (folder.name,)
    try:
        content = read_checkpoint(path, owners=owners)
    except InputError as error:
        if path.is_dir() or not (folder / PREVIOUS).is_file():
            raise
        path = folder / PREVIOUS
        content = read_checkpoint(path, owners=owners)
        fault = str(error).rpartition("; ")[0]
        print(f"{fault}; going on from the epoch before", file=sys.stderr)
    if content["callbacks"][KEEPER_STATE]["kept_epoch"] >= 0:
        read_checkpoint(folder / KEPT, owners=owners)
    return path


def read_checkpoint(path: Path, *, owners: Collection[str] = ()) -> dict[str, Any]:
    """What is in a checkpoint, on the CPU; only tensors and plain values are ever unpickled.

    Args:
        path: the file.
        owners: what it may say it belongs to; anything by default.

    Raises:
        InputError: when the file is missing, damaged in any byte, another kind of checkpoint than its name says, or of
            another run.
    """
    try:
        content = _read(path)
    except FileNotFoundError:
        remedy = "put it back, or fit the run again with --overwrite"
        raise InputError(f"{path}: there is no such checkpoint; {remedy}") from None
    except Exception:  # A damaged file can make its readers raise anything.
        raise InputError(f"{path}: damaged, no checkpoint can be read; fit the run again with --overwrite") from None
    if owners and content.get("run", next(iter(owners))) not in owners:
        raise InputError(f"{path}: of the run {content['run']}, not of {next(iter(owners))}; put the right file there")
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


def write_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a file and wait until it is on the disk.

    Raises:
        OSError: when it cannot be written, saying so.
    """
    try:
        with path.open("wb") as stream:
            torch.save(checkpoint, stream)
            put_on_disk(stream)
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
    states = set() if is_kept else {HISTORY_STATE, KEEPER_STATE}
    if not (parts <= content.keys() and states <= content.get("callbacks", {}).keys()):
        raise ValueError("parts are missing")
    if is_kept and "optimizer_states" in content:
        raise ValueError("a last checkpoint in place of the kept one")
    return content


def run_of(path: Path) -> str:
    """The run's name by the place of its checkpoint: the folder above that of the checkpoints."""
    return path.absolute().parent.parent.name
