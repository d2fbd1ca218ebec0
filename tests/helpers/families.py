"""Data that several tests share."""

import torch

from vae_rd.data.base import DataCard, Source
from vae_rd.data.dataset import DataSet
from vae_rd.data.sprites import sprites
from vae_rd.functional.information import TwoSided
from vae_rd.model.posteriors.diagonal import DiagonalNormal

from helpers.reference import EIGENVALUES


def gaussian_data(n: int, *, population: bool = False) -> DataSet:
    """Points whose sample covariance is exactly diag(EIGENVALUES), as 1 x 1 x 6 images; a sample or all there is."""
    x = torch.randn(n, 6)
    x = x - x.mean(0)
    chol = torch.linalg.cholesky(x.T @ x / n)
    x = torch.linalg.solve_triangular(chol, x.T, upper=False).T * torch.tensor(EIGENVALUES).sqrt()
    images = dict.fromkeys(("train", "val", "test"), x.reshape(n, 1, 1, 6))
    return DataSet(Source("npz", images, levels=None, population=population))


def sprites_card() -> DataCard:
    """The card of the embedded source."""
    return DataSet(sprites()).card


def normal_information(
    z: torch.Tensor, mu: torch.Tensor, sigma: torch.Tensor, *, index: torch.Tensor | None = None
) -> TwoSided:
    """The two-sided information of diagonal normals, [N, D] each, from draws [S, N, D] of all, or of those at index."""
    return DiagonalNormal(mu.double(), 2 * sigma.double().log()).information(z.double(), index=index)
