"""Gradients through z alone, not through the parameters of ln q(z|x) in the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_rd.model.stated import StatedTerms, Terms
from vae_rd.model.terms import DrawnTerms
from vae_rd.objectives.base import Objective
from vae_rd.objectives.gradients.base import Gradient
from vae_rd.objectives.iwae import log_weights


class Sticking(Gradient):
    """That of D + w R by draws, -ln p(x|z) and ln q(z|x) - ln m(z), less w grad ln q(z|x) at fixed z.

    What is left out has mean zero. What is left has no variance at all where q(z|x) is the true posterior and w is 1.

    Source: Roeder, Wu and Duvenaud 2017, "Sticking the Landing: Simple, Lower-Variance Gradient Estimators for
    Variational Inference", arXiv 1703.09194.
    """

    def objective_problem(self, objective: Objective) -> str | None:
        """It must be known that what is left out has mean zero."""
        if objective.weighs_draws:
            return "is biased for a bound of several draws; choose dreg"
        return None if objective.weighs_rate else "leaves out what has mean zero in D + w R alone; leave it out"

    def surrogate(
        self, objective: Objective, terms: DrawnTerms, loss: Tensor, step: int, *, noise: torch.Generator
    ) -> Tensor:
        """The loss of such draws."""
        loss_of_draws: Tensor = objective(_landed(terms), step, noise=noise)
        return loss_of_draws


class DoublyReparameterised(Gradient):
    """Of -L_K, for the encoder -sum_k v_k^2 (d ln w_k / d z_k) grad z_k with v_k = w_k / sum_j w_j.

    The gradient of ln q(z_k|x) at fixed z, which the plain one weighs by v_k, is itself reparameterised: the ratio of
    the gradient to its standard deviation then grows as sqrt(K), where the plain one's falls as 1 / sqrt(K). Decoder
    and prior have the plain gradient, with v_k. For K = 1, v is 1, and this is Sticking for the ELBO.

    Source: Tucker et al. 2018, "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives",
    arXiv 1810.04152; the ratios are those of Rainforth et al. 2018, "Tighter Variational Bounds are Not Necessarily
    Better", arXiv 1802.04537.
    """

    def objective_problem(self, objective: Objective) -> str | None:
        """It is that of one loss."""
        return None if objective.weighs_draws else "is for a bound of several draws; add --objective iwae"

    def surrogate(
        self, objective: Objective, terms: DrawnTerms, loss: Tensor, step: int, *, noise: torch.Generator
    ) -> Tensor:
        """The loss, in whose gradient what goes through z_k is weighed by v_k once more."""
        landed = _landed(terms)
        shares = log_weights(landed).detach().softmax(0)[..., None]
        for group in terms.groups:
            group.z.register_hook(lambda gradient: shares * gradient)
        loss_of_draws: Tensor = objective(landed, step, noise=noise)
        return loss_of_draws


def _landed(terms: DrawnTerms) -> StatedTerms:
    """The terms by draws, with q(z|x) a function of z alone."""
    log_qz = torch.stack([group.posterior.detached().log_prob(group.z) for group in terms.groups]).sum(0)
    log_ratio = log_qz - terms.log_mz
    return Terms.stated(log_px_z=terms.log_px_z, rate=log_ratio, log_ratio=log_ratio, z=terms.z)
