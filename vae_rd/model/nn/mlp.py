"""Linear and fully connected trunks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from vae_rd.model.nn.trunk import Activation, EncoderTrunk, Shape


def mlp_encoder(shape: Shape, hidden: Sequence[int], activation: Activation = nn.SiLU) -> EncoderTrunk:
    """Flatten, then fully connected layers of widths `hidden`; no layer at all for an empty `hidden`."""
    widths = [math.prod(shape), *hidden]
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), activation())]
    return EncoderTrunk(nn.Flatten(), *layers, features=widths[-1])


def mlp_decoder(
    shape: Shape, hidden: Sequence[int], latent_dim: int, activation: Activation = nn.SiLU
) -> nn.Sequential:
    """The mirror of `mlp_encoder`: widths reversed, then a linear layer to an image of `shape`."""
    widths = [latent_dim, *reversed(hidden)]
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), activation())]
    return nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(shape)), nn.Unflatten(1, shape))


def linear_encoder(shape: Shape, hidden: Sequence[int], activation: Activation = nn.SiLU) -> EncoderTrunk:
    """The identity on flattened pixels, so that a posterior head on it is linear; nothing else plays a part."""
    return mlp_encoder(shape, (), activation)


def linear_decoder(
    shape: Shape, hidden: Sequence[int], latent_dim: int, activation: Activation = nn.SiLU
) -> nn.Sequential:
    """One linear layer from z to an image of `shape`; widths and activation play no part."""
    return mlp_decoder(shape, (), latent_dim, activation)
