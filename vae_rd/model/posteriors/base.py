"""What posteriors q(z|x) share."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint


class Reparameterised(Distribution):
    """A distribution over z that is a differentiable map of standard normal noise given from outside.

    Noise comes from outside so that a training step is a function of (parameters, batch, noise): several processes can
    then share one step's noise, and a resumed run repeats it.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    @abstractmethod
    def from_noise(self, eps: Tensor) -> Tensor:
        """Map eps ~ N(0, I), [S, B, D], to z ~ q, [S, B, D]."""

    @property
    @abstractmethod
    def mean(self) -> Tensor:
        """E[z], [B, D]."""

    @property
    @abstractmethod
    def variance(self) -> Tensor:
        """Var[z_d], [B, D]."""

    @abstractmethod
    def kl_per_dim(self, m: Distribution) -> Tensor | None:
        """KL(q || m) split over latent dimensions, [B, D]; None where it has no closed form."""
