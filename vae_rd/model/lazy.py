"""The one kind of thing that encoders, decoders and priors are: a module whose call returns a Distribution."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.distributions import Distribution


def at_least_single(values: Tensor) -> Tensor:
    """`values` in single precision if they come in less: densities are sums over hundreds of terms."""
    return values.float() if values.dtype.itemsize < 4 else values


class LazyDistribution(nn.Module, ABC):
    """A distribution whose parameters are computed from a context when the module is called.

    `encoder(x) -> q(z|x)`, `decoder(z) -> p(x|z)`, `prior() -> m(z)`: whatever follows this pattern is a drop-in.
    """

    @abstractmethod
    def forward(self, context: Tensor) -> Distribution:
        """Return the distribution given `context`, batched over its leading dimensions."""
