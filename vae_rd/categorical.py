"""A latent variable of K states: one-hot z, its learned marginal, and the head of q(z|x).

What a normal z leaves to draws is a sum over K states here, so D, R and I need no noise and no gradient through z.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from vae_rd.distributions import Reparameterised, at_least_single
from vae_rd.lazy import LazyDistribution


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


class CategoricalLatent(Reparameterised):
    """q(z|x) over one-hot z of K states.

    `kl_per_dim` holds the states' terms of the one KL there is, q_k ln(q_k / m_k): one by one they may be negative.

    Args:
        logits: [B, K].

    Example:
        >>> q = CategoricalLatent(torch.tensor([[50.0, 0.0]]))
        >>> q.from_noise(torch.zeros(1, 1, 2))
        tensor([[[1., 0.]]])
        >>> q.kl_per_dim(CategoricalMarginal(torch.zeros(2))).sum().item()  # ln 2
        0.6931471824645996
    """

    def __init__(self, logits: Tensor) -> None:
        self.log_q = logits.log_softmax(-1)
        super().__init__(logits.shape[:-1], logits.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Probabilities of the states, [B, K]."""
        return self.log_q.exp()

    @property
    def variance(self) -> Tensor:
        """q_k (1 - q_k), [B, K]."""
        return self.mean * (1 - self.mean)

    def from_noise(self, eps: Tensor) -> Tensor:
        """The state of largest ln q_k - ln(-ln u_k), where u is the normal distribution function of eps.

        Source: Gumbel 1954; the largest of ln q_k plus independent Gumbel noise has index k with probability q_k.
        """
        noise = -torch.log(-torch.special.log_ndtr(eps))
        return F.one_hot((self.log_q + noise).argmax(-1), eps.shape[-1]).to(eps)

    def log_prob(self, value: Tensor) -> Tensor:
        """ln q of the state that is 1, [...] for z [..., K]."""
        return (value * self.log_q).sum(-1)

    def kl_per_dim(self, m: Distribution) -> Tensor | None:
        """q_k ln(q_k / m_k), [B, K]; None against any other kind of m."""
        return self.mean * (self.log_q - m.log_p) if isinstance(m, CategoricalMarginal) else None


class CategoricalPosterior(LazyDistribution):
    """q(z|x) over `latent_dim` states, with logits linear in the trunk's features h, [B, F]."""

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, latent_dim)

    def forward(self, context: Tensor) -> CategoricalLatent:
        """Features [B, F] to a CategoricalLatent of batch shape [B]."""
        return CategoricalLatent(at_least_single(self.head(context)))


class CategoricalPrior(LazyDistribution):
    """m(z) over `latent_dim` states, learned; uniform at first."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, context: Tensor | None = None) -> CategoricalMarginal:
        """The prior, batch shape []."""
        return CategoricalMarginal(self.logits)
