"""Entropies of finite sources and the binary rate-distortion function, in nats.

Source: Cover & Thomas 2006, "Elements of Information Theory", chapters 2 and 10.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import entr

from vae_rd.errors import InputError
from vae_rd.theory.inputs import ArrayLike, finite, probabilities, whole


def entropy(p: ArrayLike) -> float:
    """H = -sum_i p_i ln p_i, with 0 ln 0 = 0.

    Raises:
        InputError: when p [N] is no probability mass function.

    Example:
        >>> entropy([0.5, 0.5, 0.0])
        0.6931471805599453
    """
    return float(entr(probabilities(p)).sum())


def binary_entropy(p: float) -> float:
    """h(p) = -p ln p - (1 - p) ln(1 - p).

    Raises:
        InputError: when p is outside [0, 1].

    Example:
        >>> binary_entropy(0.7)
        0.6108643020548935
    """
    if not 0 <= p <= 1:
        raise InputError(f"p is {p}; give a probability")
    return float(entr(p) + entr(1 - p))


def bernoulli_rate(p: float, *, distortion: float) -> float:
    """R(D) of Bernoulli(p) under Hamming distortion: h(p) - h(D) below D = min(p, 1 - p), from there on 0.

    Raises:
        InputError: when p is outside [0, 1] or the distortion is below 0.

    Example:
        >>> bernoulli_rate(0.3, distortion=0.1)
        0.2857813...
    """
    whole_rate = binary_entropy(p)
    if not distortion >= 0:
        raise InputError(f"distortion is {distortion}; give a probability of error, 0 or more")
    return whole_rate - binary_entropy(distortion) if distortion < min(p, 1 - p) else 0.0


def duplicates_entropy(group_sizes: ArrayLike) -> float:
    """H of a uniform draw over N items of which some coincide: ln N - (1/N) sum_g g ln g.

    Args:
        group_sizes: how often each distinct item occurs, [G], each at least 1; N is their sum.

    Raises:
        InputError: when a size is no whole number of at least 1.

    Example:
        >>> duplicates_entropy([1, 1, 2]), entropy([0.25, 0.25, 0.5])
        (1.0397207708399179, 1.0397207708399179)
    """
    sizes = finite(group_sizes, name="group_sizes", dims=1)
    if sizes.min() < 1 or (sizes != np.round(sizes)).any():
        raise InputError(f"group_sizes start at {sizes.min():g}; give how often each item occurs, 1 or more")
    total = sizes.sum()
    return float(math.log(total) - (sizes * np.log(sizes)).sum() / total)


def scenes_entropy(count_probabilities: ArrayLike, *, cells: int, shapes: int) -> float:
    """H of scenes with c sprites in distinct cells, each of one shape: H(c) + sum_c p_c ln N_c.

    N_c = C(cells, c) shapes^c scenes have c sprites, and all of them are equally likely.

    Args:
        count_probabilities: p_c for c = 0, 1, ..., [C + 1].
        cells: disjoint places a sprite can be in.
        shapes: kinds of sprite.

    Raises:
        InputError: when the probabilities are none, or more sprites than cells have a probability above 0.

    Example:
        >>> scenes_entropy([0.0, 1.0], cells=4, shapes=2) == math.log(8)
        True
    """
    p = probabilities(count_probabilities, name="count_probabilities")
    places = whole(cells, name="cells", least=1)
    most = int(np.flatnonzero(p)[-1])
    if most > places:
        raise InputError(f"{most} sprites do not fit into {places} cells; give p_c = 0 for c above {places}")
    scenes = [
        math.log(math.comb(places, c)) + c * math.log(whole(shapes, name="shapes", least=1)) for c in range(most + 1)
    ]
    return entropy(p) + float(p[: most + 1] @ scenes)
