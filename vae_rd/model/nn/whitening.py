"""Fixed linear maps that let a network work in standard or whitened pixels while its distributions stay those of x.

Gradient descent on x with principal variances of 100 and 0.01 sees a problem of condition number 10^4, and crawls. In
whitened coordinates every direction has variance one; in standard ones the mean is 0 and the mean variance one, which
costs next to nothing and serves networks of several layers as well. The maps are invertible and are not trained, so
they change how fast an optimum is reached and not which optima there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import torch
from torch import Tensor, nn

FLOOR = 1e-6  # Of the largest variance; a direction of less is treated as one of this much.


class Sample:
    """Examples and their moments, in float64, each computed when it is asked for.

    Args:
        x: images, [N, C, H, W], on any device.
        has_unit: whether 1 is a unit that x has of its own, as where it is 0 or 1; its scale is then 1.
    """

    def __init__(self, x: Tensor, *, has_unit: bool = False) -> None:
        self.x, self.has_unit = x, has_unit

    @cached_property
    def mean(self) -> Tensor:
        """Of each value, [C, H, W]."""
        return self.x.mean(0, dtype=torch.float64)

    @cached_property
    def variance(self) -> Tensor:
        """Of each value, [C, H, W]."""
        return self.x.double().var(0, correction=0)

    @cached_property
    def scale(self) -> Tensor:
        """The square root of the mean variance of a value, []; 1 where nothing varies.

        Example:
            >>> Sample(torch.tensor([0.0, 4.0]).reshape(2, 1, 1, 1)).scale
            tensor(2., dtype=torch.float64)
        """
        if self.has_unit:
            return torch.ones((), dtype=torch.float64, device=self.x.device)
        variance = self.variance.mean()
        return torch.where(variance > 0, variance, 1.0).sqrt()

    @property
    def is_finite(self) -> bool:
        """Whether these moments are numbers: of broken data they are not."""
        return bool(self.mean.isfinite().all() and self.scale.isfinite())

    @cached_property
    def principal(self) -> tuple[Tensor, Tensor]:
        """Standard deviations along the principal axes, ascending, [n], and those axes, columns of [n, n].

        Deviations of 1 where nothing varies.
        """
        flat = (self.x.double() - self.mean).flatten(1)
        variances, axes = torch.linalg.eigh(flat.T @ flat / (len(flat) - 1))
        largest = variances[-1].item()
        return (variances.clamp_min(FLOOR * largest).sqrt() if largest > 0 else torch.ones_like(variances)), axes


class MomentMap(nn.Module, ABC):
    """A fixed map of images made of a sample's moments; the identity before `set_moments` gives it any."""

    @abstractmethod
    def set_moments(self, sample: Sample) -> None:
        """Take over the moments of x."""


class Standard(MomentMap):
    """(x - mean) / scale, with a mean for every value and one scale for all."""

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] to images of the same shape, of mean 0 and of mean variance 1."""
        return (x - self.mean).div_(self.scale)

    def set_moments(self, sample: Sample) -> None:
        """Take over the moments of x."""
        self.mean.copy_(sample.mean)
        self.scale.copy_(sample.scale)


class PrincipalMap(MomentMap, ABC):
    """A map along the principal axes of x.

    Args:
        values: of x.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, values: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("matrix", torch.eye(values))


class Whiten(PrincipalMap):
    """(x - mean) -> Lambda^(-1/2) Q^T (x - mean)."""

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] to images of the same shape, whose values are uncorrelated with variance 1."""
        return ((x.flatten(1) - self.mean) @ self.matrix.T).view_as(x)

    def set_moments(self, sample: Sample) -> None:
        """Take over the moments of x."""
        scale, axes = sample.principal
        self.mean.copy_(sample.mean.flatten())
        self.matrix.copy_((axes / scale).T)


class Colour(PrincipalMap):
    """y -> mean + Q Lambda^(1/2) y, the inverse of `Whiten`."""

    def forward(self, y: Tensor) -> Tensor:
        """Whitened images [B, C, H, W] to images."""
        return (y.flatten(1) @ self.matrix.T + self.mean).view_as(y)

    def set_moments(self, sample: Sample) -> None:
        """Take over the moments of x."""
        scale, axes = sample.principal
        self.mean.copy_(sample.mean.flatten())
        self.matrix.copy_(axes * scale)


class Offset(nn.Module):
    """offset + unit y: parameters of p(x|z) as departures from those of the best p(x) that ignores z.

    Args:
        shape: of the parameters, (k C, H, W).
    """

    offset: Tensor
    unit: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("offset", torch.zeros(shape))
        self.register_buffer("unit", torch.ones(shape[0], *[1] * (len(shape) - 1)))

    def forward(self, y: Tensor) -> Tensor:
        """What a trunk returns, [B, k C, H, W], to the parameters, of the same shape."""
        return torch.addcmul(self.offset, self.unit, y)

    def set_start(self, offset: Tensor, unit: Tensor) -> None:
        """Take over the parameters at y = 0, [k C, H, W], and by how much one unit of y moves them, [k C, 1, 1]."""
        self.offset.copy_(offset)
        self.unit.copy_(unit)


def set_moments(model: nn.Module, sample: Sample) -> None:
    """Give every map of a model the moments of a sample.

    Args:
        model: any module.
        sample: of what the maps are to be of.

    Example:
        >>> x = torch.randn(500, 1, 1, 3).cumsum(-1)
        >>> whiten, colour = Whiten(3), Colour(3)
        >>> set_moments(nn.Sequential(whiten, colour), Sample(x))
        >>> torch.allclose(torch.cov(whiten(x).flatten(1).T), torch.eye(3), atol=1e-4)
        True
        >>> torch.allclose(colour(whiten(x)), x, atol=1e-5)
        True
    """
    for module in model.modules():
        if isinstance(module, MomentMap):
            module.set_moments(sample)
