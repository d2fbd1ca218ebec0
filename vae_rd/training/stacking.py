"""Steps of several models of one network at once: their parameters stacked, one forward pass, one backward, one Adam.

Each member keeps its own model, objective and optimiser; within a block of steps their tensors are stacked, and put
back after it. A step of a stack is that of each member alone, to the rounding of its sums.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim.adamw import adamw

from vae_rd.data.module import Batch
from vae_rd.functional.seeding import generator
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.stated import Terms
from vae_rd.objectives.base import Objective
from vae_rd.objectives.beta import BetaObjective
from vae_rd.training.examples import ExampleTerms, example_terms
from vae_rd.training.vae import VAEBlocks

MOMENTS = ("exp_avg", "exp_avg_sq")  # Of Adam's state, with "step".
TOLERANCE = 1e-2  # Of a loss or gradient in a stack from that alone, a share of it: in bf16 rounding is that much.
Tensors = dict[str, Tensor]


@dataclass
class Taken:
    """What a member has of the steps of a block: of each its terms, and the norm of its gradients where it clips."""

    seen: list[ExampleTerms]
    norms: list[Tensor]


class _Loss(nn.Module):
    """A training step of a model under an objective, as a function of tensors alone."""

    def __init__(self, module: VAEBlocks) -> None:
        super().__init__()
        self.model, self.objective, self.gradient = module.model, module.objective, module.gradient

    def forward(
        self, x: Tensor, eps: Tensor, target: Tensor | None, step: int, numbers: Mapping[tuple[str, str], Any]
    ) -> tuple[Tensor, ExampleTerms]:
        """The mean to differentiate, [], and what the batch adds to the means."""
        objective = _with_numbers(self.objective, numbers)
        scored = {} if target is None else {"target": target}
        # No loss that draws again is stacked: it would find no stream.
        terms, loss, surrogate = self.gradient.step(self.model, objective, x, eps, step, noise=None, **scored)  # type: ignore[arg-type]
        return surrogate.mean(), example_terms(terms, loss, latent_dim=self.model.latent_dim)


class Stack:
    """The members of one network, stacked for a block of steps.

    Args:
        modules: of the members, which have one network, one kind of objective, and as many steps taken.
        context: of the arithmetic of a step, such as autocast.
    """

    def __init__(self, modules: Sequence[VAEBlocks], context: Callable[[], AbstractContextManager[None]]) -> None:
        self.modules, self.context = modules, context
        self.losses = [_Loss(module) for module in modules]
        self.own = [_trained(loss) for loss in self.losses]
        self.parameters = {name: torch.stack([own[name].detach() for own in self.own]) for name in self.own[0]}
        for parameter in self.parameters.values():
            parameter.requires_grad_()
        self.buffers = self._stacked_buffers()
        states = [_adam_state(module, own) for module, own in zip(modules, self.own, strict=True)]
        self.states = states
        self.moments = [{n: torch.stack([s[n][of] for s in states]) for n in self.own[0]} for of in MOMENTS]
        self.counts = {name: states[0][name]["step"].clone() for name in self.own[0]}
        self.turns = any(type(m.objective).after_step is not Objective.after_step for m in modules)

    def _stacked_buffers(self) -> Tensors:
        named = [dict(loss.named_buffers()) for loss in self.losses]
        return {name: torch.stack([own[name] for own in named]) for name in named[0]}

    @torch.no_grad()
    def put_back(self, step: int) -> None:
        """Give every member its parameters and its optimiser's state, as they are after a step."""
        for module in self.modules:
            module.optimizer.param_groups[0]["lr"] = module.descent.learning_rate(step)
        for k, (own, state) in enumerate(zip(self.own, self.states, strict=True)):
            for name, parameter in own.items():
                parameter.copy_(self.parameters[name][k])
                state[name]["step"].copy_(self.counts[name])
                for of, moment in zip(MOMENTS, self.moments, strict=True):
                    state[name][of].copy_(moment[name][k])

    def step(self, batches: Sequence[Batch], step: int, taken: Sequence[Taken]) -> None:
        """One optimiser step of every member, each on its batch."""
        with self.context():
            means, examples = self.forward(batches, step)
            means.sum().backward()
        norms = self._clipped()
        self._descend(step)
        for k, (module, mine) in enumerate(zip(self.modules, taken, strict=True)):
            mine.seen.append(ExampleTerms(*(values[k] for values in examples)))
            if norms is not None and module.descent.grad_clip is not None:
                mine.norms.append(norms[k])
            if self.turns:
                module.objective.after_step(_stated(mine.seen[-1]))
        if self.turns:
            self.buffers = self._stacked_buffers()

    def forward(self, batches: Sequence[Batch], step: int) -> tuple[Tensor, ExampleTerms]:
        """Of every member the mean to differentiate, [E], and what its batch adds to the means, [E, ...]."""
        x = _joined([batch.x for batch in batches])
        target = _joined([batch.scored.get("target") for batch in batches])
        eps = _joined(self._noise(batches))
        numbers = _numbers([module.objective for module in self.modules], step, like=self._any)
        whole = self.losses[0]

        def one(own: Tensors, buffers: Tensors, x: Tensor, eps: Tensor, target: Tensor | None, numbers: Any) -> Any:
            return functional_call(whole, (own, buffers), (x, eps, target, step, numbers))

        axes = (0, 0, x.axis, eps.axis, target.axis, 0 if numbers else None)
        return vmap(one, in_dims=axes)(self.parameters, self.buffers, x.values, eps.values, target.values, numbers)

    def is_like_alone(self, batches: Sequence[Batch], step: int) -> bool:
        """Whether each member has in the stack the loss and the gradients that it has alone."""
        with self.context():
            means = self.forward(batches, step)[0]
            alone = [self._alone(module, batch, step) for module, batch in zip(self.modules, batches, strict=True)]
        together = torch.autograd.grad(means.sum(), list(self.parameters.values()), allow_unused=True)
        pairs: list[tuple[Tensor | None, Tensor]] = list(zip(means, alone, strict=True))
        for k, (own, loss) in enumerate(zip(self.own, alone, strict=True)):
            each = torch.autograd.grad(loss, list(own.values()), allow_unused=True)
            pairs += [
                (None if ours is None else ours[k], theirs)
                for ours, theirs in zip(together, each, strict=True)
                if theirs is not None
            ]
        return all(_is_near(*pair) for pair in pairs)

    def _alone(self, module: VAEBlocks, batch: Batch, step: int) -> Tensor:
        noise = generator(batch.x.device, module.seed, "noise", module.current_epoch, batch.part)
        eps = module.training_noise(batch.x, noise)
        model, objective = module.model, module.objective
        return module.gradient.step(model, objective, batch.x, eps, step, noise=noise, **batch.scored).surrogate.mean()

    @property
    def _any(self) -> Tensor:
        return next(iter(self.parameters.values()))

    def _noise(self, batches: Sequence[Batch]) -> list[Tensor]:
        """The noise of each member, which those of one seed share."""
        drawn: dict[tuple[int, int, int], Tensor] = {}
        found = []
        for module, batch in zip(self.modules, batches, strict=True):
            key = module.seed, module.current_epoch, batch.part
            if key not in drawn:
                stream = generator(batch.x.device, key[0], "noise", key[1], key[2])
                drawn[key] = module.training_noise(batch.x, stream)
            found.append(drawn[key])
        return found

    def _clipped(self) -> Tensor | None:
        """The norm of each member's gradients, [E], of which those that are above a member's limit are scaled to it."""
        limits = [module.descent.grad_clip for module in self.modules]
        if all(limit is None for limit in limits):
            return None
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
        most = norms.new_tensor([torch.inf if limit is None else limit for limit in limits])
        shares = (most / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(shares.view(-1, *[1] * (gradient.dim() - 1)))
        return norms

    @torch.no_grad()
    def _descend(self, step: int) -> None:
        """Adam: at once where all members have one learning rate and decay, else one after another."""
        rates = [(m.descent.learning_rate(step), m.descent.weight_decay) for m in self.modules]
        names = [name for name, p in self.parameters.items() if p.grad is not None]
        if len(set(rates)) == 1:
            self._adam(names, slice(None), *rates[0])
        else:
            for k, rate in enumerate(rates):
                self._adam(names, k, *rate, counts={name: self.counts[name].clone() for name in names})
            for name in names:
                self.counts[name] += 1
        for parameter in self.parameters.values():
            parameter.grad = None

    def _adam(self, names: Sequence[str], of: Any, lr: float, decay: float, *, counts: Tensors | None = None) -> None:
        group = self.modules[0].optimizer.param_groups[0]
        gradients = [self.parameters[name].grad for name in names]
        adamw(
            [self.parameters[name].detach()[of] for name in names],
            [gradient[of] for gradient in gradients if gradient is not None],
            [self.moments[0][name][of] for name in names],
            [self.moments[1][name][of] for name in names],
            max_exp_avg_sqs=[],
            state_steps=[(counts or self.counts)[name] for name in names],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=lr,
            weight_decay=decay,
            eps=group["eps"],
            maximize=False,
        )


def _is_near(ours: Tensor | None, theirs: Tensor) -> bool:
    """Whether they differ by rounding alone; what is not finite is for the guard to find."""
    if ours is None or not theirs.isfinite().all():
        return ours is not None
    return bool((ours - theirs).norm() <= TOLERANCE * theirs.norm().clamp(min=TOLERANCE))


@dataclass(frozen=True)
class _Joined:
    """Tensors of the members, [E, ...], or the one that all share; and the axis of members, None without one."""

    values: Any
    axis: int | None


def _joined(each: Sequence[Any]) -> _Joined:
    first = each[0]
    return _Joined(first, None) if all(one is first for one in each) else _Joined(torch.stack(list(each)), 0)


def _trained(loss: _Loss) -> dict[str, nn.Parameter]:
    return dict(loss.named_parameters())


def _adam_state(module: VAEBlocks, own: Mapping[str, nn.Parameter]) -> dict[str, dict[str, Tensor]]:
    """The optimiser's state of every parameter by name, begun as Adam begins it where there is none yet."""
    state = module.optimizer.state
    for parameter in own.values():
        if not state[parameter]:
            state[parameter]["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            for of in MOMENTS:
                state[parameter][of] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
    return {name: state[parameter] for name, parameter in own.items()}


def _parts(objective: Objective) -> Iterator[tuple[str, nn.Module]]:
    """An objective and the objectives and controllers in it, by name."""
    return objective.named_modules()


def _floats(part: nn.Module) -> dict[str, float]:
    return {name: value for name, value in vars(part).items() if isinstance(value, float)}


def _numbers(objectives: Sequence[Objective], step: int, *, like: Tensor) -> dict[tuple[str, str], Any]:
    """What of a step's loss differs between members as numbers, [E] each, by part of the objective and its name."""
    found: dict[tuple[str, str], Any] = {}
    parts = [dict(_parts(objective)) for objective in objectives]
    for part, first in parts[0].items():
        of_all = [own[part] for own in parts]
        for name in _floats(first):
            values = [_floats(other)[name] for other in of_all]
            if len(set(values)) > 1:
                found[part, name] = like.new_tensor(values)
        if isinstance(first, BetaObjective):
            weights = [other.weights(step) for other in of_all if isinstance(other, BetaObjective)]
            found[part, "held"] = tuple(like.new_tensor(column) for column in zip(*weights, strict=True))
    return found


def _with_numbers(objective: Objective, numbers: Mapping[tuple[str, str], Any]) -> Objective:
    """The objective with these numbers in the place of its own; its modules and buffers are as they were."""
    made: dict[str, nn.Module] = {}
    for part, module in _parts(objective):
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


def _stated(seen: ExampleTerms) -> Terms:
    """The terms of a batch as tensors, which is all that an objective takes note of after a step."""
    undefined = bool(seen.rate_per_dim.isnan().all())
    return Terms.stated(
        log_px_z=-seen.distortion, rate=seen.rate, rate_per_dim=None if undefined else seen.rate_per_dim
    )


def problem_of(module: VAEBlocks) -> str | None:
    """Why the steps of a member are not stacked with others'; None where nothing is known against it."""
    likelihood = getattr(module.model.decoder, "likelihood", None)
    if isinstance(likelihood, Likelihood) and type(likelihood).after_step is not Likelihood.after_step:
        return "its likelihood takes note of every step"
    if any(not parameter.requires_grad for parameter in module.parameters()):
        return "some of its parameters are fixed"
    return None
