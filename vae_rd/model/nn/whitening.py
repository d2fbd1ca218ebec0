"""Fixed linear maps that let a network work in whitened pixels while its distributions stay those of x itself.

Gradient descent on x with principal variances of 100 and 0.01 sees a problem of condition number 10^4, and crawls. In
whitened coordinates every direction has variance one. The maps are invertible and are not trained, so they change how
fast an optimum is reached and not which optima there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

FLOOR = 1e-6  # Of the largest variance; a direction of less is treated as one of this much.


class MomentMap(nn.Module, ABC):
    """A fixed map of images made of a sample's moments; the identity before `set_moments` gives it any."""

    mean: Tensor
    matrix: Tensor

    def __init__(self, values: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("matrix", torch.eye(values))

    @abstractmethod
    def set_moments(self, mean: Tensor, scale: Tensor, axes: Tensor) -> None:
        """Take over the mean [n], standard deviations [n] and principal axes (columns of [n, n]) of x."""


class Whiten(MomentMap):
    """(x - mean) -> Lambda^(-1/2) Q^T (x - mean)."""

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] to images of the same shape, whose values are uncorrelated with variance 1."""
        return ((x.flatten(1) - self.mean) @ self.matrix.T).view_as(x)

    def set_moments(self, mean: Tensor, scale: Tensor, axes: Tensor) -> None:
        """Take over the moments of x."""
        self.mean.copy_(mean)
        self.matrix.copy_((axes / scale).T)


class Colour(MomentMap):
    """y -> mean + Q Lambda^(1/2) y, the inverse of `Whiten`."""

    def forward(self, y: Tensor) -> Tensor:
        """Whitened images [B, C, H, W] to images."""
        return (y.flatten(1) @ self.matrix.T + self.mean).view_as(y)

    def set_moments(self, mean: Tensor, scale: Tensor, axes: Tensor) -> None:
        """Take over the moments of x."""
        self.mean.copy_(mean)
        self.matrix.copy_(axes * scale)


def set_moments(model: nn.Module, x: Tensor) -> None:
    """Give every map of a model the moments of a sample.

    Args:
        model: any module.
        x: images, [N, C, H, W], on any device.

    Example:
        >>> x = torch.randn(500, 1, 1, 3).cumsum(-1)
        >>> whiten, colour = Whiten(3), Colour(3)
        >>> set_moments(nn.Sequential(whiten, colour), x)
        >>> torch.allclose(torch.cov(whiten(x).flatten(1).T), torch.eye(3), atol=1e-4)
        True
        >>> torch.allclose(colour(whiten(x)), x, atol=1e-5)
        True
    """
    flat = x.flatten(1).double()
    mean = flat.mean(0)
    variances, axes = torch.linalg.eigh((flat - mean).T @ (flat - mean) / (len(flat) - 1))
    scale = variances.clamp_min(FLOOR * variances[-1].item()).sqrt()
    for module in model.modules():
        if isinstance(module, MomentMap):
            module.set_moments(mean, scale, axes)
