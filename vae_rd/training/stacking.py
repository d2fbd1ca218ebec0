"""Steps of several models of one network at once: their parameters stacked, one forward pass, one backward, one Adam.

Each member keeps its own model, objective and optimiser; within a block of steps their tensors are stacked, and put
back after it. A step of a stack is that of each member alone, to the rounding of its sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vae_rd.data.module import Batch
from vae_rd.functional.seeding import generator
from vae_rd.objectives.base import Objective
from vae_rd.training.adam import MOMENTS, adam
from vae_rd.training.examples import ExampleTerms, as_terms
from vae_rd.training.replay import has_known_rules, takes_note
from vae_rd.training.stacked_loss import Inputs, Loss, Tensors, Traces, numbers_of, stacked
from vae_rd.training.traces import is_near
from vae_rd.training.vae import VAEBlocks

MOST_VALUES = 2**15  # Of x in a batch. At 128 x 64 a stack of 8 takes 0.35 to 0.7 of the time, at 128 x 784 up to 1.2.


@dataclass
class Taken:
    """What a member has of the steps of a block: of each its terms, and the norm of its gradients where it clips."""

    seen: list[ExampleTerms]
    norms: list[Tensor]


class Stack:
    """The members of one network, stacked for a block of steps.

    Args:
        modules: of the members, which have one network, one kind of objective, and as many steps taken.
        context: of the arithmetic of a step, such as autocast.
        traces: of earlier stacks, for this one to use and to add to.
    """

    def __init__(
        self, modules: Sequence[VAEBlocks], context: Callable[[], AbstractContextManager[None]], traces: Traces
    ) -> None:
        self.modules, self.context, self.traces = modules, context, traces
        self.losses = [Loss(m.model, m.objective, m.gradient) for m in modules]
        self.own = [_trained(loss) for loss in self.losses]
        self.parameters = {name: torch.stack([own[name].detach() for own in self.own]) for name in self.own[0]}
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
            found = self.traces.step(self.losses[0], self.inputs(batches, step), step)
        # Fused Adam takes for granted that a gradient lies in memory as its parameter does.
        gradients = {name: g.contiguous() for name, g in found.gradients.items() if g is not None}
        norms = self._clipped(list(gradients.values()))
        self._descend(gradients, step)
        for k, (module, mine) in enumerate(zip(self.modules, taken, strict=True)):
            mine.seen.append(ExampleTerms(*(values[k] for values in found.examples)))
            if norms is not None and module.descent.grad_clip is not None:
                mine.norms.append(norms[k])
            if self.turns:
                module.objective.after_step(as_terms(mine.seen[-1]))
        if self.turns:
            self.buffers = self._stacked_buffers()

    def inputs(self, batches: Sequence[Batch], step: int) -> Inputs:
        """What the step of the members on their batches is a function of."""
        x, x_axis = _joined([batch.x for batch in batches])
        target, target_axis = _joined([batch.scored.get("target") for batch in batches])
        eps, eps_axis = _joined(self._noise(batches))
        like = next(iter(self.parameters.values()))
        numbers = numbers_of([module.objective for module in self.modules], step, like=like)
        return Inputs(self.parameters, self.buffers, x, eps, target, numbers, (x_axis, eps_axis, target_axis))

    def is_like_alone(self, batches: Sequence[Batch], step: int) -> bool:
        """Whether each member has in the stack the loss and the gradients that it has alone, and moves no buffers."""
        own = [buffer for loss in self.losses for buffer in loss.buffers()]
        held, kept = [*self.buffers.values(), *own], [buffer.clone() for buffer in own]
        before = [buffer._version for buffer in held]
        is_like = self._agrees(batches, step)
        if before == [buffer._version for buffer in held]:
            return is_like
        with torch.no_grad():
            for buffer, value in zip(own, kept, strict=True):
                buffer.copy_(value)
        return False

    def _agrees(self, batches: Sequence[Batch], step: int) -> bool:
        with self.context():
            found = stacked(self.losses[0], self.inputs(batches, step), step)
            alone = [self._alone(module, batch, step) for module, batch in zip(self.modules, batches, strict=True)]
        pairs: list[tuple[Tensor | None, Tensor | None]] = list(zip(found.means, alone, strict=True))
        for k, (own, loss) in enumerate(zip(self.own, alone, strict=True)):
            each = torch.autograd.grad(loss, list(own.values()), allow_unused=True)
            ours = [None if gradient is None else gradient[k] for gradient in found.gradients.values()]
            pairs += zip(ours, each, strict=True)
        return all(is_near(*pair) for pair in pairs)

    def _alone(self, module: VAEBlocks, batch: Batch, step: int) -> Tensor:
        noise = generator(batch.x.device, module.seed, "noise", module.current_epoch, batch.part)
        eps = module.training_noise(batch.x, noise)
        model, objective = module.model, module.objective
        return module.gradient.step(model, objective, batch.x, eps, step, noise=noise, **batch.scored).surrogate.mean()

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

    def _clipped(self, gradients: Sequence[Tensor]) -> Tensor | None:
        """The norm of each member's gradients, [E], of which those that are above a member's limit are scaled to it."""
        limits = [module.descent.grad_clip for module in self.modules]
        if all(limit is None for limit in limits):
            return None
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
        most = norms.new_tensor([torch.inf if limit is None else limit for limit in limits])
        shares = (most / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(shares.view(-1, *[1] * (gradient.dim() - 1)))
        return norms

    def _descend(self, gradients: Mapping[str, Tensor], step: int) -> None:
        """Adam: at once where all members have one learning rate and decay, else one after another."""
        rates = [(m.descent.learning_rate(step), m.descent.weight_decay) for m in self.modules]
        if len(set(rates)) == 1:
            self._adam(gradients, slice(None), *rates[0], counts=self.counts)
            return
        for k, rate in enumerate(rates):
            self._adam(gradients, k, *rate, counts={name: self.counts[name].clone() for name in gradients})
        for name in gradients:
            self.counts[name] += 1

    def _adam(self, gradients: Mapping[str, Tensor], of: Any, lr: float, decay: float, *, counts: Tensors) -> None:
        group = self.modules[0].optimizer.param_groups[0]
        states = [
            {"step": counts[name], **{n: moment[name][of] for n, moment in zip(MOMENTS, self.moments, strict=True)}}
            for name in gradients
        ]
        adam(
            [self.parameters[name][of] for name in gradients],
            [gradient[of] for gradient in gradients.values()],
            states,
            {**group, "lr": lr, "weight_decay": decay},
        )


def _joined(each: Sequence[Any]) -> tuple[Any, int | None]:
    """Tensors of the members side by side and their axis, or the one that all share, which has none."""
    first = each[0]
    return (first, None) if all(one is first for one in each) else (torch.stack(list(each)), 0)


def _trained(loss: Loss) -> dict[str, nn.Parameter]:
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


def is_small(batch: Batch) -> bool:
    """Whether a step of one member leaves much of a CPU idle, in Python and in short loops; on a GPU it always does.

    Beyond, a stack goes through more memory at a time than caches hold, and takes longer than its members in turn.
    """
    return batch.x.device.type != "cpu" or batch.x.numel() <= MOST_VALUES


def problem_of(module: VAEBlocks) -> str | None:
    """Why the steps of a member are not stacked with others'; None where nothing is known against it."""
    if takes_note(module.model):
        return "its likelihood takes note of every step"
    if any(not parameter.requires_grad for parameter in module.parameters()):
        return "some of its parameters are fixed"
    if module.objective.betas is not None:
        return "each example of its batches has a beta of its own"
    if not has_known_rules(Loss(module.model, module.objective, module.gradient)):
        return "its gradient or its penalty may keep something of its own"
    return None
