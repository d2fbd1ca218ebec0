"""q(z|x) over finitely many states: one-hot z.

What a normal z leaves to draws is a sum over K states here, so D, R and I need no noise and no gradient through z.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_rd.functional.information import Parts, TwoSided, categorical_information, in_turn
from vae_rd.functional.precision import at_least_single
from vae_rd.model.posteriors.base import Draw, Moments, Posterior, PosteriorHead


class CategoricalLatent(Posterior):
    """q(z|x) over one-hot z of K states.

    Args:
        log_q: ln q of each state, [B, K].

    Example:
        >>> q = CategoricalLatent(torch.tensor([[50.0, 0.0]]).log_softmax(-1))
        >>> q.from_noise(torch.zeros(1, 1, 2)).z
        tensor([[[1., 0.]]])
    """

    has_rsample = False

    def __init__(self, log_q: Tensor) -> None:
        self.log_q = log_q
        super().__init__(log_q)

    def moments(self) -> Moments:
        """q_k and q_k (1 - q_k)."""
        q = self.log_q.exp()
        return Moments(q, q * (1 - q))

    def from_noise(self, eps: Tensor) -> Draw:
        """The state of largest ln q_k - ln(-ln u_k), where u is the normal distribution function of eps.

        Source: Gumbel 1954; the largest of ln q_k plus independent Gumbel noise has index k with probability q_k.
        """
        noise = -torch.log(-torch.special.log_ndtr(eps))
        return Draw(F.one_hot((self.log_q + noise).argmax(-1), eps.shape[-1]).to(eps))

    def log_prob(self, value: Tensor) -> Tensor:
        """ln q of the state that is 1, [...] for z [..., K]."""
        return (value * self.log_q).sum(-1)

    def information(self, z: Tensor, *, index: Tensor | None = None, parts: Parts = in_turn) -> TwoSided:
        """A sum over the states, the same for every draw."""
        return categorical_information(self.log_q.double().exp(), draws=len(z), index=index)


class CategoricalPosterior(PosteriorHead):
    """q(z|x) over `latent_dim` states, with logits linear in the trunk's features h, [B, F]."""

    is_continuous = False
    has_rsample = False

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, latent_dim)

    def forward(self, context: Tensor) -> CategoricalLatent:
        """Features [B, F] to a CategoricalLatent of batch shape [B]."""
        return CategoricalLatent(at_least_single(self.head(context)).log_softmax(-1))
