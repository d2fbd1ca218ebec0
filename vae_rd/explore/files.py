"""The files of an exploration in a run's folder: RUN/explore/WORD.json, .csv and, of images, .png."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from vae_rd.explore.base import Asked, Found, Page
from vae_rd.explore.media.pages import enlargement, grid, png
from vae_rd.run.files import csv_text, sha256, staged, write_atomic
from vae_rd.run.points import kept_of
from vae_rd.run.record import Json, with_nulls

FOLDER = "explore"


def write_found(folder: Path, word: str, found: Found, asked: Asked) -> list[Path]:
    """Write what an exploration found; the JSON comes last, and names the others.

    Args:
        folder: of the run.
        word: of the exploration.
        found: what it found.
        asked: what was asked for.

    Raises:
        OSError: where nothing can be written there.
    """
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    columns = list(dict.fromkeys(name for row in found.rows for name in row))
    table, picture = place / f"{word}.csv", place / f"{word}.png"
    write_atomic(table, csv_text(columns, found.rows))
    if found.page is None:
        picture.unlink(missing_ok=True)
    else:
        with staged(picture) as path:
            path.write_bytes(_png(found.page))
    content: Json = {"exploration": word, "run": folder.name, "seed": asked.seed, "kept": sha256(kept_of(folder))}
    content |= {"line": found.line, "numbers": found.numbers, **found.facts, "table": table.name}
    content["picture"] = None if found.page is None else {"file": picture.name, **_facts(found.page)}
    whole = write_atomic(place / f"{word}.json", json.dumps(with_nulls(content), indent=2, allow_nan=False) + "\n")
    return [table, *([] if found.page is None else [picture]), whole]


def _facts(page: Page) -> Json:
    low, high = page.range
    return {"of": page.of, "columns": page.columns, "n": len(page.images), "range": [low, high]}


def _png(page: Page) -> bytes:
    low, high = page.range
    images: np.ndarray = ((page.images - low) / (high - low)).permute(0, 2, 3, 1).float().cpu().numpy()
    images = images[..., 0] if images.shape[-1] == 1 else images
    return png(grid(images, columns=page.columns), scale=enlargement(*images.shape[1:3]))
