"""z as a function of x: the encoder of a plain autoencoder."""

from __future__ import annotations

from torch import Tensor, nn

from vae_rd.functional.precision import at_least_single
from vae_rd.model.posteriors.base import Draw, Moments, Posterior, PosteriorHead


class Point(Posterior):
    """All of q(z|x) at z = mu(x). It has no density, so that neither ln q(z|x) nor R is defined.

    Args:
        mu: [B, D].

    Example:
        >>> import torch
        >>> q = Point(torch.ones(1, 2))
        >>> q.from_noise(torch.randn(3, 1, 2)).z.shape, q.variance
        (torch.Size([3, 1, 2]), tensor([[0., 0.]]))
    """

    has_density = False

    def __init__(self, mu: Tensor) -> None:
        self.mu = mu
        super().__init__(mu)

    def from_noise(self, eps: Tensor) -> Draw:
        """mu, whatever the noise."""
        return Draw(self.mu.expand(eps.shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Undefined.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("a z that is a function of x has no density")

    def moments(self) -> Moments:
        """mu and 0."""
        return Moments(self.mu, 0 * self.mu)


class PointPosterior(PosteriorHead):
    """z linear in the trunk's features h, [B, F]."""

    has_density = False

    def __init__(self, features: int, latent_dim: int) -> None:
        super().__init__()
        self.head = nn.Linear(features, latent_dim)

    def forward(self, context: Tensor) -> Point:
        """Features [B, F] to a Point of batch shape [B]."""
        return Point(at_least_single(self.head(context)))
