"""What a model makes of a few fixed examples, draws of its prior and steps along its units, as images.

All noise is named, so that a picture is a function of the weights and the data: runs of a sweep show the same examples
and, under one prior, the same z, and training goes on as if nobody had looked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from vae_rd.data.base import DataCard, subset
from vae_rd.data.dataset import DataSet
from vae_rd.functional.seeding import generator
from vae_rd.model.closed_forms import rate_per_dim
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.likelihoods.base import ImageDistribution
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.vae import VAE

SPLIT = "val"  # The test split is for nothing but the numbers at the end.
COLUMNS, ROWS = 16, 4  # Of examples, and of draws.
SEEN = 200  # Examples by which units are ranked and steps along them measured.
UNITS, STEPS, REACH = 8, 11, 2.5  # Rows and columns of traversals, from so many s.d. below the mean to above it.
IN_TURN = 1  # Rows of draws where an image takes a pass of the network for each of its values.


class Shown(NamedTuple):
    """The fixed examples: positions in the split [n], x [n, C, H, W], and labels by factor, lists of length n."""

    examples: Tensor
    x: Tensor
    labels: dict[str, list[Any]]

    @property
    def range(self) -> tuple[float, float]:
        """The values of x that are black and white."""
        return black_and_white(self.x)


class Picture(NamedTuple):
    """Images in rows of `columns`, [n, H, W] or [n, H, W, 3] in units of x, and what they are."""

    kind: str
    images: np.ndarray
    columns: int
    facts: dict[str, Any]


def fixed_index(data: DataSet, n: int) -> Tensor:
    """The first n of an order of the validation examples that is the same for every run on the data, or all."""
    there = len(data.pixels[SPLIT])
    return subset(there, min(n, there), "media", SPLIT)


def black_and_white(x: Tensor) -> tuple[float, float]:
    """The values of x that are black and white: 0 and 1, or the extremes of x that goes beyond."""
    low, high = x.min().item(), x.max().item()
    return (0.0, 1.0) if (low >= 0 and high <= 1) or low == high else (low, high)


def can_be_shown(card: DataCard) -> bool:
    """Whether x, which p(.|z) is of, is an image that a screen can show."""
    channels, *sizes = card.shape
    return card.target is None and channels in (1, 3) and len(sizes) == 2 and min(sizes) > 1


def shown_examples(data: DataSet) -> Shown | None:
    """The examples that pictures are of; None where x, or what p(.|z) is of, is no image that a screen can show."""
    if not can_be_shown(data.card):
        return None
    index = fixed_index(data, SEEN)
    order = index.argsort()
    ascending = data.examples(SPLIT, index[order])
    labels = {name: values[index.numpy()].tolist() for name, values in data.labels[SPLIT].items()}
    return Shown(index, ascending[order.argsort().to(ascending.device)], labels)


@torch.no_grad()
def pictures(model: GenerativeModel, shown: Shown) -> Iterator[Picture]:
    """Reconstructions, samples and traversals; of a model without q(z|x) samples alone.

    Args:
        model: in eval mode, on the device of the examples.
        shown: the examples.
    """
    if not model.has_encoder:
        yield _samples(model, shown.x.device)
        return
    model = cast(VAE, model)
    q = cast(Posterior, model.encoder(shown.x))
    z = q.from_noise(model.noise(1, shown.x, generator("cpu", "media", "posterior"))).z[0]
    yield _reconstructions(model, shown, z)
    yield _samples(model, shown.x.device)
    if not model.prior().is_continuous:
        yield _states(model, z)
    elif _is_quick(model, z):
        yield _traversals(model, q, z, example=int(shown.examples[0]))


def _reconstructions(model: VAE, shown: Shown, z: Tensor) -> Picture:
    """x above, E[x|z] below."""
    (drawn, means), index = _images(model, z[:COLUMNS]), shown.examples[:COLUMNS].tolist()
    labels = {name: values[: len(index)] for name, values in shown.labels.items()}
    facts = {"of": f"{means}, z ~ q(z|x)", "rows": ["x", means], "examples": index, "labels": labels}
    return Picture("reconstructions", np.concatenate([_array(shown.x[: len(index)]), drawn]), len(index), facts)


def _samples(model: GenerativeModel, device: torch.device) -> Picture:
    z = model.prior().sample((ROWS * COLUMNS,), generator=generator(device, "media", "prior"))
    images, means = _images(model, z if _is_quick(model, z) else z[: IN_TURN * COLUMNS])
    return Picture("samples", images, COLUMNS, {"of": f"{means}, z ~ m(z)"})


def _traversals(model: VAE, q: Posterior, z: Tensor, *, example: int) -> Picture:
    """Each row moves one unit of the first example's z, those that tell most of x first."""
    units = _rank(model, q, z)[:UNITS]
    steps = torch.linspace(-REACH, REACH, STEPS, device=z.device, dtype=z.dtype)
    values = z.mean(0)[units, None] + z.std(0)[units, None] * steps
    moved = z[0].expand(len(units), STEPS, -1).clone()
    moved.scatter_(2, units[:, None, None].expand(-1, STEPS, 1), values[..., None])
    images, means = _images(model, moved.flatten(0, 1))
    facts = {"of": f"{means}, one unit of z moved", "example": example, "units": units.tolist()}
    return Picture("traversals", images, STEPS, {**facts, "values": values.tolist()})


def _states(model: VAE, z: Tensor) -> Picture:
    """Of a z of finitely many states each, one after another."""
    most = ROWS * COLUMNS if _is_quick(model, z) else IN_TURN * COLUMNS
    states = torch.eye(z.shape[-1], device=z.device, dtype=z.dtype)[:most]
    images, means = _images(model, states)
    facts = {"of": f"{means}, a state of z each", "states": list(range(len(states)))}
    return Picture("traversals", images, min(COLUMNS, len(states)), facts)


def _rank(model: VAE, q: Posterior, z: Tensor) -> Tensor:
    """Units by their rate, the largest first; by the variance of E[z|x], or of z, where that has no closed form."""
    rates, moments = rate_per_dim(q, model.prior()) if q.has_density else None, q.moments()
    spread = (z if moments is None else moments.mean).var(0)
    return (spread if rates is None else rates.mean(0)).argsort(descending=True, stable=True)


def _images(model: GenerativeModel, z: Tensor) -> tuple[np.ndarray, str]:
    """E[x|z] for each z, [n, D], or draws where it has no closed form; and which they are."""
    p = cast(Distribution, model.decoder(z[None]))
    try:
        return _array(p.mean[0]), "E[x|z]"
    except NotImplementedError:
        with named_stream(z.device, "media", "likelihood"):
            return _array(p.sample()[0]), "x ~ p(x|z)"


def _is_quick(model: GenerativeModel, z: Tensor) -> bool:
    """Whether an image takes one pass of the decoder."""
    p = model.decoder(z[None, :1])
    return not (isinstance(p, ImageDistribution) and p.is_drawn_in_turn)


def _array(x: Tensor) -> np.ndarray:
    """[n, C, H, W] to [n, H, W] or [n, H, W, 3]."""
    images = x.permute(0, 2, 3, 1).float().cpu().numpy()
    return images[..., 0] if images.shape[-1] == 1 else images


@contextmanager
def named_stream(device: torch.device, *key: int | str) -> Iterator[None]:
    """torch's samplers know only its global stream, which is put back after."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator("cpu", *key))))
        yield
