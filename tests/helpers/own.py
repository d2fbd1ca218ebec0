"""A network and data of one's own, as a user would write them."""

import math

import torch
from torch import nn

from vae_rd import VAE, BernoulliLikelihood, Decoder, DiagonalNormal, LazyDistribution, Likelihood, StandardNormalPrior
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.run.record import SPLITS


class OwnEncoder(LazyDistribution):
    """x [B, ...] -> q(z|x) over two dimensions."""

    def __init__(self, values: int, hidden: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(values, hidden), activation(), nn.Linear(hidden, 4))

    def forward(self, context: torch.Tensor) -> DiagonalNormal:
        return DiagonalNormal(*self.net(context).chunk(2, dim=-1))


def own_vae(
    *,
    shape: tuple[int, int, int] = (1, 4, 4),
    hidden: int = 8,
    activation: type[nn.Module] = nn.Tanh,
    likelihood: Likelihood | None = None,
) -> VAE:
    torch.manual_seed(0)
    values = math.prod(shape)
    decoder = nn.Sequential(nn.Linear(2, values), nn.Unflatten(1, shape))
    return VAE(
        OwnEncoder(values, hidden, activation),
        Decoder(decoder, likelihood or BernoulliLikelihood()),
        StandardNormalPrior(2),
        latent_dim=2,
    )


GENERATOR = torch.Generator().manual_seed(0)


def data_of(pixels: torch.Tensor, levels: int | None = 2) -> DataSet:
    return DataSet(Source("mine", dict.fromkeys(SPLITS, pixels), levels=levels))


def bits(*shape: int) -> torch.Tensor:
    return torch.randint(2, shape, generator=GENERATOR, dtype=torch.uint8)
