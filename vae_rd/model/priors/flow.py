"""m(z) as a standard normal seen through an invertible network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vae_rd.model.nn.flows import Flow
from vae_rd.model.priors.base import Prior, PriorHead
from vae_rd.units import LN_2PI


class FlowMarginal(Prior):
    """ln m(z) = ln N(f(z); 0, I) + ln |det df/dz|.

    Args:
        flow: f, quick from z to noise; drawing z takes a pass for each unit.
        like: any tensor [D], for its size, device and precision.
    """

    def __init__(self, flow: Flow, like: Tensor) -> None:
        self.flow, self.like = flow, like
        super().__init__(event_shape=like.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """By the change of variables, [...] for z [..., D]."""
        noise, log_det = self.flow(value)
        log_mz: Tensor = log_det - 0.5 * (noise.square() + LN_2PI).sum(-1)
        return log_mz

    @torch.no_grad()
    def sample(  # type: ignore[override]
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator
    ) -> Tensor:
        """The inverse of f at standard normal noise, [*sample_shape, D]."""
        shape = (*sample_shape, *self.event_shape)
        noise = torch.randn(shape, generator=generator, dtype=self.like.dtype, device=generator.device)
        z: Tensor = self.flow(noise.to(self.like), inverse=True)[0]
        return z


class FlowPrior(PriorHead):
    """A learned flow, N(0, I) at first.

    Args:
        latent_dim: of z.
        transforms: as of `vae_rd.model.nn.flows.Flow`.
        bins: likewise.
        word: likewise.

    Example:
        >>> m = FlowPrior(2, transforms=2, bins=8, word="an example")()
        >>> round(m.log_prob(torch.zeros(2)).item(), 6)
        -1.837877
    """

    origin: Tensor

    def __init__(self, latent_dim: int, *, transforms: int, bins: int | None = None, word: str) -> None:
        super().__init__()
        self.flow = Flow(latent_dim, transforms=transforms, bins=bins, word=word)
        self.register_buffer("origin", torch.zeros(latent_dim), persistent=False)

    def forward(self, context: Tensor | None = None) -> FlowMarginal:
        """The prior, batch shape []."""
        return FlowMarginal(self.flow, self.origin)
