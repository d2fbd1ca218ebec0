"""The x of a batch as anyone's loader yields it: a tensor, (x, y, ...), or a dict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from vae_rd.errors import InputError


def x_of(batch: Any, key: str | int | None = None) -> Tensor:
    """The examples of a batch, [B, ...].

    Args:
        batch: a tensor, which is x; a sequence, whose first item is x; or a mapping.
        key: where x is in a mapping or a sequence; None for a mapping's only tensor of more than one axis.

    Raises:
        InputError: where there is no tensor, or several may be meant.

    Example:
        >>> import torch
        >>> x, y = torch.zeros(4, 1, 2, 2), torch.zeros(4)
        >>> x_of(x) is x, x_of((x, y)) is x, x_of({"image": x, "label": y}) is x
        (True, True, True)
    """
    if isinstance(batch, Tensor):
        return batch
    found = _of_mapping(batch, key) if isinstance(batch, Mapping) else batch
    if isinstance(batch, Sequence) and batch:
        found = batch[key if isinstance(key, int) else 0]
    if not isinstance(found, Tensor):
        raise InputError(
            f"a batch of the loader has a {type(found).__name__} where x is to be; let it be a tensor, (x, ...), or a "
            "dict with x as one of its tensors"
        )
    return found


def _of_mapping(batch: Mapping[Any, Any], key: str | int | None) -> Any:
    images = [name for name, value in batch.items() if isinstance(value, Tensor) and value.ndim > 1]
    if key is None and len(images) == 1:
        return batch[images[0]]
    if key is None or key not in batch:
        asked = "any of several may be x" if key is None else f"none is {key!r}"
        raise InputError(f"a batch of the loader has {', '.join(map(repr, batch))}, and {asked}; give x's as key=")
    return batch[key]
