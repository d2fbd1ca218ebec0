"""m(z) over finitely many states, learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_rd.model.priors.base import Prior, PriorHead


class CategoricalMarginal(Prior):
    """m(z) over one-hot z of K states.

    Args:
        logits: [K].

    Example:
        >>> CategoricalMarginal(torch.zeros(4)).log_prob(torch.eye(4)[0])
        tensor(-1.3863)
    """

    is_continuous = False

    def __init__(self, logits: Tensor) -> None:
        self.log_p = logits.log_softmax(-1)
        super().__init__(event_shape=logits.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """ln m of the state that is 1, [...] for z [..., K]."""
        return (value * self.log_p).sum(-1)

    def sample(  # type: ignore[override]
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator
    ) -> Tensor:
        """One-hot draws, [*sample_shape, K]."""
        p, count = self.log_p.exp().to(generator.device), torch.Size(sample_shape).numel()
        index = torch.multinomial(p, count, replacement=True, generator=generator)
        return F.one_hot(index, len(p)).to(self.log_p).view(*sample_shape, -1)


class CategoricalPrior(PriorHead):
    """m(z) over `latent_dim` states, learned; uniform at first."""

    is_continuous = False

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, context: Tensor | None = None) -> CategoricalMarginal:
        """The prior, batch shape []."""
        return CategoricalMarginal(self.logits)
