"""Datasets of Hugging Face, on disk, at the hub or at hand; the library is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vae_rd.data.base import Source
from vae_rd.data.columns import LABELS, of_frame
from vae_rd.data.examples import SHOWN, Examples, examples_source, factors_or_note, planes
from vae_rd.data.pictures import read_image, stacked
from vae_rd.data.readers import first_line
from vae_rd.errors import InputError

_ARRAYS = ("Array2D", "Array3D", "Array4D", "Array5D", "List", "LargeList", "Sequence")  # Kinds of columns.


def hf(
    place: str,
    *,
    image: str | None = None,
    label: str | None = None,
    levels: int | None = None,
    data_seed: int = 0,
    population: bool = False,
) -> Source:
    """A dataset that `save_to_disk` has left in a folder, or one that `datasets.load_dataset` finds by its name.

    Args:
        place: the folder, or a name at the hub or a folder of files, as `load_dataset` takes it.
        image: the column that is x; None for the only one of images, else of arrays, else for all numbers of a table.
        label: the column of labels; None for the only one of classes, else for one called label.
        levels: number of grey levels of whole numbers; None to tell from the values.
        data_seed: seed of what is split at random.
        population: whether the examples are all there are.

    Raises:
        InputError: where datasets is not installed, has no such dataset, or the columns are none of x.
    """
    found = _loaded(place)
    parts = found if isinstance(found, Mapping) else {"": found}
    read = {
        split: of_dataset(part, image=image, label=label, where=f"{place} {split}".strip())
        for split, part in parts.items()
    }
    settings = {"file": Path(place).name, "levels": levels, "data_seed": data_seed, "population": population}
    return examples_source("hf", read, where=place, **settings)  # type: ignore[arg-type]


def _loaded(place: str) -> Any:
    try:
        import datasets  # A second that no other run should wait for.
    except ImportError:
        raise InputError("--data hf needs datasets: pip install 'vae_rd[data]'") from None
    is_saved = any((Path(place) / name).is_file() for name in ("state.json", "dataset_dict.json"))
    try:
        return datasets.load_from_disk(place) if is_saved else datasets.load_dataset(place)
    except Exception as error:  # Of files, of the network, of the hub: each library below has its own.
        raise InputError(
            f"--data_file {place}: datasets cannot load it ({first_line(error)}); give a folder that save_to_disk has "
            "written, or a name of load_dataset"
        ) from None


def is_dataset(given: object) -> bool:
    """Whether this is a dataset of Hugging Face to be read by its columns; with a transform it is read by items."""
    kind = type(given)
    is_theirs = kind.__module__.startswith("datasets.") and kind.__name__ == "Dataset"
    return is_theirs and getattr(given, "format", {}).get("type") != "custom"


def of_dataset(dataset: Any, *, image: str | None, label: str | None, where: str) -> Examples:
    """The examples of one dataset, whatever format it is set to.

    Args:
        dataset: of Hugging Face.
        image: the column that is x; None to tell.
        label: the column of labels; None to tell.
        where: what messages begin with.

    Raises:
        InputError: where a column is not there, or x could be several.
    """
    kinds = {name: type(feature).__name__ for name, feature in dataset.features.items()}
    for name in (image, label):
        if name is not None and name not in kinds:
            raise InputError(f"{where}: it has no column {name!r}; name one of {', '.join([*kinds][:SHOWN])}")
    image = _image_column(kinds, where) if image is None else image
    dataset = dataset.with_format(None)
    if image is None:
        return _of_table(dataset, label or _class_column(kinds), kinds, where)
    x, notes = _x(dataset, image, kinds[image], where)
    factors, said = _labels(dataset, label, kinds, where)
    return Examples(x, factors, [*notes, *said])


def _image_column(kinds: Mapping[str, str], where: str) -> str | None:
    """The column that x is; None where all columns are single values, as a table has."""
    for wanted in (("Image",), _ARRAYS):
        found = [name for name, kind in kinds.items() if kind in wanted]
        if len(found) > 1:
            raise InputError(f"{where}: any of {', '.join(found[:SHOWN])} may be x; name one as image_column")
        if found:
            return found[0]
    return None


def _of_table(dataset: Any, label: str | None, kinds: Mapping[str, str], where: str) -> Examples:
    frame = dataset.to_pandas()
    if label is not None and kinds[label] == "ClassLabel":
        frame[label] = _class_names(dataset, label)
    return of_frame(frame, label=label, where=where)


def _x(dataset: Any, image: str, kind: str, where: str) -> tuple[np.ndarray, list[str]]:
    if kind != "Image":
        values = np.asarray(dataset.with_format("numpy")[image][:])
        return planes(values, first=None, where=f"{where}: column {image}"), []
    stored = dataset.cast_column(image, type(dataset.features[image])(decode=False))

    def name(i: int) -> str:
        return f"{where}: {image} {i}"

    def read(i: int) -> Any:
        found = stored[i][image]
        if found is None:
            raise InputError(f"{name(i)}: there is none; drop the row, as dataset.filter does")
        return read_image(found["path"] if found["bytes"] is None else name(i), found["bytes"])

    pixels, done = stacked(len(stored), read, name, where)
    return planes(pixels, first=False, where=where), [f"{n} {what}" for what, n in sorted(done.items())]


def _labels(
    dataset: Any, label: str | None, kinds: Mapping[str, str], where: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    column = label or _class_column(kinds) or next((name for name in LABELS if name in kinds), None)
    if column is None:
        return {}, ()
    is_class = kinds[column] == "ClassLabel"
    values = _class_names(dataset, column) if is_class else np.asarray(dataset.with_format("numpy")[column][:])
    said = f"{where}: column {column}"
    return factors_or_note(values, len(dataset), where=said, asked=label is not None)


def _class_column(kinds: Mapping[str, str]) -> str | None:
    """The only column of classes."""
    classes = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    return classes[0] if len(classes) == 1 else None


def _class_names(dataset: Any, column: str) -> np.ndarray:
    """The name of each example's class, "" where it has none: the code is missing, or -1 as of test examples."""
    codes = [-1 if code is None else code for code in dataset.with_format(None)[column][:]]
    return np.array([*dataset.features[column].names, ""])[np.array(codes, int)]
