"""What ends a training that has broken: one error that says what broke, when, and what to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import torch
from torch import Tensor, nn

from vae_rd.errors import Diverged
from vae_rd.training.advice import Advice, kind_of
from vae_rd.training.examples import ExampleTerms


def check_terms(seen: Sequence[ExampleTerms], norms: Sequence[Tensor] = (), *, first_step: int, advice: Advice) -> None:
    """Refuse a block of steps in which a loss is nan or infinite, or a gradient's norm, by which clipping divides.

    The terms of a block are kept until its end in any case, so that nothing is added to a step, and the host waits for
    the device once a block. The steps after the first bad one are lost with the block.

    Args:
        seen: what each step of the block adds to the epoch's means.
        norms: of the gradients of each step, [], where they are clipped: an infinite one has made them all 0.
        first_step: number of the block's first step, counted from 1 as history.csv does.
        advice: what to change.

    Raises:
        Diverged: naming the first bad step and those of its terms that are not finite, by latent unit if not all are.

    Example:
        >>> zeros = torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(2), torch.zeros(2, 3), torch.zeros(2, 3)
        >>> fine, broken = ExampleTerms(*zeros), ExampleTerms(*(values.clone() for values in zeros))
        >>> for values in (broken.rate_per_dim[0, 1:2], broken.rate[0], broken.loss):
        ...     _ = values.fill_(torch.inf)
        >>> advice = Advice(lambda step: torch.zeros(2), lambda step: 1.0, lr=1e-3)
        >>> check_terms([fine, fine], first_step=51, advice=advice)
        >>> check_terms([fine, broken], first_step=51, advice=advice)
        Traceback (most recent call last):
            ...
        vae_rd.errors.Diverged: step 52: the loss is inf, from rate inf (latent unit 1); lower --lr or add --grad_clip 1
    """
    if torch.cat([*(terms.loss for terms in seen), *(norm[None] for norm in norms)]).isfinite().all():
        return
    for step, (terms, norm) in enumerate(zip_longest(seen, norms), first_step):
        if not terms.loss.isfinite().all():
            raise _broken_loss(terms, step, advice)
        if norm is not None and not norm.isfinite():
            raise _broken_norm(norm, step, advice)


def check_norms(norms: Sequence[Tensor], *, first_step: int, advice: Advice) -> None:
    """Refuse a block of steps in which a gradient's norm is nan or infinite; arguments as of `check_terms`.

    Raises:
        Diverged: naming the first such step.
    """
    if norms and not (finite := torch.stack([*norms]).isfinite()).all():
        place = finite.tolist().index(False)
        raise _broken_norm(norms[place], first_step + place, advice)


def _broken_norm(norm: Tensor, step: int, advice: Advice) -> Diverged:
    return Diverged(f"step {step}: the norm of the gradients is {kind_of(norm)}; {advice.at(step)}")


def _broken_loss(terms: ExampleTerms, step: int, advice: Advice) -> Diverged:
    causes = [("rate", terms.rate, _units(terms.rate_per_dim)), ("distortion", terms.distortion, "")]
    named = [f"{name} {kind_of(values)}{units}" for name, values, units in causes if not values.isfinite().all()]
    origin = " and ".join(named) or "a weight of the objective, as its terms are finite"
    remedy = advice.at(step, are_terms_finite=not named)
    return Diverged(f"step {step}: the loss is {kind_of(terms.loss)}, from {origin}; {remedy}")


@torch.no_grad()
def check_weights(
    parameters: Iterable[tuple[str, nn.Parameter]], optimizer: torch.optim.Optimizer, *, step: int, advice: Advice
) -> None:
    """Refuse to go on, and so to save, where a trained parameter or the optimiser's state of it is not finite.

    An infinite gradient breaks the parameters after the loss was seen to be finite. One whose square is infinite breaks
    the optimiser alone: Adam divides by it, and the parameter never moves again.

    Args:
        parameters: by name.
        optimizer: of these parameters.
        step: how many steps were taken.
        advice: what to change.

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
        raise Diverged(f"step {step}: {whose}{name} is {kind_of(value)} at the end of the epoch; {advice.at(step)}")


def _units(rate_per_dim: Tensor) -> str:
    """Which latent units' rates are not finite; nothing where all are, as without a closed form they always are."""
    broken = (~rate_per_dim.isfinite()).any(0)
    if broken.all() or not broken.any():
        return ""
    units = broken.nonzero().flatten().tolist()
    return f" (latent unit{'s' * (len(units) > 1)} {', '.join(map(str, units))})"
