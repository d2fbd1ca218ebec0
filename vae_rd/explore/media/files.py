"""The media of a run's folder: pictures with an index that says what they are, and `latents.npz`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vae_rd.explore.media.pages import enlargement, grid, png
from vae_rd.explore.media.pictures import SPLIT, Picture, Shown
from vae_rd.run.files import LATENTS_FILE, MEDIA, MEDIA_INDEX, staged, write_atomic

Entry = dict[str, Any]
GAP = 1  # Pixels between two images, before they are enlarged.


def write_pictures(folder: Path, pictures: Iterable[Picture], shown: Shown, *, epoch: int) -> dict[str, Path]:
    """Write the pictures of an epoch and put them into the index, in place of any that it has; paths by kind.

    The index comes last: what it names is there, whenever a run is killed.

    Args:
        folder: of the run.
        pictures: from `vae_rd.explore.media.pictures`.
        shown: the examples that they are of.
        epoch: of the weights.

    Raises:
        OSError: where they cannot be written.
    """
    paths, entries = {}, []
    (low, high), shape = shown.range, list(shown.x.shape[1:])
    scale = enlargement(*shape[1:])
    for picture in pictures:
        path = folder / MEDIA / f"{picture.kind}_{epoch:04d}.png"
        page = grid((picture.images - low) / (high - low), columns=picture.columns)
        _write(path, png(page, scale=scale))
        rows = -(-len(picture.images) // picture.columns)
        size = {"n": len(picture.images), "columns": picture.columns, "lines": rows}
        entries.append({"epoch": epoch, "kind": picture.kind, "file": path.name, **size, **picture.facts})
        paths[picture.kind] = path
    kept = [entry for entry in read_index(folder) if entry["epoch"] != epoch]
    facts = {"split": SPLIT, "shape": shape, "range": [low, high], "scale": scale, "gap": GAP}
    _write_index(folder, facts, [*kept, *entries])
    return paths


def forget_pictures(folder: Path, *, since: int) -> None:
    """Remove the pictures of this epoch and later ones, which are trained again, perhaps to other weights."""
    if not (folder / MEDIA_INDEX).is_file():
        return
    facts, entries = _read(folder)
    kept = [entry for entry in entries if entry["epoch"] < since]
    if len(kept) < len(entries):
        _write_index(folder, facts, kept)
    for entry in entries:
        if entry not in kept:
            (folder / MEDIA / entry["file"]).unlink(missing_ok=True)


def write_latents(folder: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write `latents.npz`, not compressed, which random numbers are not worth.

    Raises:
        OSError: where it cannot be written.
    """
    path = folder / LATENTS_FILE
    with staged(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **dict(arrays))  # type: ignore[arg-type]
    return path


def read_index(folder: Path) -> list[Entry]:
    """The pictures that a run's folder has, by epoch; none where there is no whole index."""
    return _read(folder)[1]


def _read(folder: Path) -> tuple[Entry, list[Entry]]:
    try:
        content = json.loads((folder / MEDIA_INDEX).read_text(encoding="utf-8"))
        return {name: value for name, value in content.items() if name != "pictures"}, content["pictures"]
    except (OSError, ValueError, KeyError, AttributeError):
        return {}, []


def _write_index(folder: Path, facts: Entry, entries: list[Entry]) -> None:
    """One line for each picture."""
    lines = ",\n".join(json.dumps(entry) for entry in sorted(entries, key=lambda entry: entry["epoch"]))
    write_atomic(folder / MEDIA_INDEX, f'{json.dumps(facts)[:-1]}, "pictures": [\n{lines}\n]}}\n')


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    with staged(path) as temporary:
        temporary.write_bytes(content)
