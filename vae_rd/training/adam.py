"""Adam's step on tensors, without what surrounds it in torch's own `step`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

MOMENTS = ("exp_avg", "exp_avg_sq")  # Of Adam's state of a parameter, with "step".


@torch.no_grad()
def adam(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    states: Sequence[Mapping[str, Tensor]],
    group: Mapping[str, Any],
) -> None:
    """One step of fused AdamW, in place, on tensors of one device and on its state of them.

    torch's function around the operation sorts tensors by their kinds, which takes 0.3 to 0.5 % of a small step.

    Args:
        parameters: what is changed.
        gradients: of the loss, which lie in memory as the parameters do.
        states: of each parameter its MOMENTS and how many "step"s it has had, [].
        group: lr, betas, eps and weight_decay, as an entry of an optimiser's `param_groups` has them.

    Example:
        >>> w, state = torch.ones(2), {"step": torch.zeros(()), **{of: torch.zeros(2) for of in MOMENTS}}
        >>> group = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
        >>> adam([w], [torch.tensor([5.0, -5.0])], [state], group)
        >>> w, state["step"]
        (tensor([0.9000, 1.1000]), tensor(1.))
    """
    steps = [state["step"] for state in states]
    torch._foreach_add_(steps, 1)
    torch._fused_adamw_(
        list(parameters),
        list(gradients),
        [state["exp_avg"] for state in states],
        [state["exp_avg_sq"] for state in states],
        [],
        steps,
        lr=group["lr"],
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        amsgrad=False,
        maximize=False,
    )


def shares_of(loss: Tensor) -> Tensor:
    """1 / B for each of a loss, [B]: what a gradient of its mean begins with.

    Example:
        >>> shares_of(torch.zeros(4))
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    return torch.full_like(loss, 1 / len(loss))


def step_of(optimizer: torch.optim.Optimizer) -> None:
    """The step of a fused AdamW of one group, bit for bit, from gradients to parameters and state.

    Its own `step`, with hooks, a record for the profiler and checks, takes 2 to 3 % more of a small step; it takes the
    first one, which begins the state.

    Args:
        optimizer: of `Descent.optimizer`.
    """
    (group,) = optimizer.param_groups
    moved = [parameter for parameter in group["params"] if parameter.grad is not None]
    states = [optimizer.state[parameter] for parameter in moved]
    if all(states):
        adam(moved, [parameter.grad for parameter in moved], states, group)
    else:
        optimizer.step()
