"""Per-example values of a long estimate, kept on disk chunk by chunk so that an interrupted command goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from vae_rd.data.base import EVAL_CHUNK
from vae_rd.data.dataset import DataSet
from vae_rd.records import Json

FOLDER = "partial_estimates"

Values = dict[str, Tensor]


def by_chunks(
    folder: Path, data: DataSet, settings: Json, measure: Callable[[int, Tensor], Values], *, examples: int
) -> Values:
    """Values of the first `examples` examples of a split, one fixed evaluation chunk after another.

    What a chunk gives is saved at once, under a name that its settings decide, so that the same command takes it up
    again. `forget` removes it when the result is safe.

    Args:
        folder: the run's.
        data: the split's data set.
        settings: everything that the values depend on, with "split" among it.
        measure: (chunk, x [N, C, H, W]) to tensors [..., N].
        examples: how many, from the first on.

    Returns:
        the tensors of all chunks, joined along their last axis.
    """
    (folder / FOLDER).mkdir(exist_ok=True)
    chunks, split = -(-examples // EVAL_CHUNK), settings["split"]
    parts: list[Values] = []
    label, console = f"{settings['kind']} on {split}", Console(stderr=True)
    for chunk in track(range(chunks), description=label, console=console, disable=not console.is_terminal):
        path = _path(folder, settings, chunk, examples)
        values = _read(path)
        if values is None:
            x = data.evaluation_chunk(split, chunk)[: examples - chunk * EVAL_CHUNK]
            values = {name: value.cpu() for name, value in measure(chunk, x).items()}
            _save(values, path)
        parts.append(values)
    return {name: torch.cat([part[name] for part in parts], -1) for name in parts[0]}


def forget(folder: Path) -> None:
    """Remove what was kept of estimates that are now in the record."""
    for path in (folder / FOLDER).glob("*"):
        path.unlink()
    if (folder / FOLDER).is_dir():
        (folder / FOLDER).rmdir()


def _path(folder: Path, settings: Json, chunk: int, examples: int) -> Path:
    size = min(EVAL_CHUNK, examples - chunk * EVAL_CHUNK)
    key = json.dumps([settings, chunk, size], sort_keys=True)
    return folder / FOLDER / f"{settings['kind']}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.pt"


def _read(path: Path) -> Values | None:
    """A saved chunk; None where there is none, or only a damaged one, which is measured again."""
    try:
        return torch.load(path, weights_only=True)
    except Exception:
        return None


def _save(values: Values, path: Path) -> None:
    staged = path.with_suffix(f".{os.getpid()}.tmp")
    torch.save(values, staged)
    staged.replace(path)
