"""A function of tensors traced once into a list of tensor operations, which then run without Python's modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import getitem
from types import BuiltinFunctionType, MethodDescriptorType
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_aggregate
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

ATEN = torch.ops.aten
CUTS = ATEN.detach.default, ATEN.alias.default
MASKS = torch.bool, torch.uint8
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
            graph = _recorded(run, leaves)
            made = pytree.tree_leaves(carried_out(graph, leaves), is_leaf=lambda each: each is None)
    except Exception:  # Of whatever kind, as anything may be in a network: it is then carried out as it stands.
        return None
    return graph if all(map(is_near, made, found)) else None


def _recorded(run: Callable[..., Any], leaves: Sequence[Any]) -> GraphModule:
    recorder, is_cached = _Recorder(leaves), torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)  # A cast of weights that autocast has kept would be a constant.
    try:
        with recorder:
            result = run(*leaves)
    finally:
        torch.set_autocast_cache_enabled(is_cached)
    recorder.graph.output(map_aggregate(result, recorder.node_of))
    _shorten(recorder.graph)
    _call_by_name(recorder.graph)
    return GraphModule(recorder.constants, recorder.graph)


class _Recorder(TorchDispatchMode):
    """Writes down every operation on tensors that is carried out within it.

    For each `make_fx` of torch keeps a fake tensor and a stack of Python's calls, too, and takes eight times as long.

    Args:
        leaves: tensors from which operations begin; what else they take is constant.
    """

    def __init__(self, leaves: Sequence[Any]) -> None:
        super().__init__()
        self.graph, self.constants = Graph(), nn.Module()
        # By the identity of tensors, which are kept, so that none has that of another.
        self._nodes: dict[int, Node] = {}
        self._kept: list[Tensor] = []
        for k, leaf in enumerate(leaves):
            self._note(leaf, self.graph.placeholder(f"leaf_{k}"))

    def __torch_dispatch__(
        self, operation: OpOverload, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Carry out an operation, and note it.

        Raises:
            RuntimeError: where values of tensors decide what is done.
        """
        kwargs = kwargs or {}
        if _depends_on_values(operation, args):
            raise RuntimeError(f"{operation}: the operations that follow depend on values")
        given = map_aggregate((tuple(args), dict(kwargs)), self.node_of)
        if operation is ATEN.lift_fresh.default:  # Of `torch.tensor`: what follows may change it in place.
            operation = ATEN.lift_fresh_copy.default
        result = operation(*args, **kwargs)
        node = self.graph.call_function(operation, *given)
        if isinstance(result, Tensor):
            self._note(result, node)
        elif isinstance(result, list | tuple):
            for k, part in enumerate(result):
                if isinstance(part, Tensor):
                    self._note(part, self.graph.call_function(getitem, (node, k)))
        return result

    def node_of(self, value: Any) -> Any:
        """What a value is in the graph: itself, unless it is a tensor."""
        if not isinstance(value, Tensor):
            return value
        if id(value) not in self._nodes:
            name = f"constant_{len(self._kept)}"
            self.constants.register_buffer(name, value)
            self._note(value, self.graph.get_attr(name))
        return self._nodes[id(value)]

    def _note(self, value: Any, node: Node) -> None:
        if isinstance(value, Tensor):
            self._kept.append(value)
            self._nodes[id(value)], node.meta["shape"] = node, value.shape


def _depends_on_values(operation: OpOverload, args: Sequence[Any]) -> bool:
    """Whether what it gives decides what follows, or its size: places by number do not, those of a mask do."""
    if operation is ATEN.index.Tensor:
        return any(places is not None and places.dtype in MASKS for places in args[1])
    return bool({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(operation.tags))


def carried_out(graph: GraphModule, leaves: Sequence[Any]) -> Any:
    """What traced operations give.

    Casts of autocast are among them: within it, what was kept out of half precision would be in it.
    """
    device = next(leaf.device for leaf in leaves if isinstance(leaf, Tensor))
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        return graph(*leaves)


def _shorten(graph: Graph) -> None:
    """Take out what gives the tensor that it is given: cut off from a graph of which there is none, or as it was."""
    for node in list(graph.nodes):
        if node.target in CUTS or (node.target in SHAPES and node.meta["shape"] == node.args[0].meta["shape"]):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    graph.eliminate_dead_code()


def _call_by_name(graph: Graph) -> None:
    """Call torch's own function of an operation where there is one: by its schema, a call takes 1.5 us more."""
    for node in graph.nodes:
        # Such a function takes no list with gaps, as of indices.
        if isinstance(node.target, OpOverload) and not any(isinstance(a, list) and None in a for a in node.args):
            node.target = _function_of(node.target) or node.target


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
