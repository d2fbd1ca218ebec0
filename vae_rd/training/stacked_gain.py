"""What a few steps on q(z|x) gain, of several models of one network at once: the costliest part of their diagnosis.

As a step of training it is mostly Python; what there is of arithmetic is on a handful of examples.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.fx import GraphModule
from torch.utils import _pytree as pytree

from vae_rd.estimators.gaps import Objective, Plan, elbo_at, gain_of, local_gain, no_change, opposite_pairs, slope_of
from vae_rd.functional.seeding import generator
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.vae import VAE
from vae_rd.training.traces import is_near, traced

MOST_VALUES = 2**16  # Of x: of more the arithmetic is what takes its time.


@dataclass(frozen=True)
class Gain:
    """What `local_gain` is asked for.

    Attributes:
        model: in eval mode.
        x: examples, [N, C, H, W].
        beta: the weight of R.
        stream: the name of the stream of all draws.
        plan: of the steps.
    """

    model: VAE
    x: Tensor
    beta: float
    stream: tuple[int | str, ...]
    plan: Plan

    @property
    def noise(self) -> torch.Generator:
        """The stream, from its beginning."""
        return generator("cpu", *self.stream)

    def alone(self) -> Tensor | None:
        """By `local_gain`, [N]; None without coordinates of q."""
        return local_gain(self.model, self.x, beta=self.beta, noise=self.noise, **self.plan._asdict())

    @property
    def like(self) -> Hashable:
        """What those that are stacked have in common."""
        return self.x.shape, self.x.dtype, self.plan


class _At(nn.Module):
    """The ELBO of a model as a function of tensors, those of the encoder's q(z|x) among them."""

    def __init__(self, model: VAE, start: Posterior) -> None:
        super().__init__()
        self.model, self.start = model, start

    def forward(self, q: Sequence[Tensor], x: Tensor, change: Tensor, eps: Tensor, beta: Tensor) -> Tensor:
        return elbo_at(self.model, x, self.start.remade(*q).perturbed(change), eps, beta)


@dataclass
class StackedGains:
    """The gains of members of one pack, by traces of what is traced once.

    Attributes:
        is_right: whether a first stack gave each member what it has alone; None before that.
    """

    is_right: bool | None = None
    _known: dict[Hashable, GraphModule | None] = field(default_factory=dict)

    def of(self, asked: Sequence[Gain]) -> list[Tensor | None]:
        """The gain of each, which differ in their models' weights, beta, examples and noise."""
        if self.is_right is False or len(asked) == 1 or asked[0].x.numel() > MOST_VALUES:
            return [gain.alone() for gain in asked]
        if self.is_right:
            return list(self._stacked(asked))
        alone = [gain.alone() for gain in asked]
        self.is_right = alone[0] is not None and self._agrees(asked, alone)
        return alone

    def _agrees(self, asked: Sequence[Gain], alone: Sequence[Tensor | None]) -> bool:
        try:
            return all(map(is_near, self._stacked(asked), alone))
        except Exception:  # Of whatever kind, as anything may be in a network: each is then measured alone.
            return False

    def _stacked(self, asked: Sequence[Gain]) -> Tensor:
        """[E, N]."""
        parts = [_At(gain.model, _start(gain)) for gain in asked]
        given, part, plan = _given(asked, parts), parts[0], asked[0].plan
        streams = {gain.stream: (gain, gain.noise) for gain in asked}

        def draw(count: int) -> Tensor:
            """Drawn as alone: so many a time as a step has."""
            counts = [min(plan.draws, count - first) for first in range(0, count, plan.draws)]
            drawn = {
                name: torch.cat([opposite_pairs(gain.model, gain.x, each, noise=noise) for each in counts])
                for name, (gain, noise) in streams.items()
            }
            return torch.stack([drawn[gain.stream] for gain in asked])

        def elbo(change: Tensor | None, eps: Tensor) -> Tensor:
            return self._found(_elbo, part, given._replace(change=given.change if change is None else change, eps=eps))

        def slope(change: Tensor, eps: Tensor) -> Tensor:
            return self._found(_slope, part, given._replace(change=change, eps=eps))

        return gain_of(Objective(elbo, slope), given.change, draw, plan, at_once=plan.samples)

    def _found(self, of: Callable[[_At, _Given], Tensor], part: _At, given: _Given) -> Tensor:
        """By a trace, from the second time on."""
        leaves, spec = pytree.tree_flatten(given)
        key = of, str(spec), tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if (graph := self._known.get(key)) is not None:
            with torch.no_grad():
                return cast(Tensor, graph(*leaves))
        found = of(part, given)
        if key not in self._known:
            run = traced(lambda *flat: of(part, pytree.tree_unflatten(list(flat), spec)), leaves, [found])
            self._known[key] = run
        return found


class _Given(NamedTuple):
    """What the ELBO of the members is a function of, [E, ...] each; weights and buffers by name."""

    weights: dict[str, Tensor]
    buffers: dict[str, Tensor]
    q: list[Tensor]
    x: Tensor
    change: Tensor
    eps: Tensor
    beta: Tensor


def _start(gain: Gain) -> Posterior:
    """The encoder's q(z|x), from which all steps begin."""
    with torch.no_grad():
        return cast(Posterior, gain.model.encoder(gain.x))


def _given(asked: Sequence[Gain], parts: Sequence[_At]) -> _Given:
    """What stays the same; its noise is still to come."""
    weights = [{name: value.detach() for name, value in part.named_parameters()} for part in parts]
    none = torch.stack([no_change(part.start) for part in parts])
    return _Given(
        _side_by_side(weights),
        _side_by_side([dict(part.named_buffers()) for part in parts]),
        q=[torch.stack(of_all) for of_all in zip(*(part.start.tensors for part in parts), strict=True)],
        x=torch.stack([gain.x for gain in asked]),
        change=none,
        eps=none,
        beta=torch.tensor([gain.beta for gain in asked], dtype=torch.float64, device=none.device),
    )


def _side_by_side(each: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([own[name] for own in each]) for name in each[0]}


def _elbo(part: _At, given: _Given) -> Tensor:
    """[E, S, N]."""

    def one(weights: Any, buffers: Any, *rest: Any) -> Tensor:
        return cast(Tensor, functional_call(part, (weights, buffers), rest))

    return vmap(one)(*given)


def _slope(part: _At, given: _Given) -> Tensor:
    """[E, perturbations, N, D]."""
    return slope_of(lambda change, eps: _elbo(part, given._replace(change=change, eps=eps)), given.change, given.eps)
