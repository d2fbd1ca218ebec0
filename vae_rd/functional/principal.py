"""Principal axes, the best linear map to a few numbers and back."""

from __future__ import annotations

import torch
from torch import Tensor


def principal_axes(x: Tensor, dims: int) -> Tensor:
    """The directions of the largest variance, orthonormal columns, [P, min(dims, P, N)].

    Args:
        x: examples, [N, P].
        dims: how many are wanted.

    Example:
        >>> principal_axes(torch.tensor([[0.0, 0.0], [3.0, 0.1], [-3.0, -0.1]]), 1).abs().round(decimals=1).tolist()
        [[1.0], [0.0]]
    """
    if len(x) < x.shape[1]:  # Then P x P numbers would be more work than the examples are.
        return torch.linalg.svd(x - x.mean(0), full_matrices=False).Vh.T[:, :dims]
    return torch.linalg.eigh(torch.cov(x.T)).eigenvectors.flip(1)[:, :dims]
