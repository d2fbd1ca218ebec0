"""p(x|z) of a decoder that returns numbers: stated by whoever asks, since a loss alone does not say it.

gaussian   N(x; mean, s^2)                 D = SSE / (2 s^2) + N ln(2 pi s^2) / 2
laplace    exp(-|x - mean| / b) / (2 b)    D = SAE / b + N ln(2 b)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.distributions import Distribution

from vae_rd.errors import InputError
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.likelihoods.gaussian import GaussianLikelihood
from vae_rd.model.likelihoods.laplace import LaplaceLikelihood

Observation = Callable[[Tensor], Distribution]
FAMILIES: Mapping[str, Callable[[float], Likelihood]] = {"gaussian": GaussianLikelihood, "laplace": LaplaceLikelihood}


def observation(likelihood: str | Observation | None, scale: float | None = None) -> Observation:
    """What makes p(x|z) of a decoder's output, [B, C, H, W]; of other shapes take a function of one's own.

    Args:
        likelihood: "gaussian" or "laplace", around the output, or a function of one's own.
        scale: s or b, in the units of x; None for a function.

    Raises:
        InputError: for another word, a scale that is none, or one that nothing would read.

    Example:
        >>> import torch
        >>> round(observation("laplace", 0.5)(torch.zeros(2, 3, 4, 4)).log_prob(torch.zeros(2, 3, 4, 4))[0].item(), 4)
        0.0
    """
    if likelihood is not None and not isinstance(likelihood, str):
        if scale is not None:
            raise InputError(f"scale {scale}: a likelihood of one's own has its scale in itself; leave scale out")
        return likelihood
    if likelihood is None or likelihood not in FAMILIES:
        remedy = "write gaussian or laplace with a scale, or give a function from the decoder's output to p(x|z)"
        raise InputError(f"likelihood {likelihood!r}: this does not say which p(x|z) D is of; {remedy}")
    if scale is None or not (math.isfinite(scale) and scale > 0):
        remedy = "give one above 0, in the units of x; python -m vae_rd.beta says what a loss implies"
        raise InputError(f"scale {scale}: a {likelihood} likelihood has one; {remedy}")
    return FAMILIES[likelihood](scale)


def statement(likelihood: str | Observation | None, p: Observation, values: int) -> dict[str, Any] | None:
    """What D is, for the record; None of a function of one's own, which does not say.

    Args:
        likelihood: as `observation` was given it.
        p: what that made of it.
        values: of one x.

    Example:
        >>> statement("gaussian", observation("gaussian", 0.5), 2)["squared_error_weight"]
        2.0
    """
    return {"family": likelihood, **p.statement(values)} if isinstance(p, Likelihood) else None
