"""What every objective and estimate asks of a draw of (x, z), and such terms of anyone's tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from vae_rd.model.posteriors.base import Moments
from vae_rd.model.priors.base import Prior


class Terms(ABC):
    """Per-example log densities in nats of one joint draw of (x, z); none is computed before it is asked for.

    Attributes:
        context: what the model was given beside x; None where it takes nothing.
    """

    context: Tensor | None = None

    @property
    @abstractmethod
    def log_px_z(self) -> Tensor:
        """ln p(x|z), [S, B]."""

    @property
    @abstractmethod
    def distortion(self) -> Tensor:
        """-E_q ln p(x|z) where it is analytic, else its unbiased draw -ln p(x|z); [S, B]."""

    @property
    @abstractmethod
    def rate(self) -> Tensor | None:
        """KL(q(z|x) || m(z)) where it is analytic, else its unbiased draw ln q(z|x) - ln m(z); [S, B].

        None where it is undefined, as for a deterministic encoder.
        """

    @property
    @abstractmethod
    def log_ratio(self) -> Tensor | None:
        """ln q(z|x) - ln m(z) of each draw, whatever is analytic, [S, B]; None where q has no density.

        ln p(x|z) less this is ln w of a draw, whose mean of w estimates p(x).
        """

    @property
    @abstractmethod
    def z(self) -> Tensor | None:
        """The draws, [S, B, D]; None where they were not stated."""

    @property
    @abstractmethod
    def factors(self) -> Moments | None:
        """Mean and variance of each unit where q(z|x) is the product of a normal for each, [B, D]; else None."""

    @abstractmethod
    def prior_draws(self, n: int, *, noise: torch.Generator) -> Tensor:
        """n draws from m(z), [n, D], without a gradient."""

    @property
    @abstractmethod
    def rate_per_dim(self) -> Tensor | None:
        """The rate of each latent unit, [B, D]; None where it has no closed form."""

    @property
    @abstractmethod
    def moments(self) -> Moments | None:
        """Mean and variance of each latent unit, [B, D] each; None where they are not known."""

    @abstractmethod
    def after_step(self) -> None:
        """Let running scales take note of a training step that these terms were of."""

    @staticmethod
    def stated(
        *,
        log_px_z: Tensor,
        rate: Tensor | None = None,
        rate_per_dim: Tensor | None = None,
        mean: Tensor | None = None,
        variance: Tensor | None = None,
        log_ratio: Tensor | None = None,
        z: Tensor | None = None,
        prior: Prior | None = None,
    ) -> StatedTerms:
        """Terms of anyone's tensors, of a q(z|x) that is a product of normals.

        Args:
            log_px_z: ln p(x|z), [S, B].
            rate: KL(q(z|x) || m(z)), [S, B] or [B]; None takes the sum of rate_per_dim, or leaves it undefined.
            rate_per_dim: [B, D].
            mean: E_q[z|x], [B, D].
            variance: Var_q[z|x], [B, D]; None leaves it undefined, nan, where there is a mean.
            log_ratio: ln q(z|x) - ln m(z) of the draws, [S, B], nan where nobody knows it; None takes the rate for it.
            z: the draws, [S, B, D].
            prior: m(z) over flat z; None for N(0, I).

        Example:
            >>> terms = Terms.stated(log_px_z=torch.full((1, 2), -3.0), rate_per_dim=torch.ones(2, 4))
            >>> terms.distortion, terms.rate
            (tensor([[3., 3.]]), tensor([[4., 4.]]))
        """
        if rate is None and rate_per_dim is not None:
            rate = rate_per_dim.sum(-1)
        if mean is not None and variance is None:
            variance = torch.full_like(mean, torch.nan)
        moments = None if mean is None or variance is None else Moments(mean, variance)
        rate = None if rate is None else rate.expand(log_px_z.shape)
        return StatedTerms(log_px_z, rate, rate_per_dim, moments, rate if log_ratio is None else log_ratio, z, prior)


class StatedTerms(Terms):
    """Terms that were computed elsewhere; see `Terms.stated`."""

    log_px_z: Tensor = None  # type: ignore[assignment]
    rate: Tensor | None = None
    rate_per_dim: Tensor | None = None
    moments: Moments | None = None
    log_ratio: Tensor | None = None
    z: Tensor | None = None
    prior: Prior | None = None

    def __init__(
        self,
        log_px_z: Tensor,
        rate: Tensor | None,
        rate_per_dim: Tensor | None,
        moments: Moments | None,
        log_ratio: Tensor | None,
        z: Tensor | None,
        prior: Prior | None,
    ) -> None:
        self.log_px_z, self.rate, self.rate_per_dim, self.moments = log_px_z, rate, rate_per_dim, moments
        self.log_ratio, self.z, self.prior = log_ratio, z, prior

    @property
    def distortion(self) -> Tensor:
        """-ln p(x|z), [S, B]."""
        return -self.log_px_z

    @property
    def factors(self) -> Moments | None:
        """The stated moments."""
        return self.moments

    def prior_draws(self, n: int, *, noise: torch.Generator) -> Tensor:
        """Of the prior, by default a standard normal."""
        if self.prior is not None:
            return self.prior.sample((n,), generator=noise)
        like = self.z if self.moments is None else self.moments.mean
        assert like is not None, "draws or moments, by which the number of units is known"
        return torch.randn(n, like.shape[-1], generator=noise, dtype=like.dtype)

    def after_step(self) -> None:
        """Nothing: what was stated has no scales."""
