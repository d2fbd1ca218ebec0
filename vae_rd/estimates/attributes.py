"""What sums of codes are made of and judged by: examples with classes of attributes, and who tells these from images.

Where the images are all there are, and every combination of classes is one of them, an image shows what the nearest of
all images does: the judge is exact on every image of the data. Elsewhere a classifier learns each attribute from pixels
of the known examples, and its share of the asked ones is stated; of an attribute whose asked classes are not all known,
such as a person, the nearest of the asked images decides. Images of one channel with one label alone have a second
attribute, the thickness of their strokes in thirds, which is computed and not learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vae_rd.data.base import EVAL_CHUNK, subset
from vae_rd.estimates.base import Fitted, Settings
from vae_rd.estimators.algebra import Classes, Combination, Floats, own, thickness
from vae_rd.estimators.judges import classifier, nearest
from vae_rd.functional.seeding import generator
from vae_rd.run.record import Json, estimate

KNOWN, ASKED = 5_000, 1_000  # Examples that vectors are made of; edits and analogies, unless fewer are asked for.
GAIN = 2  # Standard errors.
THICKNESS, THIRDS = "thickness", (1 / 3, 2 / 3)
OF_ALL = "the nearest of all images"
OF_ASKED = "the nearest of the asked images"
OF_PIXELS = "a support vector machine on pixels"
OF_FORMULA = "a formula of the pixels"
Judge = Callable[[Floats], Classes]


class Part(NamedTuple):
    """Examples of a split: ascending positions [n] and their classes [n, K]."""

    split: str
    places: Tensor
    classes: Classes


class Attributed(NamedTuple):
    """Examples whose attributes are known.

    Attributes:
        names: of the K attributes.
        known: examples to learn from.
        asked: others, which sums are made of.
        there: combinations of classes that exist.
        candidates: positions in the validation split of all different images, where these are all there are and each
            combination is one of them; else None.
        candidate_classes: theirs, [M, K].
        thirds: of thickness, the two values between them; else None.
    """

    names: list[str]
    known: Part
    asked: Part
    there: frozenset[Combination]
    candidates: Tensor | None
    candidate_classes: Classes
    thirds: Floats | None


class Columns(NamedTuple):
    """Names of K attributes, their classes for each split, [N, K], counted from 0 over all of them, and the thirds."""

    names: list[str]
    parts: list[Classes]
    thirds: Floats | None


def attributed(run: Fitted, settings: Settings) -> Attributed:
    """The examples of an opened run: of a population two halves of it, else of its training and test split."""
    splits = ("val",) if run.data.is_whole else ("train", "test")
    names, parts, thirds = _columns(run, splits)
    different = np.arange(0)
    if run.data.is_whole:
        first = _first_of_equals(run.data.pixels["val"])
        parts, different = [parts[0][first]], np.unique(first)
    combinations = frozenset(tuple(row) for part in parts for row in np.unique(part, axis=0).tolist())
    is_named = len(names) > 1 and len(combinations) == len(different)
    known, asked = _places(run, settings, [len(part) for part in parts])
    return Attributed(
        names,
        Part(splits[0], known, parts[0][known.numpy()]),
        Part(splits[-1], asked, parts[-1][asked.numpy()]),
        combinations,
        torch.from_numpy(different) if is_named else None,
        parts[0][different],
        thirds,
    )


def _columns(run: Fitted, splits: tuple[str, ...]) -> Columns:
    """The labels of several values that are no function of others; beside a single one the thirds of thickness."""
    labels = [run.data.labels.get(split, {}) for split in splits]
    there = [name for name in labels[0] if all(name in part for part in labels)]
    values = {name: np.concatenate([part[name] for part in labels]) for name in there}
    classes = {name: np.unique(column, return_inverse=True)[1] for name, column in values.items()}
    classes = {name: column for name, column in classes.items() if column.max(initial=0) > 0}
    thirds = None
    if len(classes) == 1 and _has_strokes(run):
        widths = np.concatenate([_thickness(run, split) for split in splits])
        thirds = np.quantile(widths, THIRDS)
        classes[THICKNESS] = np.searchsorted(thirds, widths, side="right")
    sizes = [len(run.data.pixels[split]) for split in splits]
    table = np.stack(list(classes.values()), 1) if classes else np.zeros((sum(sizes), 0), np.int64)
    kept = own(table)
    names = [list(classes)[k] for k in kept]
    return Columns(names, np.split(table[:, kept], np.cumsum(sizes)[:-1]), thirds)


def _has_strokes(run: Fitted) -> bool:
    return run.data.card.shape[0] == 1 and run.data.card.support in ("binary", "grey")


def _thickness(run: Fitted, split: str) -> Floats:
    index = torch.arange(len(run.data.pixels[split])).split(EVAL_CHUNK)
    return np.concatenate([thickness(run.data.examples(split, some)[:, 0].double().cpu().numpy()) for some in index])


def _first_of_equals(pixels: Tensor) -> Classes:
    """For each image the first that is equal to it, [N]: it stands for all of them."""
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(image.tobytes(), place) for place, image in enumerate(pixels.cpu().numpy())])


def _places(run: Fitted, settings: Settings, sizes: list[int]) -> tuple[Tensor, Tensor]:
    """Ascending positions of the known examples and of the asked ones, of which a quadruple takes three."""
    most = 3 * min(settings.examples or ASKED, ASKED)
    if run.data.is_whole:
        parts = torch.randperm(sizes[0], generator=generator("cpu", settings.seed, "algebra")).tensor_split(2)
    else:
        parts = tuple(
            subset(n, n, settings.seed, "algebra", split) for n, split in zip(sizes, ("train", "test"), strict=True)
        )
    return parts[0][:KNOWN].sort().values, parts[1][:most].sort().values


def pixels_of(run: Fitted, split: str, index: Tensor) -> Floats:
    """x of these examples, [n, P], float64."""
    return run.data.examples(split, index).flatten(1).double().cpu().numpy()


def judged(run: Fitted, given: Attributed, known: Floats, asked: Floats) -> tuple[Attributed, Judge, dict[str, Json]]:
    """The attributes that can be told from images, who tells their classes from images, and of each how.

    The judge takes images [n, P] to classes [n, K]. Of every attribute `by` whom it is told, its `accuracy` on asked
    images, and `guess`, the share of their most frequent class; one that is not told in at least GAIN s.e. more than
    that is left out of what is asked.

    Args:
        run: opened.
        given: its examples.
        known: pixels of the known ones, [N, P].
        asked: pixels of the asked ones, [M, P].
    """
    if given.candidates is not None:
        exact = estimate(1.0, 0.0, len(given.candidates))  # Each is nearest to itself.
        of_all = {name: {"by": OF_ALL, "accuracy": exact, "guess": guess} for name, guess in _guesses(given).items()}
        return given, _by_all_images(run, given, given.candidates), of_all
    judges: list[Callable[[Floats], Classes]] = []
    said: dict[str, Json] = {}
    for k, (name, guess) in enumerate(_guesses(given).items()):
        by, judge, accuracy = _judge(run, given, k, known, asked)
        judges.append(judge)
        said[name] = {"by": by, "accuracy": accuracy, "guess": guess}
    told = [k for k, one in enumerate(said.values()) if _is_told(**one)]
    return _only(given, told), lambda images: np.stack([judges[k](images) for k in told], 1), said


def _guesses(given: Attributed) -> dict[str, float]:
    named = zip(given.names, given.asked.classes.T, strict=True)
    return {name: float(np.bincount(column).max() / len(column)) for name, column in named}


def _is_told(by: str, accuracy: Json, guess: float) -> bool:
    return bool(accuracy["value"] - guess > GAIN * accuracy["stderr"])


def _only(given: Attributed, told: list[int]) -> Attributed:
    """Some of the attributes of examples."""
    known, asked = (part._replace(classes=part.classes[:, told]) for part in (given.known, given.asked))
    there = frozenset(tuple(row[k] for k in told) for row in given.there)
    return given._replace(names=[given.names[k] for k in told], known=known, asked=asked, there=there)


def _by_all_images(run: Fitted, given: Attributed, candidates: Tensor) -> Judge:
    def parts() -> Iterator[Floats]:
        return (pixels_of(run, "val", some) for some in candidates.split(EVAL_CHUNK))

    return lambda images: given.candidate_classes[nearest(images, parts())]


def _judge(
    run: Fitted, given: Attributed, k: int, known: Floats, asked: Floats
) -> tuple[str, Callable[[Floats], Classes], Json]:
    """Of one attribute: by whom, how, and the share of asked images that are told right."""
    old, new = given.known.classes[:, k], given.asked.classes[:, k]
    if given.names[k] == THICKNESS and given.thirds is not None:
        by, judge = OF_FORMULA, _by_thickness(run, given.thirds)
    elif set(new.tolist()) <= set(old.tolist()):
        by, judge = OF_PIXELS, classifier(known, old)
    else:
        others = new[nearest(asked, [asked], but_itself=True)]
        return OF_ASKED, lambda images: new[nearest(images, [asked])], share(others == new)
    return by, judge, share(judge(asked) == new)


def _by_thickness(run: Fitted, thirds: Floats) -> Callable[[Floats], Classes]:
    size, is_binary = run.data.card.shape[1:], run.data.card.support == "binary"

    def judge(images: Floats) -> Classes:
        seen = (images > 0.5).astype(float) if is_binary else images.clip(0, 1)  # The likeliest image, and E[x|z].
        return np.searchsorted(thirds, thickness(seen.reshape(-1, *size)), side="right")

    return judge


def share(hits: np.ndarray, *, resampled: str = "x") -> Json:
    """A share of n with its bootstrap standard error, which is sqrt(p (1 - p) / n).

    Example:
        >>> share(np.array([1, 1, 1, 0]))
        {'value': 0.75, 'stderr': 0.21650635094610965, 'n': 4, 'resampled': 'x'}
    """
    n = len(hits)
    p = float(np.mean(hits)) if n else float("nan")
    return estimate(p, (p * (1 - p) / n) ** 0.5 if n else None, n, resampled=resampled)
