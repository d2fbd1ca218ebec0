"""m(z) as a mixture of members of one family, learned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.priors.base import Prior, PriorHead

SPREAD = 0.3  # Of the means of new components: far enough apart to part ways, near enough to be N(0, I) together.


class Mixture(Prior):
    """sum_k w_k q_k(z), of K members of a family.

    Args:
        components: the q_k, batch shape [K].
        log_weights: ln w_k, [K]; what they add up to is divided out.

    Example:
        >>> two = DiagonalNormal(torch.tensor([[-50.0], [50.0]]), torch.zeros(2, 1))
        >>> round(Mixture(two, torch.zeros(2)).log_prob(torch.tensor([50.0])).item(), 4)  # -ln 2 - 0.5 ln 2 pi
        -1.6121
    """

    def __init__(self, components: Posterior, log_weights: Tensor) -> None:
        self.components, self.log_weights = components, log_weights.log_softmax(-1)
        super().__init__(event_shape=components.event_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """ln sum_k w_k q_k(z), [...] for z [..., D]; in double precision, since it is made of all pairs of z and k."""
        each = self.components.to(value.device, torch.float64).pairwise_log_prob(
            value.double().reshape(-1, value.shape[-1])
        )
        return (each + self.log_weights).logsumexp(-1).to(value.dtype).view(value.shape[:-1])

    @torch.no_grad()
    def sample(  # type: ignore[override]
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator
    ) -> Tensor:
        """A component by its weight, then a draw of it, [*sample_shape, D]."""
        like, count = self.components.tensors[0], torch.Size(sample_shape).numel()
        weights = self.log_weights.exp().to(generator.device)
        which = torch.multinomial(weights, count, replacement=True, generator=generator)
        shape = (1, count, self.components.noise_dim)
        eps = torch.randn(shape, generator=generator, dtype=like.dtype, device=generator.device)
        z = self.components.part(which.to(like.device)).from_noise(eps.to(like.device)).z
        return z.view(*sample_shape, -1)


class MixturePrior(PriorHead):
    """A learned mixture of normals, each with a variance of its own for every unit.

    It begins near N(0, I): means drawn around 0, with what they spread taken off the variances, and equal weights.

    Args:
        latent_dim: of z.
        components: K.

    Example:
        >>> m = MixturePrior(2, components=1000)()
        >>> z = m.sample((5,), generator=torch.Generator())
        >>> normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
        >>> (m.log_prob(z) - normal).abs().max().item() < 0.2
        True
    """

    def __init__(self, latent_dim: int, *, components: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.mean = nn.Parameter(SPREAD * torch.randn(components, latent_dim))
        self.log_var = nn.Parameter(torch.full((components, latent_dim), math.log1p(-(SPREAD**2))))

    def forward(self, context: Tensor | None = None) -> Mixture:
        """The prior, batch shape []."""
        return Mixture(DiagonalNormal(self.mean, self.log_var), self.logits)
