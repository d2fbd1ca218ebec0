"""What priors m(z) share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.nn.whitening import Sample


class Prior(Distribution):
    """m(z), batch shape [] and event shape [D].

    Attributes:
        is_continuous: whether z is real, so that ln m has a gradient in z.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    is_continuous: ClassVar[bool] = True

    @abstractmethod
    def log_prob(self, value: Tensor) -> Tensor:
        """ln m(z) with every constant, [...] for z [..., D]."""

    @abstractmethod
    def sample(  # type: ignore[override]
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator
    ) -> Tensor:
        """Draws from a stream of one's own, never from torch's global one, [*sample_shape, D]."""

    def log_prob_per_dim(self, value: Tensor) -> Tensor | None:
        """ln m(z_d) where m is a product over the units, [..., D]; else None."""
        return None


class PriorHead(LazyDistribution):
    """A module whose call without a context returns a prior.

    Attributes:
        is_continuous: that of the prior it returns.
        starts_from_data: whether it begins at what `start` is given.
    """

    is_continuous: ClassVar[bool] = True
    starts_from_data: ClassVar[bool] = False

    def start(self, sample: Sample, *, generator: torch.Generator) -> None:
        """Begin at training examples, which the parameters then hold: whoever loads them needs no data.

        Args:
            sample: of x.
            generator: of choices, on the CPU.
        """
