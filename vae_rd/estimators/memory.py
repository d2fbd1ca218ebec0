"""How much memory ln p(x|z) takes, and ways to take no more: what a pair of a draw and an example holds decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vae_rd.estimators.hmc import LogDensity
from vae_rd.model.vae import VAE

IMAGE_TEMPORARIES = 4  # Image-sized tensors that a likelihood's log density may hold at once.
GRAPH = 3  # Times what the layers return: what is held for a gradient, and the gradient itself.
GRADIENT_BYTES = 512 * 2**20  # Of the graph behind the gradients in z.


class Cost(NamedTuple):
    """Bytes of what layers return: for a draw of z, and then for each pair of it with an example.

    Most decoders run once a draw, and pairs cost no more than the density; one that reads x runs once a pair.
    """

    draw: int
    pair: int


@torch.no_grad()
def cost(model: VAE, x: Tensor) -> Cost:
    """The cost of ln p(x|z) under a decoder, by one draw and one example of x [N, C, H, W]."""
    with _outputs(model.decoder) as of_draw:
        p = model.decoder(x.new_zeros(1, 1, model.latent_dim))
    with _outputs(model.decoder) as of_pair:
        p.log_prob(x[:1])
    return Cost(_bytes(of_draw), IMAGE_TEMPORARIES * x[0].nbytes + _bytes(of_pair))


def by_parts(term: LogDensity, *, chains: int) -> LogDensity:
    """A function of z [C, N, D] whose values and gradients are computed for so many of the C chains at a time.

    Example:
        >>> z = torch.ones(5, 1, 2, requires_grad=True)
        >>> values = by_parts(lambda z: z.square().sum(-1), chains=2)(z)
        >>> values.flatten().tolist(), torch.autograd.grad(values.sum(), z)[0][0].tolist()
        ([2.0, 2.0, 2.0, 2.0, 2.0], [[2.0, 2.0]])
    """

    def parts(z: Tensor) -> Tensor:
        if len(z) <= chains:
            return term(z)
        if torch.is_grad_enabled() and z.requires_grad:
            values: Tensor = _ByParts.apply(z, term, chains)
            return values
        return torch.cat([term(part) for part in z.split(chains)])

    return parts


def within(model: VAE, x: Tensor, term: LogDensity) -> LogDensity:
    """`term`, of the decoder at x [N, C, H, W], by parts whose graph takes GRADIENT_BYTES, or is of one chain."""
    each = GRAPH * sum(cost(model, x)) * len(x) if len(x) else 1
    return by_parts(term, chains=max(1, GRADIENT_BYTES // each))


class _ByParts(torch.autograd.Function):
    """Each part's gradient is taken with its value, so that no other part's graph is there."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, term: LogDensity, chains: int) -> Tensor:
        values, gradients = [], []
        for part in z.split(chains):
            with torch.enable_grad():
                leaf = part.detach().requires_grad_()
                value = term(leaf)
                gradients.append(torch.autograd.grad(value.sum(), leaf)[0])
            values.append(value.detach())
        ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(values)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return grads[0][..., None] * gradient, None, None


@contextmanager
def _outputs(network: nn.Module) -> Iterator[dict[int, Tensor]]:
    """What modules return within the block, by address, so that views count once; held, so that none is reused."""
    outputs: dict[int, Tensor] = {}

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        for each in output if isinstance(output, tuple) else (output,):
            if isinstance(each, Tensor):
                outputs[each.data_ptr()] = each

    handles = [module.register_forward_hook(keep) for module in network.modules()]
    yield outputs
    for handle in handles:
        handle.remove()


def _bytes(outputs: dict[int, Tensor]) -> int:
    return sum(output.nbytes for output in outputs.values())
