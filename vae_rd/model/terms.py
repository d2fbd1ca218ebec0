"""The per-example terms of every objective and estimate; only the caller averages.

Shape legend of the project: S draws of z, B examples in a batch, D latent dimensions, E ensemble members,
[C, H, W] one image.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.distributions import Distribution

from vae_rd.errors import InputError
from vae_rd.model.closed_forms import rate_per_dim
from vae_rd.model.posteriors.base import Draw, Moments, Posterior


class Group:
    """One group of latents: its draws, and what they were drawn from and are coded with.

    Attributes:
        z: [S, B, D].
        posterior: q(z|x), batch shape [B].
        prior: m(z), batch shape [].
    """

    def __init__(self, draw: Draw, posterior: Posterior, prior: Distribution) -> None:
        self.z, self._log_qz = draw
        self.posterior, self.prior = posterior, prior

    @cached_property
    def log_mz(self) -> Tensor:
        """ln m(z), [S, B]."""
        return self.prior.log_prob(self.z)

    @cached_property
    def log_qz(self) -> Tensor:
        """ln q(z|x), [S, B]."""
        return self.posterior.log_prob(self.z) if self._log_qz is None else self._log_qz

    @cached_property
    def rate_per_dim(self) -> Tensor | None:
        """KL(q || m) by units, [B, D]; None where it has no closed form."""
        return rate_per_dim(self.posterior, self.prior)

    @cached_property
    def rate(self) -> Tensor | None:
        """KL(q || m), [S, B], where it is analytic, else its unbiased draw ln q - ln m; None where q has no density."""
        if not self.posterior.has_density:
            return None
        if self.rate_per_dim is None:
            return self.log_qz - self.log_mz
        return self.rate_per_dim.sum(-1).expand(self.z.shape[:-1])


class Terms(ABC):
    """Per-example log densities in nats of one joint draw of (x, z); none is computed before it is asked for."""

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
    ) -> StatedTerms:
        """Terms of anyone's tensors.

        Args:
            log_px_z: ln p(x|z), [S, B].
            rate: KL(q(z|x) || m(z)), [S, B] or [B]; None takes the sum of rate_per_dim, or leaves it undefined.
            rate_per_dim: [B, D].
            mean: E_q[z|x], [B, D].
            variance: Var_q[z|x], [B, D].

        Example:
            >>> terms = Terms.stated(log_px_z=torch.full((1, 2), -3.0), rate_per_dim=torch.ones(2, 4))
            >>> terms.distortion, terms.rate
            (tensor([[3., 3.]]), tensor([[4., 4.]]))
        """
        if rate is None and rate_per_dim is not None:
            rate = rate_per_dim.sum(-1)
        moments = None if mean is None else Moments(mean, torch.zeros_like(mean) if variance is None else variance)
        rate = None if rate is None else rate.expand(log_px_z.shape)
        return StatedTerms(log_px_z, rate, rate_per_dim, moments)


class StatedTerms(Terms):
    """Terms that were computed elsewhere; see `Terms.stated`."""

    log_px_z: Tensor = None  # type: ignore[assignment]
    rate: Tensor | None = None
    rate_per_dim: Tensor | None = None
    moments: Moments | None = None

    def __init__(
        self, log_px_z: Tensor, rate: Tensor | None, rate_per_dim: Tensor | None, moments: Moments | None
    ) -> None:
        self.log_px_z, self.rate, self.rate_per_dim, self.moments = log_px_z, rate, rate_per_dim, moments

    @property
    def distortion(self) -> Tensor:
        """-ln p(x|z), [S, B]."""
        return -self.log_px_z

    def after_step(self) -> None:
        """Nothing: what was stated has no scales."""


class DrawnTerms(Terms):
    """The terms of one draw of a model: sums over its groups of latents, of which most models have one.

    Attributes:
        x: what p(.|z) is of, the observed batch, [B, C, H, W], or its labels.
        groups: of latents.
        likelihood: p(x|z), batch shape [S, B].
        expectation: gives E_q ln p(x|z), [B], or None where it has no closed form.
        observe: what a running scale of the likelihood does after a training step.
    """

    def __init__(
        self,
        *,
        x: Tensor,
        groups: Sequence[Group],
        likelihood: Distribution,
        expectation: Callable[[], Tensor | None] = lambda: None,
        observe: Callable[[Distribution, Tensor], None] = lambda p, x: None,
    ) -> None:
        self.x, self.groups, self.likelihood = x, tuple(groups), likelihood
        self.expectation, self.observe = expectation, observe

    @cached_property
    def log_px_z(self) -> Tensor:
        """ln p(x|z), [S, B]."""
        return self.likelihood.log_prob(self.x)

    @cached_property
    def expected_log_px(self) -> Tensor | None:
        """E_q ln p(x|z), [B]; None where it has no closed form."""
        return self.expectation()

    @property
    def z(self) -> Tensor:
        """The draws of all groups side by side, [S, B, D]."""
        return _joined([group.z for group in self.groups])

    @property
    def log_mz(self) -> Tensor:
        """ln m(z), [S, B]."""
        return _added([group.log_mz for group in self.groups])

    @property
    def log_qz(self) -> Tensor:
        """ln q(z|x), [S, B]."""
        return _added([group.log_qz for group in self.groups])

    @property
    def rate_per_dim(self) -> Tensor | None:
        """KL(q(z|x) || m(z)) by units, [B, D]; None where a group's has no closed form."""
        parts = [group.rate_per_dim for group in self.groups]
        known = [part for part in parts if part is not None]
        return _joined(known) if len(known) == len(parts) else None

    @property
    def rate(self) -> Tensor | None:
        """The sum of the groups' rates, [S, B]; None where one of them is undefined."""
        parts = [group.rate for group in self.groups]
        known = [part for part in parts if part is not None]
        return _added(known) if len(known) == len(parts) else None

    @cached_property
    def distortion(self) -> Tensor:
        """-E_q ln p(x|z) where it is analytic, else its unbiased draw -ln p(x|z); [S, B].

        Raises:
            InputError: for draws in training that have no gradient, which would leave the encoder as it is.
        """
        if self.expected_log_px is not None:
            return -self.expected_log_px.expand(self.log_px_shape)
        if torch.is_grad_enabled() and not all(group.posterior.has_rsample for group in self.groups):
            names = ", ".join(type(group.posterior).__name__ for group in self.groups)
            raise InputError(
                f"{names}: its draws have no gradient, and E_q ln p(x|z) has no closed form with this decoder; "
                "choose another posterior or likelihood"
            )
        return -self.log_px_z

    @property
    def log_px_shape(self) -> torch.Size:
        """[S, B]."""
        return self.groups[0].z.shape[:-1]

    @property
    def moments(self) -> Moments | None:
        """Mean and variance of each latent unit, [B, D] each; None where a group does not know them."""
        parts = [group.posterior.moments() for group in self.groups]
        known = [part for part in parts if part is not None]
        return Moments(*map(_joined, zip(*known, strict=True))) if len(known) == len(parts) else None

    def after_step(self) -> None:
        """Let running scales take note of a training step that these terms were of."""
        self.observe(self.likelihood, self.x)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(tuple(parts), -1)


def _added(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(tuple(parts)).sum(0)
