"""Per-example values of a long estimate, kept on disk part by part so that an interrupted command goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from vae_rd.process.collectives import all_gather, is_first, own_shard
from vae_rd.run.checkpoints import load_whole
from vae_rd.run.files import staged
from vae_rd.run.record import Json

FOLDER = "partial_estimates"

Values = dict[str, Tensor]


def by_parts(
    folder: Path, decides: Json, measure: Callable[[int, Tensor], Values], parts: Sequence[Callable[[], Tensor]]
) -> Values:
    """Values of the examples of all parts, which several processes share out.

    What a part gives is saved at once, under a name that `decides` decides, so that the same command takes it up again.
    `forget` removes it when the result is safe.

    Args:
        folder: the run's.
        decides: everything that the values depend on, with "kind" and "split" among it.
        measure: (part, x [N, C, H, W]) to tensors [..., N].
        parts: each gives its x, if it is to be measured.

    Returns:
        the tensors of all parts, joined along their last axis.
    """
    found: dict[int, Values] = {}
    label, console = f"{decides['kind']} on {decides['split']}", Console(stderr=True)
    hidden = not console.is_terminal or not is_first()
    for part in track(own_shard(len(parts)), description=label, console=console, disable=hidden):
        path = _path(folder, decides, part)
        values = _read(path)
        if values is None:
            values = {name: value.cpu() for name, value in measure(part, parts[part]()).items()}
            _save(values, path)
        found[part] = values
    ordered = [values for _, values in sorted(all_gather(found).items())]
    return {name: torch.cat([values[name] for values in ordered], -1) for name in ordered[0]}


def forget(folder: Path, *, kind: str, split: str) -> None:
    """Remove what was kept of an estimate that is now in the record."""
    for pattern in (f"{kind}-{split}-*", f".{kind}-{split}-*"):  # The latter of a process that was killed as it wrote.
        for path in (folder / FOLDER).glob(pattern):
            path.unlink(missing_ok=True)
    if (folder / FOLDER).is_dir() and not any((folder / FOLDER).iterdir()):
        (folder / FOLDER).rmdir()


def _path(folder: Path, decides: Json, part: int) -> Path:
    key = json.dumps([decides, part], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return folder / FOLDER / f"{decides['kind']}-{decides['split']}-{digest}.pt"


def _read(path: Path) -> Values | None:
    """A saved part; None where there is none, or only a damaged one, which is measured again."""
    try:
        return load_whole(path)
    except Exception:
        return None


def _save(values: Values, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with staged(path) as temporary:
        torch.save(values, temporary)
