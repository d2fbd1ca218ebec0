"""Samples of a model beside examples, both as images and as points in a space of few coordinates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from vae_rd.data.base import EVAL_CHUNK, subset
from vae_rd.data.dataset import DataSet
from vae_rd.functional.seeding import generator
from vae_rd.model.generative import GenerativeModel, drawn
from vae_rd.model.likelihoods.base import ImageDistribution, Likelihood

COMPONENTS = 32  # Principal ones, of which a covariance is well known from a few hundred examples.
FITTED = 10_000  # Training examples behind them.


@torch.no_grad()
def sample_images(model: GenerativeModel, n: int, *, noise: torch.Generator) -> Tensor:
    """n independent samples as they are to be held against examples, [n, C, H, W] on the model's device.

    That is E[x|z], z ~ m(z), or a draw of p(x|z): of bits, and where a decoder has no such mean.

    Args:
        model: in eval mode.
        n: how many.
        noise: of all draws.
    """
    return torch.cat([_some(model, min(EVAL_CHUNK, n - first), noise) for first in range(0, n, EVAL_CHUNK)])


def _some(model: GenerativeModel, n: int, noise: torch.Generator) -> Tensor:
    device = next(model.decoder.parameters()).device
    z = model.prior().sample((n,), generator=noise).to(device)
    p, likelihood = model.decoder(z[None]), getattr(model.decoder, "likelihood", None)
    if isinstance(likelihood, Likelihood) and not (isinstance(p, ImageDistribution) and p.is_drawn_in_turn):
        try:
            return likelihood.beside_data(p, lambda: _uniform(p, noise))[0]
        except NotImplementedError:
            pass  # It has no mean.
    return drawn(p, device, noise)[0]


def _uniform(p: Distribution, noise: torch.Generator) -> Tensor:
    shape = p.batch_shape + p.event_shape
    return torch.rand(shape, generator=noise, device=noise.device)


class Components(NamedTuple):
    """A map to principal components of training examples: (x - mean) axes."""

    mean: np.ndarray
    axes: np.ndarray

    @classmethod
    def of(cls, data: DataSet) -> Components:
        """The first components of up to 10,000 training examples."""
        from sklearn.decomposition import PCA  # It takes a second, which not every command has to wait.

        x = as_points(data.examples("train", some_of(data, "train", FITTED)))
        found = PCA(min(COMPONENTS, x.shape[1], len(x) - 1), random_state=0).fit(x)
        return cls(found.mean_, found.components_.T)

    def points(self, x: Tensor) -> np.ndarray:
        """Images [N, C, H, W] to points, [N, components]."""
        return np.asarray((as_points(x) - self.mean) @ self.axes)

    @property
    def words(self) -> str:
        """What this space is."""
        return f"{self.axes.shape[1]} principal components of training x"


def as_points(x: Tensor) -> np.ndarray:
    """Images as rows of float64, [N, C H W]."""
    return x.flatten(1).double().cpu().numpy()


def some_of(data: DataSet, split: str, most: int) -> Tensor:
    """Ascending positions of up to `most` examples of a split, at random since a file may be in order."""
    there = len(data.pixels[split])
    return subset(there, min(there, most), "samples", split).sort().values


def sample_noise(model: GenerativeModel, seed: int, *use: int | str) -> torch.Generator:
    """The stream of one set of samples, on the model's device."""
    return generator(next(model.decoder.parameters()).device, seed, "samples", *use)
