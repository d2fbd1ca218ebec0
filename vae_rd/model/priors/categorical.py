"""m(z) over finitely many states, learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from vae_rd.model.lazy import LazyDistribution


class CategoricalMarginal(Distribution):
    """m(z) over one-hot z of K states.

    Args:
        logits: [K].

    Example:
        >>> CategoricalMarginal(torch.zeros(4)).log_prob(torch.eye(4)[0])
        tensor(-1.3863)
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(self, logits: Tensor) -> None:
        self.log_p = logits.log_softmax(-1)
        super().__init__(event_shape=logits.shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """ln m of the state that is 1, [...] for z [..., K]."""
        return (value * self.log_p).sum(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """One-hot draws, [*sample_shape, K]."""
        index = torch.multinomial(self.log_p.exp(), torch.Size(sample_shape).numel(), replacement=True)
        return F.one_hot(index, len(self.log_p)).to(self.log_p).view(*sample_shape, -1)


class CategoricalPrior(LazyDistribution):
    """m(z) over `latent_dim` states, learned; uniform at first."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, context: Tensor | None = None) -> CategoricalMarginal:
        """The prior, batch shape []."""
        return CategoricalMarginal(self.logits)
