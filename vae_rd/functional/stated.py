"""D, R and what belongs to them as anyone's tensors say it, in one form, with what follows from the others made up."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.functional.precision import at_least_single


class Stated(NamedTuple):
    """Of examples, nats; what is not known is None.

    Attributes:
        distortion: -ln p(x|z), [..., B].
        rate: KL(q(z|x) || m(z)), [..., B] or [B].
        rate_per_dim: the rate by units, [B, D].
        mean: E_q[z|x], [B, D].
        variance: Var_q[z|x], [B, D].
    """

    distortion: Tensor
    rate: Tensor | None
    rate_per_dim: Tensor | None
    mean: Tensor | None
    variance: Tensor | None


def stated(
    distortion: Tensor | None = None,
    rate: Tensor | None = None,
    *,
    log_px_z: Tensor | None = None,
    rate_per_dim: Tensor | None = None,
    mean: Tensor | None = None,
    log_var: Tensor | None = None,
    scale: Tensor | None = None,
) -> Stated:
    """What is given, and the rate where it follows: the sum of its units, else the closed form of a normal q(z|x).

        KL(N(mean, scale^2) || N(0, 1)) = 0.5 (mean^2 + scale^2 - 1 - ln scale^2)

    Args:
        distortion: -ln p(x|z) of each example, [..., B] nats, constants and all.
        rate: KL(q(z|x) || m(z)), [..., B] or [B].
        log_px_z: ln p(x|z), in place of `distortion`.
        rate_per_dim: the rate by units, [B, *event].
        mean: E_q[z|x], [B, *event].
        log_var: ln of the variance of a normal q(z|x), [B, *event].
        scale: its standard deviation, in place of `log_var`.

    Tensors of half precision are taken in single from there on.

    Raises:
        InputError: where D is not said, or said twice, and where shapes are not of the same examples.

    Example:
        >>> import torch
        >>> found = stated(log_px_z=torch.tensor([-3.0]), mean=torch.tensor([[2.0, 0.0]]), scale=torch.ones(1, 2))
        >>> found.distortion.tolist(), found.rate.tolist(), found.rate_per_dim.tolist()
        ([3.0], [2.0], [[2.0, 0.0]])
    """
    if (distortion is None) == (log_px_z is None):
        raise InputError("rate and distortion: give distortion (-ln p(x|z)) or log_px_z, one of the two, for each x")
    if log_var is not None and scale is not None:
        raise InputError("rate and distortion: give log_var or scale, one of the two")
    d = _single(-log_px_z if log_px_z is not None else distortion)
    assert d is not None
    rate, rate_per_dim, mean, log_var, scale = map(_single, (rate, rate_per_dim, mean, log_var, scale))
    _check_rows(d, {"rate": rate})
    _check_rows(d, {"rate_per_dim": rate_per_dim, "mean": mean, "log_var": log_var, "scale": scale}, units=True)
    mean, per_dim = _flat(mean), _flat(rate_per_dim)
    log_var = _flat(log_var) if scale is None else 2 * scale.flatten(1).log()
    if mean is not None and log_var is not None and rate is None and per_dim is None:
        per_dim = 0.5 * (mean.square() + log_var.exp() - 1 - log_var)
    rate = per_dim.sum(-1) if rate is None and per_dim is not None else rate
    return Stated(d, rate, per_dim, mean, None if log_var is None else log_var.exp())


def _single(values: Tensor | None) -> Tensor | None:
    return None if values is None else at_least_single(values)


def _flat(values: Tensor | None) -> Tensor | None:
    return None if values is None else values.flatten(1)


def _check_rows(d: Tensor, given: dict[str, Tensor | None], *, units: bool = False) -> None:
    """Refuse what is not of as many examples as D is."""
    if d.ndim == 0:
        raise InputError("rate and distortion: D is one number; give one for each x, [B], before any mean")
    for name, values in given.items():
        if values is None:
            continue
        found, wanted = list(values.shape), f"[{d.shape[-1]}, D]" if units else f"[{d.shape[-1]}]"
        is_of = values.ndim > 1 and len(values) == d.shape[-1] if units else values.shape[-1:] == d.shape[-1:]
        if not is_of:
            raise InputError(f"rate and distortion: {name} has shape {found}, D {list(d.shape)}; give {wanted}")
