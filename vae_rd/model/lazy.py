"""The one kind of thing that encoders, decoders and priors are: a module whose call returns a Distribution."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.distributions import Distribution


class LazyDistribution(nn.Module, ABC):
    """A distribution whose parameters are computed from a context when the module is called.

    `encoder(x) -> q(z|x)`, `decoder(z) -> p(x|z)`, `prior() -> m(z)`: whatever follows this pattern is a drop-in.
    """

    @abstractmethod
    def forward(self, context: Tensor) -> Distribution:
        """Return the distribution given `context`, batched over its leading dimensions."""
