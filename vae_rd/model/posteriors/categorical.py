"""q(z|x) over finitely many states: one-hot z.

What a normal z leaves to draws is a sum over K states here, so D, R and I need no noise and no gradient through z.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution

from vae_rd.model.lazy import LazyDistribution, at_least_single
from vae_rd.model.posteriors.base import Reparameterised
from vae_rd.model.priors.categorical import CategoricalMarginal


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
