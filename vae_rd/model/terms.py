"""The per-example terms of every objective and estimate; only the caller averages.

Shape legend of the project: S draws of z, B examples in a batch, D latent dimensions, E ensemble members,
[C, H, W] one image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Distribution

from vae_rd.errors import InputError
from vae_rd.model.closed_forms import rate, rate_per_dim
from vae_rd.model.posteriors.base import Draw, Moments, Posterior
from vae_rd.model.priors.base import Prior
from vae_rd.model.stated import StatedTerms as StatedTerms
from vae_rd.model.stated import Terms as Terms


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
        analytic = self.analytic_rate
        return self.log_qz - self.log_mz if analytic is None else analytic.expand(self.z.shape[:-1])

    @cached_property
    def analytic_rate(self) -> Tensor | None:
        """KL(q || m), [B], where it takes no draws."""
        parts = self.rate_per_dim
        return rate(self.posterior, self.prior) if parts is None else parts.sum(-1)


class DrawnTerms(Terms):
    """The terms of one draw of a model: sums over its groups of latents, of which most models have one.

    Attributes:
        x: what p(.|z) is of, the observed batch, [B, C, H, W], or its labels.
        groups: of latents.
        likelihood: p(x|z), batch shape [S, B].
        expectation: gives E_q ln p(x|z), [B], or None where it has no closed form.
        observe: what a running scale of the likelihood does after a training step.
        is_pathwise: whether z carries a gradient to what it was drawn from; else it is a constant.
        context: what the model was given beside x; None where it takes nothing.
    """

    def __init__(
        self,
        *,
        x: Tensor,
        groups: Sequence[Group],
        likelihood: Distribution,
        expectation: Callable[[], Tensor | None] = lambda: None,
        observe: Callable[[Distribution, Tensor], None] = lambda p, x: None,
        is_pathwise: bool = True,
        context: Tensor | None = None,
    ) -> None:
        self.x, self.groups, self.likelihood = x, tuple(groups), likelihood
        self.expectation, self.observe, self.is_pathwise = expectation, observe, is_pathwise
        self.context = context

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
        if torch.is_grad_enabled() and self.is_pathwise and not self._has_rsample:
            names = ", ".join(type(group.posterior).__name__ for group in self.groups)
            raise InputError(
                f"{names}: its draws have no gradient, and E_q ln p(x|z) has no closed form with this decoder; "
                "choose another posterior or likelihood"
            )
        return -self.log_px_z

    @property
    def is_rate_analytic(self) -> bool:
        """Whether the rate is the KL itself, and not a draw of it."""
        return all(group.posterior.has_density and group.analytic_rate is not None for group in self.groups)

    @property
    def posterior(self) -> Posterior | None:
        """q(z|x) of one group of latents; None where there are several."""
        return self.groups[0].posterior if len(self.groups) == 1 else None

    @property
    def _has_rsample(self) -> bool:
        return all(group.posterior.has_rsample for group in self.groups)

    @property
    def log_ratio(self) -> Tensor | None:
        """ln q(z|x) - ln m(z) of each draw, [S, B]; None where a group's q has no density."""
        return self.log_qz - self.log_mz if all(group.posterior.has_density for group in self.groups) else None

    @property
    def factors(self) -> Moments | None:
        """Mean and variance of each unit, [B, D] each; None where a group's q is no product of normals."""
        return _moments([group.posterior.factors() for group in self.groups])

    def prior_draws(self, n: int, *, noise: torch.Generator) -> Tensor:
        """n draws of all groups side by side, [n, D], without a gradient."""
        drawn = [cast(Prior, group.prior).sample((n,), generator=noise) for group in self.groups]
        return _joined(drawn).to(self.z)

    @property
    def log_px_shape(self) -> torch.Size:
        """[S, B]."""
        return self.groups[0].z.shape[:-1]

    @property
    def moments(self) -> Moments | None:
        """Mean and variance of each latent unit, [B, D] each; None where a group does not know them."""
        return _moments([group.posterior.moments() for group in self.groups])

    def after_step(self) -> None:
        """Let running scales take note of a training step that these terms were of."""
        self.observe(self.likelihood, self.x)


def _moments(parts: Sequence[Moments | None]) -> Moments | None:
    known = [part for part in parts if part is not None]
    return Moments(*map(_joined, zip(*known, strict=True))) if len(known) == len(parts) else None


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(tuple(parts), -1)


def _added(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(tuple(parts)).sum(0)
