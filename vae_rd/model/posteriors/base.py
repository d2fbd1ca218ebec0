"""What posteriors q(z|x) share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from vae_rd.functional.information import Parts, TwoSided, in_turn, two_sided_information
from vae_rd.model.lazy import LazyDistribution


class Draw(NamedTuple):
    """Draws z, [S, B, D], and ln q(z|x), [S, B], where drawing them gives it; None where it takes `log_prob`."""

    z: Tensor
    log_prob: Tensor | None = None


class Moments(NamedTuple):
    """E_q[z_d|x] and Var_q[z_d|x], [B, D] each."""

    mean: Tensor
    variance: Tensor


class PosteriorHead(LazyDistribution):
    """The part of an encoder that makes a posterior of the trunk's features h, [B, F].

    Attributes:
        is_continuous: whether z is real.
        has_density: that of the posteriors it makes.
        has_rsample: that of the posteriors it makes.
        most_compared: that of the posteriors it makes.
        noise_dim: that of the posteriors it makes; None where it is the number of units.
    """

    is_continuous: ClassVar[bool] = True
    has_density: ClassVar[bool] = True
    has_rsample: ClassVar[bool] = True
    most_compared: ClassVar[tuple[int, int] | None] = None
    noise_dim: int | None = None


class Posterior(Distribution):
    """q(z|x), batch shape [B] and event shape [D], as a map of standard normal noise given from outside.

    Noise comes from outside so that a training step is a function of (parameters, batch, noise): several processes can
    then share one step's noise, and a resumed run repeats it.

    Args:
        tensors: what the family is made of, each with B as its first dimension; the constructor of a family takes them
            one by one.

    Attributes:
        has_density: whether ln q(z|x) is defined; else R, I and all that takes them are not.
        has_rsample: whether z is a differentiable map of the noise; else only closed forms have a gradient.
        perturbations: numbers a unit of z that `perturbed` takes; 0 where the family has no `perturbed`.
        most_compared: of how many examples I is measured at most, and against how many, where ln q(z|x) of a pair is
            dear; else None.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    has_density: ClassVar[bool] = True
    has_rsample = True
    perturbations: int = 0
    most_compared: ClassVar[tuple[int, int] | None] = None

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors
        super().__init__(tensors[0].shape[:1], tensors[0].shape[1:], validate_args=False)

    @abstractmethod
    def from_noise(self, eps: Tensor) -> Draw:
        """Map eps ~ N(0, I), [S, B, noise_dim], to z ~ q."""

    @abstractmethod
    def log_prob(self, value: Tensor) -> Tensor:
        """ln q(z|x), [S, B] for z [S, B, D]."""

    @property
    def noise_dim(self) -> int:
        """Numbers of noise that one z takes."""
        return self.event_shape[0]

    def moments(self) -> Moments | None:
        """Mean and variance of each unit; None where they have no closed form."""
        return None

    @property
    def mean(self) -> Tensor:
        """E_q[z|x], [B, D], of a family that knows its moments."""
        return self._known_moments.mean

    @property
    def variance(self) -> Tensor:
        """Var_q[z_d|x], [B, D], of a family that knows its moments."""
        return self._known_moments.variance

    @property
    def _known_moments(self) -> Moments:
        if (moments := self.moments()) is None:
            raise NotImplementedError(f"{type(self).__name__} has no moments in closed form")
        return moments

    def factors(self) -> Moments | None:
        """Mean and variance where q is the product of a normal for each unit; else None."""
        return None

    def pairwise_log_prob(self, z: Tensor) -> Tensor:
        """ln q(z_i|x_j) of every z with every x, [M, N] for z [M, D] and N examples."""
        return self.log_prob(z[:, None])

    def information(self, z: Tensor, *, index: Tensor | None = None, parts: Parts = in_turn) -> TwoSided:
        """The two-sided mutual information of these N examples, [S, M] each, computed in z's precision.

        Args:
            z: draws of M of the examples, [S, M, D], float64 where densities lose digits in less.
            index: which of the N they are, [M]; None for all.
            parts: see `vae_rd.functional.information.two_sided_information`.
        """

        @cache
        def block(start: int, stop: int) -> Posterior:
            return self.part(slice(start, stop)).to(z.device, z.dtype)

        def pairs(some: slice) -> Callable[[Tensor], Tensor]:
            return block(some.start, some.stop).pairwise_log_prob

        return two_sided_information(z, pairs, self.batch_shape[0], index=index, parts=parts)

    def perturbed(self, change: Tensor) -> Self:
        """Another member of the family near this one, where the family has coordinates for that.

        Args:
            change: in units of the member's own scale, [perturbations, B, D].
        """
        raise NotImplementedError(f"{type(self).__name__} has no coordinates to be moved along")

    def remade(self, *tensors: Tensor) -> Self:
        """Another member of the family, of tensors each in the place of one of `tensors`."""
        return type(self)(*tensors)

    def to(self, where: torch.device | str, dtype: torch.dtype) -> Self:
        """The same on another device, in another precision."""
        return self.remade(*(tensor.to(where, dtype) for tensor in self.tensors))

    def on(self, where: torch.device | str) -> Self:
        """The same on another device, in its own precision."""
        return self.to(where, self.tensors[0].dtype)

    def part(self, some: slice | Tensor) -> Self:
        """Of some of the examples: a slice, or their positions, which may repeat."""
        return self.remade(*(tensor[some] for tensor in self.tensors))

    def detached(self) -> Self:
        """Cut off from its graph."""
        return self.remade(*(tensor.detach() for tensor in self.tensors))

    @classmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        """The posteriors of all examples of several batches."""
        return parts[0].remade(*(torch.cat(tensors) for tensors in zip(*(part.tensors for part in parts), strict=True)))
