"""What anyone's `terms(module, batch)` returns, as the terms of examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.distributions import Distribution

from vae_rd.data.batches import x_of
from vae_rd.errors import InputError
from vae_rd.foreign.collecting import Seen
from vae_rd.foreign.noise import PlacedNoise
from vae_rd.functional.stated import Stated, stated
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.priors.base import Prior
from vae_rd.model.stated import Terms
from vae_rd.model.torch_distributions import prior_of, torch_rate, torch_rate_per_dim
from vae_rd.model.torch_terms import vae_of
from vae_rd.model.vae import VAE

Returned = tuple[Any, ...] | Mapping[str, Tensor]
PriorOf = Distribution | Callable[[LightningModule], Distribution] | None
_NAMES = ("distortion", "rate", "log_px_z", "rate_per_dim", "mean", "log_var", "scale", "z", "x")


class Batch(NamedTuple):
    """One batch, before any z is drawn.

    Attributes:
        n: examples in it.
        x: they themselves; None where the terms were stated without them.
        model: of the q(z|x) and p(x|z) that were returned; None where the terms were stated.
        seen: these.
    """

    n: int
    x: Tensor | None
    model: VAE | None
    seen: Seen | None

    def drawn(self, noise: PlacedNoise, places: Tensor) -> Seen:
        """The terms of the batch, under the noise that belongs to the places of its examples."""
        if self.model is None or self.x is None:
            assert self.seen is not None, "stated where there is no model"
            return self.seen
        terms = self.model.terms(self.x, noise.of(self.model, self.x, places))
        return Seen(terms, terms.posterior, self.x)


@dataclass(frozen=True)
class Reading:
    """How batches are read.

    Attributes:
        terms: the user's function, (module, batch) to (q, decode), (x, q, decode) or a mapping of tensors.
        prior: m(z), or module to m(z); None for N(0, I).
        key: where x is in a batch that is a dict, or in a tuple whose first item it is not.
        seed: of the noise.
        samples: draws of z for each x.
    """

    terms: Callable[[Any, Any], Returned]
    prior: PriorOf
    key: str | int | None
    seed: int
    samples: int

    def batch(self, module: LightningModule, batch: Any) -> Batch:
        """What the user's function makes of a batch.

        Raises:
            InputError: for what is neither distributions nor tensors of its examples.
        """
        found = self.terms(module, batch)
        prior = self.prior if self.prior is None or isinstance(self.prior, Distribution) else self.prior(module)
        if isinstance(found, Mapping):
            return _stated(found, prior)
        if not isinstance(found, tuple | list) or len(found) not in (2, 3):
            said = f"{len(found)} things" if isinstance(found, tuple | list) else f"a {type(found).__name__}"
            raise InputError(
                f"terms: it returned {said}; let it return (q, decode), (x, q, decode), or a dict of tensors"
            )
        x, q, decode = found if len(found) == 3 else (x_of(batch, self.key), *found)
        model = vae_of(x, encode=lambda _: q, decode=_in_precision_of(module, decode), prior=prior)
        return Batch(len(x), x, model, None)

    def noise(self, split: str, n: int | None) -> PlacedNoise:
        """Of the examples of a split."""
        return PlacedNoise(self.seed, split, samples=self.samples, n=n)


def _in_precision_of(module: LightningModule, decode: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    """The decoder, given z as its weights are where these are of half precision: z itself is drawn in single."""
    dtype = next((weight.dtype for weight in module.parameters()), torch.float32)
    return decode if dtype in (torch.float32, torch.float64) else lambda z: decode(z.to(dtype))


def _stated(found: Mapping[str, Tensor], prior: Distribution | None) -> Batch:
    """Terms that the user computed; under a prior that is not N(0, I), where there are means by which z is known."""
    if unknown := [name for name in found if name not in _NAMES]:
        raise InputError(f"terms: {', '.join(map(repr, unknown))} is no tensor it may return; name {', '.join(_NAMES)}")
    given = {name: tensor.detach() for name, tensor in found.items()}
    x, z = given.pop("x", None), given.pop("z", None)
    said, m = stated(**given), None
    if prior is not None and said.mean is not None:
        m = prior_of(prior, said.mean, event=given["mean"].shape[1:])
        said = said if given.keys() & {"rate", "rate_per_dim"} else _under(m, said)
    d, n = torch.atleast_2d(said.distortion), said.distortion.shape[-1]
    if z is not None:
        z = z.flatten(1)[None] if z.shape[0] == n and z.ndim > 1 and said.distortion.ndim == 1 else z.flatten(2)
    terms = Terms.stated(
        log_px_z=-d,
        rate=said.rate,
        rate_per_dim=said.rate_per_dim,
        mean=said.mean,
        variance=said.variance,
        log_ratio=torch.full_like(d, torch.nan),  # What was stated is the KL, and no mean of draws to check it by.
        z=z,
        prior=m,
    )
    is_paired = z is not None and said.mean is not None and said.variance is not None
    q = DiagonalNormal(said.mean, said.variance.log()) if is_paired else None  # type: ignore[union-attr, arg-type]
    return Batch(n, x, None, Seen(terms, q, x))


def _under(m: Prior, said: Stated) -> Stated:
    """With the KL of the stated normal q(z|x) from a prior, instead of that from N(0, I)."""
    if said.mean is None or said.variance is None:
        return said
    q = DiagonalNormal(said.mean, said.variance.log())
    if (rate := torch_rate(q, m)) is None:
        raise InputError("terms: of N(mean, scale^2) and this prior= no KL is known; let it return rate, too")
    return said._replace(rate=rate, rate_per_dim=torch_rate_per_dim(q, m))
