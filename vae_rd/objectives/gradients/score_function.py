"""The gradient of a loss that is not differentiated through z."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_rd.model.stated import StatedTerms, Terms
from vae_rd.model.terms import DrawnTerms
from vae_rd.model.vae import VAE
from vae_rd.objectives.base import Objective
from vae_rd.objectives.gradients.base import Gradient


class ScoreFunction(Gradient):
    """sum_k (L - L_without_k) grad ln q(z_k|x), and the gradient of L at fixed z.

    z_k has no part in L_without_k, the loss of the other draws, which therefore adds nothing in expectation and takes
    off the variance what all draws share. For a mean over draws, L - L_without_k is a draw's loss less the mean of the
    others' over K; for L_K of IWAE it is what the draw adds to the bound. D is taken by draws even where E_q ln p(x|z)
    is known; R stays analytic where it is, and draws of it bring their own noise.

    Sources: Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement learning";
    the draws of one example as each other's baseline, Mnih and Rezende 2016, "Variational Inference for Monte Carlo
    Objectives", arXiv 1602.06725.
    """

    is_pathwise = False
    least_samples = 2

    def terms(
        self, model: VAE, x: Tensor, eps: Tensor, *, context: Tensor | None = None, target: Tensor | None = None
    ) -> DrawnTerms:
        """With z a constant."""
        return model.terms(x, eps, context=context, target=target, is_pathwise=False)

    def objective_problem(self, objective: Objective) -> str | None:
        """A loss of one example must not depend on z of another."""
        if objective.couples_examples:
            return "takes losses of single examples, and this one couples those of a batch; leave it out"
        if objective.betas is not None:
            return "takes losses of one beta, and this one has one for each example; leave it out"
        return None

    def surrogate(
        self, objective: Objective, terms: DrawnTerms, loss: Tensor, step: int, *, noise: torch.Generator
    ) -> Tensor:
        """The loss of draws, and ln q of each times what it adds to the loss."""
        whole = objective(_by_draws(terms), step, noise=noise)
        with torch.no_grad():
            others = [objective(_by_draws(terms, but=k), step, noise=noise) for k in range(len(terms.z))]
        return whole + ((whole.detach() - torch.stack(others)) * terms.log_qz).sum(0)


def _by_draws(terms: DrawnTerms, *, but: int | None = None) -> StatedTerms:
    """The terms of all draws, or of all but one, with D of each by itself."""

    def kept(values: Tensor) -> Tensor:
        return values if but is None else torch.cat([values[:but], values[but + 1 :]])

    rate, log_ratio = terms.rate, terms.log_ratio
    assert rate is not None, "a q(z|x) that has a density"
    assert log_ratio is not None, "likewise"
    return Terms.stated(
        log_px_z=kept(terms.log_px_z),
        rate=kept(rate),
        rate_per_dim=terms.rate_per_dim,
        log_ratio=kept(log_ratio),
        z=kept(terms.z),
    )
