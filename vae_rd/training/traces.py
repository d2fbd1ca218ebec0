"""A function of tensors traced once into a list of tensor operations, which then run without Python's modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import BuiltinFunctionType, MethodDescriptorType
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

ATEN = torch.ops.aten
CUTS = ATEN.detach.default, ATEN.alias.default
SHAPES = ATEN.view.default, ATEN.expand.default, ATEN._unsafe_view.default  # Which vmap takes to the shape it has.
TOLERANCE = 1e-2  # Of a loss or gradient from what it should be, a share of it: in bf16 rounding is that much.


def traced(run: Callable[..., Any], leaves: Sequence[Any], found: Sequence[Tensor | None]) -> GraphModule | None:
    """The operations of a function, if they give what it has given.

    Args:
        run: the function.
        leaves: what it takes.
        found: the tensors, in order, that it gives for these.

    Example:
        >>> x = torch.ones(2)
        >>> graph = traced(lambda x: (2 * x, None), [x], [2 * x, None])
        >>> graph(torch.zeros(2))
        (tensor([0., 0.]), None)
    """
    try:
        with torch.no_grad():
            graph = make_fx(run)(*leaves)
            _shorten(graph)
            _called_by_name(graph)
            made = pytree.tree_leaves(carried_out(graph, leaves), is_leaf=lambda each: each is None)
    except Exception:  # Of whatever kind, as anything may be in a network: it is then carried out as it stands.
        return None
    return graph if all(map(is_near, made, found)) else None


def carried_out(graph: GraphModule, leaves: Sequence[Any]) -> Any:
    """What traced operations give.

    Casts of autocast are among them: within it, what was kept out of half precision would be in it.
    """
    device = next(leaf.device for leaf in leaves if isinstance(leaf, Tensor))
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        return graph(*leaves)


def _shorten(graph: GraphModule) -> None:
    """Take out what gives the tensor that it is given: cut off from a graph of which there is none, or as it was."""
    for node in list(graph.graph.nodes):
        if node.target in CUTS or (node.target in SHAPES and _shape(node) == _shape(node.args[0])):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()


def _shape(node: Any) -> torch.Size | None:
    return getattr(node.meta.get("val"), "shape", None)


def _called_by_name(graph: GraphModule) -> None:
    """Call torch's own function of an operation where there is one: by its schema, a call takes 1.5 us more."""
    for node in graph.graph.nodes:
        # Such a function takes no list with gaps, as of indices.
        if isinstance(node.target, OpOverload) and not any(isinstance(a, list) and None in a for a in node.args):
            node.target = _function_of(node.target) or node.target
    graph.recompile()


def _function_of(operation: OpOverload) -> Callable[..., Any] | None:
    name = operation._schema.name.removeprefix("aten::")
    function, method = getattr(torch, name, None), getattr(Tensor, name, None)
    if isinstance(function, BuiltinFunctionType):
        return function
    return method if isinstance(method, MethodDescriptorType) else None


def is_near(ours: Tensor | None, theirs: Tensor | None) -> bool:
    """Whether they differ by rounding alone; what is not finite is for the guard to find."""
    if ours is None or theirs is None:
        return ours is theirs
    if not theirs.isfinite().all():
        return True
    return bool((ours - theirs).norm() <= TOLERANCE * theirs.norm().clamp(min=TOLERANCE))
