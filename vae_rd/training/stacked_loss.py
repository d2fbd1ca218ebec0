"""The loss of several members of one network as one function of stacked tensors, and its gradients.

What differs between members beside their tensors are numbers of their objectives, which are stacked too. The function
is built by vmap; where it can be, it is traced once into a list of tensor operations, since what vmap, distributions
and autograd do in Python would cost a small model more than its arithmetic.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.fx import GraphModule
from torch.utils import _pytree as pytree

from vae_rd.model.vae import VAE
from vae_rd.objectives.base import Objective
from vae_rd.objectives.beta import BetaObjective
from vae_rd.objectives.gradients.base import Gradient
from vae_rd.training.examples import ExampleTerms, example_terms
from vae_rd.training.traces import carried_out, traced

Tensors = dict[str, Tensor]
Numbers = dict[tuple[str, str], Any]


class Inputs(NamedTuple):
    """What a step is a function of: tensors of members, [E, ...], or that all share, where its axis is None.

    Attributes:
        parameters, buffers: by name, [E, ...] each.
        x, eps, target: of the batches; target is None where the decoder scores x.
        numbers: of objectives, [E] each, by part and name.
        axes: of x, eps, target.
    """

    parameters: Tensors
    buffers: Tensors
    x: Tensor
    eps: Tensor
    target: Tensor | None
    numbers: Numbers
    axes: tuple[int | None, int | None, int | None]


class Found(NamedTuple):
    """Of a step: the mean of each member, [E], its gradients by name, None where it has none, and its batch's terms."""

    means: Tensor
    gradients: dict[str, Tensor | None]
    examples: ExampleTerms


class Loss(nn.Module):
    """What a training step differentiates, as a function of tensors."""

    def __init__(self, model: VAE, objective: Objective, gradient: Gradient) -> None:
        super().__init__()
        self.model, self.objective, self.gradient = model, objective, gradient

    def forward(
        self,
        x: Tensor,
        eps: Tensor,
        target: Tensor | None,
        step: Any,
        numbers: Numbers,
        context: Tensor | None = None,
    ) -> tuple[Tensor, ExampleTerms]:
        """What to differentiate the mean of, [B], and what the batch adds to the means."""
        objective = with_numbers(self.objective, numbers)
        scored = {} if target is None else {"target": target}
        nowhere: Any = None  # A loss that draws again is not stacked: it finds no stream.
        terms, loss, surrogate = self.gradient.step(
            self.model, objective, x, eps, step, noise=nowhere, context=context, **scored
        )
        return surrogate, example_terms(terms, loss, latent_dim=self.model.latent_dim)


def stacked(loss: Loss, given: Inputs, step: Any) -> Found:
    """The step of every member, by the first one's modules."""

    def one(own: Tensors, buffers: Tensors, x: Tensor, eps: Tensor, target: Tensor | None, numbers: Numbers) -> Any:
        surrogate, examples = functional_call(loss, (own, buffers), (x, eps, target, step, numbers))
        return surrogate.mean(), examples

    with torch.enable_grad():
        leaves = {name: parameter.detach().requires_grad_() for name, parameter in given.parameters.items()}
        axes = (0, 0, *given.axes, 0 if given.numbers else None)
        means, examples = vmap(one, in_dims=axes)(
            leaves, given.buffers, given.x, given.eps, given.target, given.numbers
        )
        gradients = torch.autograd.grad(means.sum(), list(leaves.values()), allow_unused=True)
    return Found(means.detach(), dict(zip(leaves, gradients, strict=True)), examples)


@dataclass
class Traces:
    """Traced steps by what they were traced from; None where that failed, and the step is built anew each time."""

    known: dict[Hashable, GraphModule | None] = field(default_factory=dict)

    def step(self, loss: Loss, given: Inputs, step: int) -> Found:
        """As `stacked`, by a trace from the second step of a kind on.

        A trace is one of steps that do not read their number, which all have the same operations.
        """
        leaves, spec = pytree.tree_flatten(given)
        key = _key(loss, leaves, spec)
        if key not in self.known:
            found = stacked(loss, given, step)
            self.known[key] = _traced(loss, leaves, spec, found)
            return found
        graph = self.known[key]
        if graph is None:
            return stacked(loss, given, step)
        means, gradients, examples = carried_out(graph, leaves)
        return Found(means, dict(zip(given.parameters, gradients, strict=True)), ExampleTerms(*examples))


def _key(loss: Loss, leaves: Sequence[Any], spec: Any) -> Hashable:
    """What decides the operations of a step: shapes, and what of the objective is not stacked."""
    shapes = tuple((leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else leaf for leaf in leaves)
    own = tuple((part, *sorted(floats(module).items())) for part, module in loss.objective.named_modules())
    return shapes, str(spec), own, words_of(loss.objective), torch.is_autocast_enabled("cpu")


def _traced(loss: Loss, leaves: Sequence[Any], spec: Any, found: Found) -> GraphModule | None:
    """The operations of a step, if they give what was found."""

    def run(*flat: Any) -> Any:
        made = stacked(loss, pytree.tree_unflatten(list(flat), spec), object())  # No step, to whoever would read it.
        return made.means, list(made.gradients.values()), list(made.examples)

    return traced(run, leaves, [found.means, *found.gradients.values(), *found.examples])


def floats(part: nn.Module) -> dict[str, float]:
    """The numbers among a module's attributes."""
    return {name: value for name, value in vars(part).items() if isinstance(value, float)}


def words_of(objective: Objective) -> Hashable:
    """What of an objective must be the same in a stack: its classes, and all attributes that are not numbers.

    Those of the path of beta may differ: its weights are stacked.
    """
    return tuple((part, type(module), *_words(module)) for part, module in objective.named_modules())


def _words(module: nn.Module) -> Iterator[tuple[str, Any]]:
    of_path = ("schedule", "warmup") if isinstance(module, BetaObjective) else ()
    for name, value in vars(module).items():
        if isinstance(value, int | str | None) and not name.startswith("_") and name not in (*of_path, "training"):
            yield name, value


def numbers_of(objectives: Sequence[Objective], step: int, *, like: Tensor) -> Numbers:
    """What of a step's loss differs between members as numbers, [E] each, by part of the objective and its name."""
    found: Numbers = {}
    parts = [dict(objective.named_modules()) for objective in objectives]
    for part, first in parts[0].items():
        of_all = [own[part] for own in parts]
        for name in floats(first):
            values = [floats(other)[name] for other in of_all]
            if len(set(values)) > 1:
                found[part, name] = like.new_tensor(values)
        if isinstance(first, BetaObjective):
            weights = [other.weights(step) for other in of_all if isinstance(other, BetaObjective)]
            found[part, "held"] = tuple(like.new_tensor(column) for column in zip(*weights, strict=True))
    return found


def with_numbers(objective: Objective, numbers: Mapping[tuple[str, str], Any]) -> Objective:
    """The objective with these numbers in the place of its own; its modules and buffers are as they were."""
    made: dict[str, nn.Module] = {}
    for part, module in objective.named_modules():
        made[part] = copy.copy(module)
        made[part]._modules = dict(module._modules)
        for (of, name), value in numbers.items():
            if of == part:
                vars(made[part])[name] = value
        if part:
            above, _, own = part.rpartition(".")
            made[above]._modules[own] = made[part]
    whole = made[""]
    assert isinstance(whole, Objective), "a copy of one"
    return whole
