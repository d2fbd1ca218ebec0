"""What runs leave beside their record: pictures of the kept checkpoint as images, and latents.npz as arrays."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from analysis.rows.finding import RunWarning, told_apart
from analysis.rows.runs import as_rows, is_gan
from vae_rd.errors import InputError
from vae_rd.run.files import LATENTS_FILE, MEDIA, MEDIA_INDEX

AGAIN = "run python -m vae_rd.evaluate RUNS --media first"
LABELS = "labels/"  # Before the name of a factor in latents.npz.
Latents = Mapping[str, np.ndarray]
Found = TypeVar("Found")


class Tiles(NamedTuple):
    """The images of one picture, [n, H, W] or [n, H, W, 3] in 0..1 by rows, and its entry in the index."""

    images: np.ndarray
    entry: Mapping[str, Any]

    @property
    def rows(self) -> np.ndarray:
        """By line and column, [lines, columns, H, W, ...]; what fills up the last line is 1."""
        lines, columns = self.entry["lines"], self.entry["columns"]
        full = np.ones((lines * columns, *self.images.shape[1:]), dtype=self.images.dtype)
        full[: len(self.images)] = self.images
        return full.reshape(lines, columns, *self.images.shape[1:])


def load_pictures(runs: pd.DataFrame, kind: str) -> dict[str, Tiles]:
    """The picture of a kind of each run's kept checkpoint, by folder; of a run without one its latest.

    Args:
        runs: from `load_runs`, a row or more for each run.
        kind: "reconstructions", "samples" or "traversals".

    Raises:
        InputError: where no run has one, or one is damaged.

    Warns:
        RunWarning: one line that names the runs left out for want of one.
    """
    return _of_runs(runs, f"{kind} in {MEDIA}", lambda folder, epoch: _picture(folder, kind, epoch))


def load_latents(runs: pd.DataFrame) -> dict[str, Latents]:
    """The arrays of each run's latents.npz, by folder; see `vae_rd.explore.media.latents` for what they are.

    Args:
        runs: from `load_runs`, a row or more for each run.

    Raises:
        InputError: where no run has any, or they are damaged.

    Warns:
        RunWarning: one line that names the runs left out for want of them.
    """
    return _of_runs(runs, LATENTS_FILE, lambda folder, epoch: _latents(folder))


def thinned(chosen: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many runs, evenly spaced in their order.

    Args:
        chosen: a row for each run.
        most: rows.

    Warns:
        RunWarning: one line on how many are left out.
    """
    if len(chosen) <= most:
        return chosen
    places = np.unique(np.linspace(0, len(chosen) - 1, most).round().astype(int))
    said = (
        f"{len(chosen) - len(places)} of {len(chosen)} runs left out for want of room; --most {len(chosen)} shows all"
    )
    warnings.warn(said, RunWarning, stacklevel=5)
    return chosen.iloc[places]


def _of_runs(runs: pd.DataFrame, what: str, read: Callable[[Path, float], Found | None]) -> dict[str, Found]:
    each = runs.drop_duplicates("folder")
    rows = zip(each["folder"], each["kept_epoch"], strict=True)
    found = {folder: read(Path(folder), epoch) for folder, epoch in rows}
    left_out = told_apart(each, {folder for folder, value in found.items() if value is None})
    if len(left_out) == len(found):
        raise InputError(f"none of the runs has {what}: {AGAIN}{_never(each, what)}")
    if left_out:
        warnings.warn(f"left out, without {what}: {', '.join(left_out)}", RunWarning, stacklevel=4)
    return {folder: value for folder, value in found.items() if value is not None}


def _never(runs: pd.DataFrame, what: str) -> str:
    """What is to be said where some can have none."""
    has_gan = any(is_gan(run) for run in as_rows(runs))
    return "; a GAN, which has no encoder, has samples alone" if has_gan and "samples" not in what else ""


def _picture(folder: Path, kind: str, epoch: float) -> Tiles | None:
    path = folder / MEDIA_INDEX
    if not path.is_file():
        return None
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        entries = [entry for entry in index["pictures"] if entry["kind"] == kind]
        kept = [entry for entry in entries if entry["epoch"] == epoch] or entries
        return Tiles(_cut(folder / MEDIA / kept[-1]["file"], kept[-1], index), kept[-1]) if kept else None
    except (OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        fault = str(error).splitlines()[0].strip("'\"")
        raise InputError(f"{path}: damaged, {fault}; {AGAIN.replace('RUNS', str(folder))}") from None


def _cut(path: Path, entry: Mapping[str, Any], index: Mapping[str, Any]) -> np.ndarray:
    """A page to its images, in the pixels that they had."""
    from matplotlib.image import imread

    scale, gap, (_, height, width) = index["scale"], index["gap"], index["shape"]
    page = imread(path)[::scale, ::scale]
    size = (entry["lines"] * (height + gap) - gap, entry["columns"] * (width + gap) - gap)
    if page.shape[:2] != size:
        raise ValueError(f"{path.name} is of {page.shape[:2]} pixels, not {size}")
    places = [divmod(place, entry["columns"]) for place in range(entry["n"])]
    corners = [(row * (height + gap), column * (width + gap)) for row, column in places]
    return np.stack([page[top : top + height, left : left + width] for top, left in corners])


def _latents(folder: Path) -> Latents | None:
    path = folder / LATENTS_FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = dict(arrays)
        if found["z"].ndim != 2 or found["prior"].shape != found["z"].shape:
            raise ValueError("z or prior is of another shape")
        return found
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        fault = str(error).splitlines()[0].strip("'\"") if str(error) else "not an archive"
        raise InputError(f"{path}: damaged, {fault}; {AGAIN.replace('RUNS', str(folder))}") from None
