"""What a data set was taken for, in one line: the line that a fit begins with."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from vae_rd.data.base import DataCard
from vae_rd.data.dataset import DataSet
from vae_rd.data.pixels import threshold
from vae_rd.run.record import SPLITS

_BITS = {
    "static": "once with P(1) = k/{top}",
    "dynamic": "anew at every use with P(1) = k/{top}",
    "threshold": "to 1 where k >= {threshold}",
}
_COLOURS = {1: "grey", 3: "colour"}
_THINGS = {1: "sequences of", 2: "images", 3: "volumes"}  # By how many axes they have after the channels.


def described(data: DataSet) -> str:
    """How many images of which kind, what their values were read as, how they are split, and who is in two splits.

    Example:
        >>> from vae_rd.data.sprites import sprites
        >>> described(DataSet(sprites()))
        'sprites: 3,584 binary images 16 x 16, values 0..1, each split is the whole population'
    """
    return f"{data.card.name}: {', '.join(_parts(data))}"


def _parts(data: DataSet) -> Iterator[str]:
    card = data.card
    yield f"{_amount(data)} {_kind(card)}"
    yield card.params.get("reading") or _values(data)
    yield from _drawn(card)
    yield _split(data)
    if all(card.population.values()) and (equal := card.params["duplicates"]["train"]):
        yield f"{card.n['train'] - equal:,} of them distinct"
    if not data.is_whole and not all(card.unlimited.values()):
        yield _shared(data) + (" of those held" if (card.streamed or 0) > card.n["train"] else "")
    yield from card.params.get("notes", ())


def _amount(data: DataSet) -> str:
    card = data.card
    if all(card.unlimited.values()):
        return "endless"
    if data.is_whole:
        return f"{max(card.n.values()):,}"
    if card.streamed is not None:
        return f"{card.streamed + card.n['val'] + card.n['test']:,}"
    return f"{sum(n for split, n in card.n.items() if not card.unlimited[split]):,}"


def _kind(card: DataCard) -> str:
    channels, *sizes = card.shape
    if len(sizes) == 2 and channels == sizes[0] == 1:
        return f"{'one-hot ' if card.support == 'one_hot' else ''}vectors of {sizes[1]}"
    colour = _COLOURS.get(channels, f"{channels}-channel") if len(sizes) == 2 else f"{channels}-channel"
    word = "binary" if card.levels == 2 and channels == 1 else colour
    return f"{word} {_THINGS[len(sizes)]} {' x '.join(map(str, sizes))}"


def _values(data: DataSet) -> str:
    if data.card.params.get("binarization") in ("static", "threshold"):  # What is stored are bits by now.
        return f"{data.card.levels} levels"
    low = min(pixels.min().item() for pixels in data.pixels.values())
    high = max(pixels.max().item() for pixels in data.pixels.values())
    if data.card.levels is None:
        return f"{'real ' if data.card.support in ('real', 'grey') else ''}values {low:.6g}..{high:.6g}"
    return f"values {low:g}..{high:g}" + (f" of {data.card.levels} levels" if data.card.levels > 2 else "")


def _drawn(card: DataCard) -> Iterator[str]:
    if (word := card.params.get("binarization")) is not None and card.levels is not None:
        yield f"binarised {_BITS[word].format(top=card.levels - 1, threshold=threshold(card.levels))}"
    elif card.levels is None and card.support == "grey":
        yield "which repeat as on a grid"
    elif card.pixel_scale is not None:
        yield f"x = {card.pixel_scale.replace(' / ', '/')}"


def _split(data: DataSet) -> str:
    card = data.card
    sizes = " / ".join(f"{card.n[split]:,}" for split in SPLITS)
    if card.streamed is not None:
        sizes = f"{card.streamed:,} streamed, evaluated on {sizes}"
    if all(card.population.values()):
        return "each split is the whole population"
    if any(card.population.values()):
        whole = [split for split in SPLITS if card.population[split]]
        return (
            f"split {sizes}, of which {' and '.join(whole)} {'is' if len(whole) == 1 else 'are'} the whole population"
        )
    if all(card.unlimited.values()):
        return f"fresh ones at every step, evaluated on {sizes}"
    if data.is_whole and not any(flag in card.params for flag in ("n_train", "n_test")):
        return "each split is all of them"
    cut = [f"cut by --{flag}" for flag in ("n_train", "n_test") if flag in card.params]
    how = [str(card.params["split"])] if "split" in card.params else []
    return f"split {sizes}" + (f" ({'; '.join(how + cut)})" if how or cut else "")


def _shared(data: DataSet) -> str:
    """How many stored images of a split are also in an earlier one, whose numbers then tell less than they seem to."""
    seen: set[int] = set()
    found = []
    for split in SPLITS:
        rows = _hashes(data.pixels[split])
        if common := sum(map(seen.__contains__, rows)):
            earlier = "training images" if split == "val" else "training or val images"
            found.append(f"{common:,} of {len(rows):,} {split} images are {earlier} too")
        seen.update(rows)
    return " and ".join(found) or "no image in two splits"


def _hashes(pixels: Tensor) -> list[int]:
    return [hash(row.tobytes()) for row in pixels.flatten(1).cpu().numpy()]
