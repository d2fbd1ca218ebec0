"""The modules behind a callable, and their measurement: in eval mode, without a gradient, and then as they were."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import nn

DEEPEST = 4  # A lambda that calls a function that calls a method of an object that holds a module.


def modules_of(*callables: object) -> list[nn.Module]:
    """The modules that callables are, or are bound to, or close over, or find among their globals; each once.

    Args:
        callables: modules, bound methods, functions, partials, objects with modules among their attributes.

    Example:
        >>> net = nn.Linear(2, 3)
        >>> def encode(x):
        ...     return net(x)
        >>> modules_of(encode, net.forward, functools.partial(encode, None)) == [net]
        True
    """
    found: dict[int, nn.Module] = {}
    seen: set[int] = set()
    for one in callables:
        _look(one, DEEPEST, found, seen)
    return list(found.values())


def _look(one: object, depth: int, found: dict[int, nn.Module], seen: set[int]) -> None:
    if isinstance(one, nn.Module):
        found[id(one)] = one
    elif depth and id(one) not in seen:
        seen.add(id(one))
        for held in _held(one):
            _look(held, depth - 1, found, seen)


def _held(one: object) -> Iterator[object]:
    """What a thing refers to that may be a module or lead to one."""
    if isinstance(one, MethodType):
        yield from (one.__self__, one.__func__)
    elif isinstance(one, FunctionType):
        yield from _of_function(one)
    elif isinstance(one, functools.partial):
        yield from (one.func, *one.args, *one.keywords.values())
    elif isinstance(one, dict):
        yield from one.values()
    elif isinstance(one, list | tuple):
        yield from one
    elif hasattr(one, "__dict__") and not isinstance(one, type) and type(one).__module__ != "builtins":
        yield from vars(one).values()


def _of_function(one: FunctionType) -> Iterator[object]:
    for cell in one.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue  # Not assigned yet.
    yield from (one.__defaults__ or ())
    yield from (one.__globals__[name] for name in one.__code__.co_names if name in one.__globals__)


@contextmanager
def measured(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Within the block the modules are in eval mode and no gradient is recorded; after it each part is as it was.

    Example:
        >>> net = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
        >>> with measured([net]):
        ...     net[0].training
        False
        >>> [part.training for part in net]
        [True, False]
    """
    modes = {part: part.training for module in modules for part in module.modules()}
    try:
        for part in modes:
            part.training = False
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def device_of(modules: Iterable[nn.Module], asked: Any = None) -> torch.device:
    """Where the modules are: the device of their first parameter, and the CPU where they have none."""
    if asked is not None:
        return torch.device(asked)
    return next((p.device for module in modules for p in module.parameters()), torch.device("cpu"))
