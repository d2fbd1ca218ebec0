"""Fano's inequality: how often labels can be told from z at most, given what z knows of x; in nats.

Source: Cover & Thomas 2006, "Elements of Information Theory", theorem 2.10.1.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq

from vae_rd.errors import InputError
from vae_rd.theory.discrete import binary_entropy


def largest_accuracy(information: float, *, label_entropy: float, classes: int) -> float:
    """The largest share of labels y that anyone can tell from z, where I(Z; Y) is at most `information`.

        H(Y) - I(Z; Y) <= h(e) + e ln(K - 1)    for a share e of errors

    Labels depend on x alone, so that I(Z; Y) <= I(X; Z) <= R: at a rate R no probe of a draw of z does better than
    this at I = R. What is told from E[z|x], which is a function of x, no rate bounds.

    Args:
        information: I, nats.
        label_entropy: H(Y), nats.
        classes: K.

    Raises:
        InputError: for fewer than two classes, an entropy that so many classes cannot have, or nan.

    Example:
        >>> round(largest_accuracy(0.0, label_entropy=math.log(10), classes=10), 6)
        0.1
        >>> largest_accuracy(math.log(10), label_entropy=math.log(10), classes=10)
        1.0
    """
    if classes < 2 or not 0 <= label_entropy <= math.log(classes) + 1e-9:
        raise InputError(f"label_entropy is {label_entropy} of {classes} classes; give one of 0 to ln K, K from 2 on")
    if math.isnan(information):
        raise InputError("information is nan; give a number of nats")
    unknown = label_entropy - max(information, 0.0)
    most = 1 - 1 / classes  # Errors of a guess, at which the right side is largest: ln K.

    def excess(e: float) -> float:
        return binary_entropy(e) + e * math.log(classes - 1) - unknown

    if unknown <= 0:
        return 1.0
    return 1 - most if excess(most) <= 0 else 1 - float(brentq(excess, 0.0, most, xtol=1e-12))
