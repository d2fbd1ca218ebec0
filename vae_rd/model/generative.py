"""What every model here has: a prior over z, and a decoder from z to a distribution of x."""

from __future__ import annotations

import copy
from abc import ABC
from typing import ClassVar, NamedTuple, Self, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vae_rd.functional.seeding import own_stream
from vae_rd.model.lazy import LazyDistribution

PART = 1_000  # Of z decoded at a time: all that a decoder makes of them is held together.


class Generated(NamedTuple):
    """Draws of the model: z from m(z), [n, D], and x from p(x|z), [n, C, H, W]."""

    z: Tensor
    x: Tensor


class GenerativeModel(nn.Module, ABC):
    """p(x|z) and m(z), each a module whose call returns a Distribution; a leaf makes them its attributes.

    Attributes:
        decoder: z [S, B, D] -> p(x|z) of event shape [C, H, W].
        prior: () -> m(z), a `Prior` of event shape [D].
        latent_dim: D.
        has_encoder: whether there is a q(z|x), without which distortion, rate and ELBO are undefined.
        betas: the least and the greatest that it can be `at`; None for a model that takes no beta.
    """

    decoder: LazyDistribution
    prior: LazyDistribution
    latent_dim: int
    has_encoder: ClassVar[bool] = False
    betas: tuple[float, float] | None = None

    def begin(self) -> None:
        """Take note that the data may have moved the decoder, before training begins."""

    def at(self, beta: float) -> GenerativeModel:
        """The model at one beta: itself, where it takes none."""
        return self

    def with_prior(self, prior: LazyDistribution) -> Self:
        """The same model, of the same other parts, under another m(z)."""
        other = copy.copy(self)
        other._modules = {**self._modules, "prior": prior.train(self.training)}
        return other

    @torch.no_grad()
    def generate(self, n: int, *, generator: torch.Generator, context: Tensor | None = None) -> Generated:
        """n independent draws of z from the prior, and of x given z.

        Args:
            n: how many.
            generator: of all draws.
            context: what a conditional model is given; this one takes none.
        """
        z = cast(Tensor, self.prior().sample((n,), generator=generator))
        x = [drawn(self.decoder(part), z.device, generator) for part in z.split(PART)]
        return Generated(z, torch.cat(x))

    @torch.no_grad()
    def has_means(self) -> bool:
        """Whether E[x|z] has a closed form, in one pass of the decoder: of one that reads x it has none."""
        z = next(self.parameters()).new_zeros(1, 1, self.latent_dim)
        try:
            return cast(Distribution, self.decoder(z)).mean is not None
        except NotImplementedError:
            return False


def drawn(p: Distribution, device: torch.device, generator: torch.Generator) -> Tensor:
    """One x ~ p(x|z) for each z, by a stream that the generator seeds.

    torch's samplers know only its global stream, which is put back after.

    Args:
        p: of tensors on the device.
        device: whose stream the samplers take.
        generator: of the seed.
    """
    with own_stream(device, int(torch.randint(2**62, (), generator=generator, device=generator.device))):
        return p.sample()
