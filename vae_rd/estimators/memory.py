"""How much memory ln p(x|z) takes, and ways to take no more: what a pair of a draw and an example holds decides."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vae_rd.estimators.hmc import LogDensity
from vae_rd.model.generative import GenerativeModel

IMAGE_TEMPORARIES = 4  # Image-sized tensors that a likelihood's log density may hold at once.
GRAPH = 3  # Times what the layers return: what is held for a gradient, and the gradient itself.
GRADIENT_BYTES = 512 * 2**20  # Of the graph behind the gradients in z.


class Cost(NamedTuple):
    """Bytes of what layers return, or of what is held at once where that is more: for a draw of z, and for each pair.

    Most decoders run once a draw, and pairs with an example cost no more than the density; one that reads x runs once a
    pair. More is held than layers return where a likelihood has many parameters a value, of which it makes as many
    probabilities or terms.
    """

    draw: int
    pair: int


# Of each decoder, by kinds of x: a diagnosis asks at every epoch, and finding out takes as long as a step or two.
_known: weakref.WeakKeyDictionary[nn.Module, dict[Hashable, Cost]] = weakref.WeakKeyDictionary()


def cost(model: GenerativeModel, x: Tensor) -> Cost:
    """The cost of ln p(x|z) under a decoder, by one draw and one example of x [N, C, H, W], found once."""
    known, kind = _known.setdefault(model.decoder, {}), (x.shape[1:], x.dtype, x.device)
    if kind not in known:
        known[kind] = _found(model, x)
    return known[kind]


@torch.no_grad()
def _found(model: GenerativeModel, x: Tensor) -> Cost:
    z = x.new_zeros(2, 1, model.latent_dim)
    with _outputs(model.decoder) as of_draw:
        one = model.decoder(z[:1])
    with _outputs(model.decoder) as of_pair:
        one.log_prob(x[:1])
    two = model.decoder(z)
    # What does not grow with the rows, such as weights less those that are masked, is no part of a row's cost.
    draw = held(lambda: model.decoder(z)) - held(lambda: model.decoder(z[:1]))
    pair = held(lambda: two.log_prob(x[:1])) - held(lambda: one.log_prob(x[:1]))
    return Cost(max(_bytes(of_draw), draw), max(IMAGE_TEMPORARIES * x[0].nbytes + _bytes(of_pair), pair))


def held(work: Callable[[], object]) -> int:
    """The most bytes of tensors that are made and held at once while work is done.

    Example:
        >>> held(lambda: (torch.zeros(10) + 1).exp())  # Two of ten numbers of four bytes each, at any time.
        80
    """
    with _Held() as found:
        work()
    return found.most


class _Held(TorchDispatchMode):
    """Counts the storages that operations make, until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.most = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        known = {_address(each) for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)}
        for made in tree_leaves(out):
            if isinstance(made, Tensor) and _address(made) not in known:
                size = made.untyped_storage().nbytes()
                self.now += size
                weakref.finalize(made.untyped_storage(), self._freed, size)
        self.most = max(self.most, self.now)
        return out

    def _freed(self, size: int) -> None:
        self.now -= size


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


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


def within(model: GenerativeModel, x: Tensor, term: LogDensity) -> LogDensity:
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
