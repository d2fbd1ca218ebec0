"""Data that Python gives - arrays, tensors, Datasets, loaders, datasets of Hugging Face - as a `DataSet`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
)

from vae_rd.data.arrow import is_dataset, of_dataset
from vae_rd.data.base import Source
from vae_rd.data.checks import check_plain
from vae_rd.data.dataset import DataSet
from vae_rd.data.examples import SHOWN, Examples, examples_source, factors_or_note, planes
from vae_rd.data.pictures import picture_of, stacked
from vae_rd.data.readers import MAX_BYTES
from vae_rd.errors import InputError

X_NAMES = ("x", "image", "images", "img", "pixel_values", "data")  # Of several arrays of an item, the one that is x.
LABEL_NAMES = ("label", "labels", "y", "target")
WHERE = "data"
_OF_NUMPY = (torch.float16, torch.float32, torch.float64)  # The floats that both have.


def from_datasets(
    data: Any,
    *,
    image: str | int | None = None,
    label: str | int | None = None,
    levels: int | None = None,
    data_seed: int = 0,
    population: bool = False,
    **settings: Any,
) -> DataSet:
    """Anyone's data as `fit_model(config, data=...)` trains on it.

    Args:
        data: x as an array or tensor; (x, labels); a map-style torch Dataset; a DataLoader, of which only the examples
            are taken, neither batches nor order; a Dataset of Hugging Face; or a dict (a DatasetDict) of such, by the
            names of splits. What names no val or test has a random tenth each.
        image: where x is in an item that is a dict or tuple, or the column of it; None to tell.
        label: likewise of labels.
        levels: number of grey levels of whole numbers; None to tell from the values, as of an npz archive.
        data_seed: seed of what is split at random.
        population: whether the examples are all there are: then each split is all of them.
        settings: as of `DataSet`: binarization, dequantize, n_train, n_test, target.

    Raises:
        InputError: for what is no data, several shapes, or what could be read in two ways.

    Example:
        >>> import torch
        >>> x, y = torch.rand(40, 1, 4, 4), torch.arange(40) % 3
        >>> data = from_datasets(torch.utils.data.TensorDataset(x, y))
        >>> data.card.n, data.card.shape, data.labels["test"]["label"].shape
        ({'train': 32, 'val': 4, 'test': 4}, (1, 4, 4), (4,))
    """
    source = source_of(data, image=image, label=label, levels=levels, data_seed=data_seed, population=population)
    return DataSet(source, data_seed=data_seed, **settings)


def source_of(
    data: Any,
    *,
    image: str | int | None = None,
    label: str | int | None = None,
    levels: int | None = None,
    data_seed: int = 0,
    population: bool = False,
) -> Source:
    """The same before any flag applies."""
    lots = data if isinstance(data, Mapping) else {"": data}
    parts = {
        str(name): _examples(lot, image, label, where=f"{WHERE}[{name!r}]" if name else WHERE)
        for name, lot in lots.items()
    }
    name = next((_name(lot) for lot in lots.values()), WHERE)
    settings = {"levels": levels, "data_seed": data_seed, "population": population}
    return examples_source(name, parts, where=WHERE, **settings)  # type: ignore[arg-type]


def is_data(given: object) -> bool:
    """Whether this is of a type that `from_datasets` takes.

    Example:
        >>> is_data(np.zeros(3)), is_data({"train": np.zeros(3)}), is_data("mnist"), is_data([1, 2])
        (True, True, False, False)
    """
    if isinstance(given, Mapping):
        return bool(given) and all(is_data(lot) for lot in given.values())
    if isinstance(given, tuple):
        return len(given) == 2 and all(isinstance(part, np.ndarray | Tensor) for part in given)
    return isinstance(given, np.ndarray | Tensor | Dataset | DataLoader) or type(given).__module__.startswith(
        "datasets."
    )


def _name(lot: Any) -> str:
    while isinstance(lot, DataLoader | Subset):
        lot = lot.dataset
    if isinstance(lot, np.ndarray | Tensor | tuple):
        return "arrays"
    return "hf" if is_dataset(lot) else type(lot).__name__


def _examples(lot: Any, image: str | int | None, label: str | int | None, *, where: str) -> Examples:
    if isinstance(lot, np.ndarray | Tensor):
        return Examples(_array(lot, where), {})
    if isinstance(lot, tuple) and is_data(lot):
        x, labels = _array(lot[0], where), _numpy(lot[1], f"{where}: labels")
        factors, notes = factors_or_note(labels, len(x), where=f"{where}: labels", asked=label is not None)
        return Examples(x, factors, notes)
    if is_dataset(lot):
        return of_dataset(lot, image=_column(image), label=_column(label), where=where)
    if type(lot).__module__.partition(".")[0] == "pandas":  # Whose items are columns.
        raise InputError(
            f"{where} is a pandas {type(lot).__name__}; give its numbers, as .to_numpy() does, or write it to a file "
            "for --data csv"
        )
    said: list[str] = []
    if isinstance(lot, DataLoader):
        lot, said = _set_of(lot, where), ["of a DataLoader its examples alone: batches and order are the config's"]
    if (
        isinstance(lot, IterableDataset)
        or not (hasattr(lot, "__len__") and hasattr(lot, "__getitem__"))
        or len(lot) == 0
    ):
        raise InputError(
            f"{where} is a {type(lot).__name__} without len() examples; give a map-style Dataset, or write them into "
            ".npy files for --data npy"
        )
    found = _items(lot, image, label, where=where)
    return found._replace(notes=[*said, *found.notes])


def _column(name: str | int | None) -> str | None:
    return None if name is None else str(name)


def _array(values: np.ndarray | Tensor, where: str) -> np.ndarray:
    return planes(_numpy(values, where), first=True if isinstance(values, Tensor) else None, where=where)


def _numpy(values: Any, where: str) -> np.ndarray:
    """What an item or an array holds, of any device and precision."""
    check_plain(values, where)
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    return (values.float() if values.dtype not in _OF_NUMPY and values.is_floating_point() else values).numpy()


def _set_of(loader: DataLoader[Any], where: str) -> Any:
    """The Dataset of a loader, without what its sampler never draws.

    Raises:
        InputError: for a sampler that is no order of a set.
    """
    sampler, batches = loader.sampler, loader.batch_sampler
    if type(batches) in (BatchSampler, type(None)) and _is_order(sampler, loader.dataset):
        return loader.dataset
    if type(batches) in (BatchSampler, type(None)) and hasattr(sampler, "indices"):
        return Subset(loader.dataset, [int(i) for i in sampler.indices])
    if isinstance(loader.dataset, IterableDataset):
        return loader.dataset
    kind = type(batches if type(batches) is not BatchSampler else sampler).__name__
    raise InputError(
        f"{where}: the loader draws its examples by a {kind}, which is no set; give its dataset, or a Subset"
    )


def _is_order(sampler: Any, dataset: Any) -> bool:
    """Whether it draws each example once; of fewer than all at random, each epoch would have others."""
    if type(sampler) is RandomSampler:
        return not sampler.replacement and sampler.num_samples == len(dataset)
    return type(sampler) is SequentialSampler


def _items(dataset: Any, image: str | int | None, label: str | int | None, *, where: str) -> Examples:
    """The examples of a map-style Dataset, each read once."""
    first = dataset[0]
    at, labelled = _places(first, image, label, where)
    labels: dict[int, Any] = {}

    def item(i: int) -> Any:
        found = dataset[i]
        if labelled is not None:
            labels[i] = found[labelled]
        return found if at is None else found[at]

    x, notes = _stack(dataset, item, where)
    factors: dict[str, np.ndarray] = {}
    if labelled is not None:
        values = _column_of([_numpy(labels[i], f"{where}[{i}]: label") for i in range(len(x))])
        factors, said = factors_or_note(values, len(x), where=f"{where}: labels", asked=label is not None)
        notes += said
    again = dataset[0]
    one, other = (_numpy(found if at is None else found[at], where) for found in (first, again))
    if not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
        notes.append("items that differ when they are read again, as by a random transform, each taken once")
    return Examples(x, factors, notes)


def _places(item: Any, image: str | int | None, label: str | int | None, where: str) -> tuple[Any, Any]:
    """Where x and the label are in an item; None where the item is x, or has no label."""
    if isinstance(item, Mapping):
        arrays = [key for key, value in item.items() if _is_x(value)]
        named = [key for key in X_NAMES if key in arrays]
        at = image if image is not None else named[0] if named else arrays[0] if len(arrays) == 1 else None
        if at is None or at not in item or (label is not None and label not in item):
            keys = ", ".join(map(repr, [*item][:SHOWN]))
            raise InputError(
                f"{where}: its items have {keys}; say by image= which is x, and by label= which its labels"
            )
        return at, label if label is not None else next((key for key in LABEL_NAMES if key in item), None)
    if isinstance(item, tuple | list):
        at = 0 if image is None else image
        return at, label if label is not None else next((i for i in (1,) if len(item) > i and at != i), None)
    return None, None


def _is_x(value: Any) -> bool:
    return isinstance(value, Image.Image) or (isinstance(value, np.ndarray | Tensor) and value.ndim > 0)


def _stack(dataset: Any, item: Any, where: str) -> tuple[np.ndarray, list[str]]:
    first, n = item(0), len(dataset)

    def name(i: int) -> str:
        return f"{where}[{i}]"

    if isinstance(first, Image.Image):
        pixels, done = stacked(n, lambda i: picture_of(item(i), name(i)), name, where)
        return planes(pixels, first=False, where=where), [f"{count} {what}" for what, count in sorted(done.items())]
    one = _numpy(first, name(0))
    if one.dtype.kind not in "buif" or one.ndim == 0:
        raise InputError(
            f"{name(0)} is of type {type(first).__name__}; let items be x, (x, label) or dicts, with x a tensor, an "
            "array or an image"
        )
    if one.nbytes * n > MAX_BYTES:
        raise InputError(
            f"{where}: {one.nbytes * n} bytes, more than the {MAX_BYTES} held in memory; write them into .npy files "
            "for --data npy"
        )
    stack = np.empty((n, *one.shape), one.dtype)
    for i in range(n):
        found = _numpy(item(i), name(i))
        if found.shape != one.shape:
            raise InputError(f"{name(i)} is {list(found.shape)}, but {name(0)} is {list(one.shape)}; give one shape")
        stack[i] = found
    return planes(stack, first=True if isinstance(first, Tensor) else None, where=where), []


def _column_of(values: list[np.ndarray]) -> np.ndarray:
    """Labels of items as an array, of objects where they are no single values or rows of one length."""
    if len({value.shape for value in values}) > 1 or any(value.dtype == object for value in values):
        return np.zeros(len(values), object)
    return np.stack(values)
