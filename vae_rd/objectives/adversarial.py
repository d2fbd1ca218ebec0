"""What a generator and a discriminator minimise, by example, given the discriminator's log odds that x is data."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-ln s(l) of examples and -ln(1 - s(l)) of samples, [B]; least at l = ln p(x) - ln q(x).

    Source: Goodfellow et al., "Generative adversarial networks", 2014.

    Args:
        real: log odds of examples, [B].
        fake: log odds of samples, [B].

    Example:
        >>> discriminator_loss(torch.zeros(1), torch.zeros(1))
        tensor([1.3863])
    """
    return F.softplus(-real) + F.softplus(fake)


def generator_loss(fake: Tensor) -> Tensor:
    """-ln s(l) of samples, [B]: non-saturating, so that its gradient does not vanish where all samples are told apart.

    Example:
        >>> generator_loss(torch.zeros(1))
        tensor([0.6931])
    """
    return F.softplus(-fake)


def gradient_penalty(real: Tensor, x: Tensor) -> Tensor:
    """R1: |grad_x l(x)|^2 of each example, [B], itself with a graph.

    Source: Mescheder et al., "Which training methods for GANs do actually converge?", 2018.

    Args:
        real: log odds of examples, [B], each of its own x alone.
        x: the examples, [B, C, H, W], which require a gradient.

    Example:
        >>> x = torch.ones(2, 1, 1, 3, requires_grad=True)
        >>> gradient_penalty((2 * x).sum((1, 2, 3)), x).detach()
        tensor([12., 12.])
    """
    (slopes,) = torch.autograd.grad(real.sum(), x, create_graph=True)
    return slopes.square().flatten(1).sum(1)
