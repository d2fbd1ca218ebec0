"""The true model of x = W z + noise, in units of z of one's own choice, as an opened run with data of its own."""

import math
from pathlib import Path

import torch
from torch import nn

from vae_rd import VAE, Decoder, DiagonalNormal, FitConfig, GaussianLikelihood, LazyDistribution, StandardNormalPrior
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.estimates.base import Fitted

SCALE = 0.1  # Of the noise.
WEIGHT = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])


class Exact(LazyDistribution):
    """p(z|x) of x = W z + noise, W's columns orthogonal; in units `width` times as wide, moved, and off by `shift`."""

    def __init__(self, width: float, moved: float, shift: float) -> None:
        super().__init__()
        self.width, self.moved, self.shift = width, moved, shift

    def forward(self, context: torch.Tensor) -> DiagonalNormal:
        precision = 1 + WEIGHT.square().sum(0) / SCALE**2
        z = context.flatten(1) @ WEIGHT / SCALE**2 / precision
        mean = self.width * (z + self.shift / precision.sqrt()) + self.moved
        return DiagonalNormal(mean, (2 * math.log(self.width) - precision.log()).expand_as(z))


def linear_run(width: float = 1.0, moved: float = 0.0, *, shift: float = 0.0) -> Fitted:
    """Of 1,500 examples a split.

    Args:
        width: of the codes, whose prior stays N(0, I).
        moved: by how much they are.
        shift: by how many standard deviations of p(z|x) the encoder's mean is wrong.
    """
    noise = torch.Generator().manual_seed(0)
    parts = ("train", "val", "test")
    z = {split: torch.randn(1500, 2, generator=noise) for split in parts}
    x = {split: each @ WEIGHT.T + SCALE * torch.randn(1500, 4, generator=noise) for split, each in z.items()}
    linear = nn.Linear(2, 4)
    linear.weight.data, linear.bias.data = WEIGHT / width, -WEIGHT @ torch.full((2,), moved / width)
    decoder = Decoder(nn.Sequential(linear, nn.Unflatten(-1, (1, 2, 2))), GaussianLikelihood(SCALE))
    model = VAE(Exact(width, moved, shift), decoder, StandardNormalPrior(2), latent_dim=2).eval()
    data = DataSet(Source("mine", {split: each.view(-1, 1, 2, 2) for split, each in x.items()}, levels=None))
    return Fitted(Path("none"), FitConfig(), model, data, 1.0)
