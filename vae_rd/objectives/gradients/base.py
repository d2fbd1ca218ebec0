"""How the gradient of a loss with draws of z in it is estimated, and the way that needs nothing more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.model.terms import DrawnTerms
from vae_rd.model.vae import VAE
from vae_rd.objectives.base import Objective


class Step(NamedTuple):
    """A training step before it is taken: its terms, the loss that is reported and what is differentiated, [B] each."""

    terms: DrawnTerms
    loss: Tensor
    surrogate: Tensor


class Gradient(ABC):
    """An estimator of the gradient of E_q loss: what is differentiated in place of the loss, which is still reported.

    Attributes:
        is_pathwise: whether it differentiates through z.
        takes_density: whether it takes ln q(z|x).
        least_samples: the fewest draws of z per example that it works with.
    """

    is_pathwise: bool = True
    takes_density: bool = True
    least_samples: int = 1

    def terms(
        self, model: VAE, x: Tensor, eps: Tensor, *, context: Tensor | None = None, target: Tensor | None = None
    ) -> DrawnTerms:
        """The terms of a training step.

        Args:
            model: of which.
            x: images, [B, C, H, W].
            eps, context, target: as of `VAE.terms`.
        """
        return model.terms(x, eps, context=context, target=target)

    def step(
        self,
        model: VAE,
        objective: Objective,
        x: Tensor,
        eps: Tensor,
        step: int,
        *,
        noise: torch.Generator,
        context: Tensor | None = None,
        target: Tensor | None = None,
    ) -> Step:
        """What an optimiser step on a batch is made of; arguments as of `terms` and `surrogate`."""
        terms = self.terms(model, x, eps, context=context, target=target)
        loss = objective(terms, step, noise=noise)
        return Step(terms, loss, self.surrogate(objective, terms, loss, step, noise=noise))

    @abstractmethod
    def objective_problem(self, objective: Objective) -> str | None:
        """Why it does not estimate the gradient of this loss, and what to do; None where it does."""

    @abstractmethod
    def surrogate(
        self, objective: Objective, terms: DrawnTerms, loss: Tensor, step: int, *, noise: torch.Generator
    ) -> Tensor:
        """What to differentiate, [B]: its mean's gradient is the estimate, its value means nothing.

        Args:
            objective: of the loss.
            terms: from `terms`.
            loss: what the objective makes of them, [B].
            step: of the optimiser.
            noise: as of `Objective.forward`.
        """


class Reparameterised(Gradient):
    """That of the loss itself, through z as a differentiable map of the noise.

    Source: Kingma and Welling 2013, "Auto-Encoding Variational Bayes", arXiv 1312.6114.
    """

    takes_density = False

    def objective_problem(self, objective: Objective) -> None:
        """Of every loss."""
        return

    def surrogate(
        self, objective: Objective, terms: DrawnTerms, loss: Tensor, step: int, *, noise: torch.Generator
    ) -> Tensor:
        """The loss."""
        return loss
