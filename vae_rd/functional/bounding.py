"""Values held within bounds whose gradient still leads back to them."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor
from torch.autograd import Function


def bounded(raw: Tensor, bound: float) -> Tensor:
    """`raw` held within [-bound, bound]; beyond them, only the gradient that leads back inside passes.

    Plain clamping has no gradient outside, so that a value which got there stays for ever. Here descent moves it back
    as soon as the loss wants it there, and nothing moves it further out. Inside the bounds it is the identity.

    Args:
        raw: of any shape, in units of its own.
        bound: the largest absolute value.

    Returns:
        a tensor of the shape of `raw`, mostly `raw` itself where all of it lies within; an infinite value is at its
        bound, nan stays nan.

    Example:
        >>> import torch
        >>> raw = torch.tensor([0.5, 9.0, 9.0], requires_grad=True)
        >>> value = bounded(raw, 4.0)
        >>> value.tolist()
        [0.5, 4.0, 4.0]
        >>> (value * torch.tensor([1.0, 1.0, -1.0])).sum().backward()
        >>> raw.grad.tolist()  # Descent lowers the second; the third would go on rising.
        [1.0, 1.0, 0.0]
    """
    return raw if _is_within(raw, bound) else cast(Tensor, _Bounded.apply(raw, bound))


def _is_within(raw: Tensor, bound: float) -> bool:
    """Whether all of `raw` is known to lie within, as it almost always does: a Function costs a small model 1 to 2 % of
    a step. Accelerators are not asked, which would have to be waited for.
    """
    if raw.device.type != "cpu" or not raw.numel():
        return False
    try:
        return raw.detach().abs().max().item() <= bound  # nan is not.
    except RuntimeError:  # Under vmap there is no one answer.
        return False


class _Bounded(Function):
    generate_vmap_rule = True  # Several models are one call over stacked parameters.

    @staticmethod
    def forward(raw: Tensor, bound: float) -> Tensor:
        return raw.clamp(-bound, bound)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0] - output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (excess,), (gradient,) = ctx.saved_tensors, gradients
        return gradient.masked_fill(excess * gradient < 0, 0.0), None
