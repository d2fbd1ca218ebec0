"""What ends a training that has broken: one error that says what broke, when, and what to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from vae_rd.errors import Diverged
from vae_rd.training.examples import ExampleTerms

REMEDY = "lower --lr or add --grad_clip 1"


def check_terms(seen: Sequence[ExampleTerms], *, first_step: int) -> None:
    """Refuse a block of steps in which a loss is nan or infinite.

    The terms of a block are kept until its end in any case, so that nothing is added to a step, and the host waits for
    the device once a block. The steps after the first bad one are lost with the block.

    Args:
        seen: what each step of the block adds to the epoch's means.
        first_step: number of the block's first step, counted from 1 as history.csv does.

    Raises:
        Diverged: naming the first bad step and those of its terms that are not finite, by latent unit if not all are.

    Example:
        >>> zeros = torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(2), torch.zeros(2, 3), torch.zeros(2, 3)
        >>> fine, broken = ExampleTerms(*zeros), ExampleTerms(*(values.clone() for values in zeros))
        >>> for values in (broken.rate_per_dim[0, 1:2], broken.rate[0], broken.loss):
        ...     _ = values.fill_(torch.inf)
        >>> check_terms([fine, fine], first_step=51)
        >>> check_terms([fine, broken], first_step=51)
        Traceback (most recent call last):
            ...
        vae_rd.errors.Diverged: step 52: the loss is inf, from rate inf (latent unit 1); lower --lr or add --grad_clip 1
    """
    if torch.cat([terms.loss for terms in seen]).isfinite().all():
        return
    step, terms = next((s, t) for s, t in enumerate(seen, first_step) if not t.loss.isfinite().all())
    causes = [("rate", terms.rate, _units(terms.rate_per_dim)), ("distortion", terms.distortion, "")]
    named = [f"{name} {_kind(values)}{units}" for name, values, units in causes if not values.isfinite().all()]
    origin = " and ".join(named) or "a weight of the objective, as its terms are finite"
    raise Diverged(f"step {step}: the loss is {_kind(terms.loss)}, from {origin}; {REMEDY}")


@torch.no_grad()
def check_weights(
    parameters: Iterable[tuple[str, nn.Parameter]], optimizer: torch.optim.Optimizer, *, step: int
) -> None:
    """Refuse to go on, and so to save, where a trained parameter or the optimiser's state of it is not finite.

    An infinite gradient breaks the parameters after the loss was seen to be finite. One whose square is infinite breaks
    the optimiser alone: Adam divides by it, and the parameter never moves again.

    Args:
        parameters: by name.
        optimizer: of these parameters.
        step: how many steps were taken.

    Raises:
        Diverged: naming the first such parameter.
    """
    trained = [(name, p) for name, p in parameters if p.requires_grad]
    held = [(name, value) for name, p in trained for value in (p, *optimizer.state.get(p, {}).values())]
    # 0 x is nan where x is nan or infinite: on a CPU ten times as fast as asking each x.
    finite = torch.stack([(0 * value).sum() for _, value in held]).isfinite()
    if not finite.all():
        name, value = held[finite.tolist().index(False)]
        whose = "" if isinstance(value, nn.Parameter) else "the optimiser's state of "
        raise Diverged(f"step {step}: {whose}{name} is {_kind(value)} at the end of the epoch; {REMEDY}")


def _kind(values: Tensor) -> str:
    return "nan" if values.isnan().any() else "inf"


def _units(rate_per_dim: Tensor) -> str:
    """Which latent units' rates are not finite; nothing where all are, as without a closed form they always are."""
    broken = (~rate_per_dim.isfinite()).any(0)
    if broken.all() or not broken.any():
        return ""
    units = broken.nonzero().flatten().tolist()
    return f" (latent unit{'s' * (len(units) > 1)} {', '.join(map(str, units))})"
