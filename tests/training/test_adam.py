"""Adam's step, held to torch's own optimiser bit for bit and to the formula."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from vae_rd.training.adam import step_of
from vae_rd.training.base import Descent

DECAY, LR = 0.1, 1e-2


def network(dtype: torch.dtype) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.SiLU(), nn.Linear(7, 3)).to(dtype)


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    descent = Descent(lr=LR, steps=9, schedule=lambda step, steps: 1.0, weight_decay=DECAY, grad_clip=None)
    return descent.optimizer(model.parameters())


def set_gradients(model: nn.Module, step: int) -> None:
    for place, parameter in enumerate(model.parameters()):
        has_none = step == 2 and place == 1
        drawn = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(10 * step + place))
        parameter.grad = None if has_none else drawn.to(parameter.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_and_state_are_those_of_torch(dtype: torch.dtype) -> None:
    """From the first step on, over changed rates, a missing gradient, and state that was loaded."""
    ours, theirs = network(dtype), network(dtype)
    a, b = optimizer_of(ours), optimizer_of(theirs)
    for step in range(6):
        for model, optimizer in ((ours, a), (theirs, b)):
            set_gradients(model, step)
            optimizer.param_groups[0]["lr"] = LR / (1 + step)
        if step == 4:
            a.load_state_dict(copy.deepcopy(a.state_dict()))
        step_of(a)
        b.step()
    assert all(torch.equal(p, q) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True))
    (one, other) = (optimizer.state_dict() for optimizer in (a, b))
    assert one["param_groups"] == other["param_groups"]
    for place, state in other["state"].items():
        assert state.keys() == one["state"][place].keys()
        assert all(torch.equal(value, one["state"][place][name]) for name, value in state.items())


def test_steps_are_those_of_the_formula() -> None:
    """w <- (1 - lr decay) w - lr m' / (sqrt(v') + eps), with m' and v' the running means over their own weights."""
    model = network(torch.float64)
    optimizer, w = optimizer_of(model), next(model.parameters())
    expected, m, v = w.detach().clone(), torch.zeros_like(w), torch.zeros_like(w)
    for step in range(1, 5):
        set_gradients(model, 10 + step)
        assert w.grad is not None
        m, v = 0.9 * m + 0.1 * w.grad, 0.999 * v + 0.001 * w.grad.square()
        change = (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
        expected = (1 - LR * DECAY) * expected - LR * change
        step_of(optimizer)
    torch.testing.assert_close(w.detach(), expected, rtol=1e-12, atol=1e-14)
