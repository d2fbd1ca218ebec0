"""q(z|x) as a diagonal normal seen through an invertible network that depends on x: inverse autoregressive flow."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor, nn

from vae_rd.functional.bounding import bounded
from vae_rd.functional.precision import at_least_single
from vae_rd.model.nn.flows import Flow
from vae_rd.model.posteriors.base import Draw, Posterior, PosteriorHead
from vae_rd.units import LN_2PI

CONTEXT = 64  # Numbers by which a flow knows x: all pairs of z and x are scored with them, so they are few.


class FlowedNormal(Posterior):
    """z = f(y, h), y ~ N(mu, diag(exp(log_var))), and ln q(z|x) = ln N(y) - ln |det df/dy|.

    f is quick from y to z, so that a draw comes with its ln q. That of any other z takes the inverse, D passes through
    the network, so that few pairs of z and x can be had.

    Args:
        flow: f.
        mu: means of y, [B, D].
        log_var: logarithms of its variances, [B, D].
        context: h, [B, CONTEXT].
    """

    most_compared = (100, 1000)  # Ten seconds of a core with 16 units.

    def __init__(self, flow: Flow, mu: Tensor, log_var: Tensor, context: Tensor) -> None:
        self.flow, self.mu, self.log_var, self.context = flow, mu, log_var, context
        super().__init__(mu, log_var, context)

    def from_noise(self, eps: Tensor) -> Draw:
        """f(mu + sigma eps, h) and ln q there."""
        z, log_det = self.flow(torch.addcmul(self.mu, (0.5 * self.log_var).exp(), eps), self.context)
        return Draw(z, self._density(eps) - log_det)

    def log_prob(self, value: Tensor) -> Tensor:
        """ln q(z|x), [...] for z [..., D], by the inverse of f."""
        y, log_det = self.flow(value, self.context, inverse=True)
        return self._density((y - self.mu) * (-0.5 * self.log_var).exp()) - log_det

    def _density(self, eps: Tensor) -> Tensor:
        return -0.5 * (eps.square() + self.log_var + LN_2PI).sum(-1)

    def remade(self, *tensors: Tensor) -> Self:
        """Of other tensors, under the same flow."""
        return type(self)(self.flow, *tensors)

    def to(self, where: torch.device | str, dtype: torch.dtype) -> Self:
        """The same on another device; of the precision, the flow keeps its own."""
        made = super().to(where, dtype)
        if next(self.flow.parameters()).device != made.mu.device:
            made.flow = copy.deepcopy(self.flow).to(where)
        return made

    def detached(self) -> Self:
        """Cut off from its graph, and from what training goes on to do to the flow."""
        made = super().detached()
        made.flow = copy.deepcopy(self.flow).requires_grad_(False)
        return made


class FlowedPosterior(PosteriorHead):
    """A diagonal normal at first, with mu, log_var and h linear in the trunk's features, [B, F].

    Args:
        features: F.
        latent_dim: D.
        transforms: of the flow.
        bound: of |log_var|, within which it is held, and which its gradient leads back to; None for none.
        word: what asks for it, where zuko is missing.

    Source: Kingma et al. 2016, "Improving Variational Inference with Inverse Autoregressive Flow", arXiv 1606.04934.

    Example:
        >>> q = FlowedPosterior(8, 2, transforms=2, word="an example")(torch.randn(5, 8))
        >>> draw = q.from_noise(torch.randn(3, 5, 2))
        >>> torch.allclose(draw.log_prob, q.log_prob(draw.z), atol=1e-4)
        True
    """

    most_compared = FlowedNormal.most_compared

    def __init__(
        self, features: int, latent_dim: int, *, transforms: int, bound: float | None = None, word: str
    ) -> None:
        super().__init__()
        self.sizes, self.bound = (latent_dim, latent_dim, CONTEXT), bound
        self.head = nn.Linear(features, sum(self.sizes))
        self.flow = Flow(latent_dim, transforms=transforms, context=CONTEXT, word=word)

    def forward(self, context: Tensor) -> FlowedNormal:
        """Features [B, F] to a FlowedNormal of batch shape [B]."""
        mu, log_var, h = at_least_single(self.head(context)).split(self.sizes, dim=-1)
        return FlowedNormal(self.flow, mu, log_var if self.bound is None else bounded(log_var, self.bound), h)
