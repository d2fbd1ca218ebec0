"""p(x|z) value by value: an autoregressive trunk before a likelihood, and the images that they draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution

from vae_rd.functional.precision import at_least_single
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.likelihoods.base import IMAGE_DIMS, ImageDistribution, Likelihood
from vae_rd.model.nn.autoregressive import AutoregressiveTrunk
from vae_rd.model.nn.whitening import Offset, Standard
from vae_rd.process.counting import counted

ROWS = 256  # Images that the network takes at a time where no gradient is asked for, which bounds its memory.


class Coordinates(NamedTuple):
    """Fixed maps of single values: of x before the network, and of the parameters behind it."""

    x: Standard
    parameters: Offset


class AutoregressiveDecoder(LazyDistribution):
    """p(x|z) = prod_i p(x_i | x_<i, z), where a likelihood reads the parameters that a trunk makes of x_<i and z.

    Args:
        trunk: from x and z to parameters.
        likelihood: of any kind; what it draws jointly is one step of the trunk's raster.
        coordinates: fixed maps around the trunk; None for none.

    Example:
        >>> from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
        >>> from vae_rd.model.nn.made import made
        >>> from vae_rd.model.nn.raster import Raster
        >>> decoder = AutoregressiveDecoder(made(Raster((1, 2, 2)), [8], latent_dim=3), BernoulliLikelihood())
        >>> p = decoder(torch.zeros(5, 4, 3))
        >>> p.log_prob(torch.zeros(4, 1, 2, 2)).shape, p.sample().shape
        (torch.Size([5, 4]), torch.Size([5, 4, 1, 2, 2]))
    """

    reads_x = True

    def __init__(
        self, trunk: AutoregressiveTrunk, likelihood: Likelihood, *, coordinates: Coordinates | None = None
    ) -> None:
        super().__init__()
        self.trunk, self.likelihood = trunk, likelihood
        self.standard = coordinates.x if coordinates else None
        self.offset = coordinates.parameters if coordinates else None

    def forward(self, context: Tensor) -> AutoregressiveImage:
        """Latents [..., D] to p(x|z) of batch shape [...]; the network runs when a density or a draw is asked for."""
        return AutoregressiveImage(self, context)

    def given(self, x: Tensor, z: Tensor) -> Distribution:
        """The product of p(x_i | x_<i, z) with x_<i as it is in x: at x, its density is p(x|z).

        Args:
            x: [..., C, H, W].
            z: [..., D], of a batch shape that broadcasts with that of x.
        """
        batch = torch.broadcast_shapes(x.shape[:-IMAGE_DIMS], z.shape[:-1])
        rows, event = math.prod(batch), self.trunk.raster.shape
        x = self._seen(x).expand(*batch, *event).reshape(rows, *event)
        z = z.expand(*batch, z.shape[-1]).reshape(rows, z.shape[-1])
        size = rows if torch.is_grad_enabled() else ROWS
        parts = [self.trunk(*part) for part in zip(x.split(max(1, size)), z.split(max(1, size)), strict=True)]
        params = at_least_single(parts[0] if len(parts) == 1 else torch.cat(parts))
        params = params if self.offset is None else self.offset(params)
        return self.likelihood(params.reshape(*batch, *params.shape[1:]))

    @torch.no_grad()
    def draw(self, z: Tensor) -> Tensor:
        """An image for each z [n, D], value by value: [n, C, H, W]."""
        raster = self.trunk.raster
        x = z.new_zeros(len(z), *raster.shape)
        walk = self.trunk.walk(z)
        for step in counted(raster.steps, f"drawing {len(z)} images"):
            params = self._moved(at_least_single(walk(step, self._seen(x))), step)
            x[(..., *raster.place(step))] = self.likelihood(params).sample().to(x)
        return x

    def _seen(self, x: Tensor) -> Tensor:
        return x if self.standard is None else self.standard(x)

    def _moved(self, params: Tensor, step: int) -> Tensor:
        """What the trunk returns for one step, to the parameters."""
        if self.offset is None:
            return params
        offset, crop = self.offset, self.trunk.raster.crop
        return torch.addcmul(crop(offset.offset, step), crop(offset.unit.expand_as(offset.offset), step), params)


class AutoregressiveImage(ImageDistribution):
    """p(x|z) for given z: a density is one pass of the network over x, a draw one after another.

    Args:
        decoder: to which it belongs.
        z: [..., D].
    """

    is_drawn_in_turn = True

    def __init__(self, decoder: AutoregressiveDecoder, z: Tensor) -> None:
        self.decoder, self.z = decoder, z
        self._asked: tuple[Tensor, bool, Distribution] | None = None  # What a training step needs twice.
        super().__init__(z.new_zeros(()).expand(*z.shape[:-1], *decoder.trunk.raster.shape))

    @property
    def mean(self) -> Tensor:
        """E[x|z] has no closed form: it is a mean over draws.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("the mean of an autoregressive p(x|z) has no closed form; average draws of it")

    def given(self, value: Tensor) -> Distribution:
        """The product of p(x_i | x_<i, z), whose density at that x is p(x|z)."""
        with_gradient = torch.is_grad_enabled()
        if self._asked is None or self._asked[0] is not value or self._asked[1] < with_gradient:
            self._asked = value, with_gradient, self.decoder.given(value, self.z)
        return self._asked[2]

    def log_prob(self, value: Tensor) -> Tensor:
        """sum_i ln p(x_i | x_<i, z), [...]."""
        return self.given(value).log_prob(value)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape [*sample_shape, ..., C, H, W], by torch's global stream."""
        z = self.z.expand(*sample_shape, *self.z.shape)
        parts = z.reshape(math.prod(z.shape[:-1]), z.shape[-1]).split(ROWS)
        return torch.cat([self.decoder.draw(part) for part in parts]).reshape(*z.shape[:-1], *self.event_shape)
