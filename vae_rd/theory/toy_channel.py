"""The toy channel: a source of one binary cause seen through noise and binning, with I(x; z) = 0.5 nat.

z ~ Bernoulli(0.7), h|z ~ N(+-sep/2, 1), x = the bin that h falls into, tails folded into the end bins.

Source: after Alemi et al. 2018, "Fixing a Broken ELBO", arXiv 1711.00464, section 4.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from vae_rd.errors import InputError
from vae_rd.theory.discrete import entropy
from vae_rd.theory.inputs import Array, positive, whole

PROBABILITY = 0.7
SEPARATION = 3.3464365537  # makes I(x; z) = 0.5000000
BINS = 30
MARGIN = 4.0  # standard deviations of the noise that the bins reach beyond either centre


class ToyChannel(NamedTuple):
    """Exact probabilities and what follows from them, nats.

    Attributes:
        edges: inner bin edges, [bins - 1]; x = number of edges at or below h.
        p_z: [2].
        p_x_given_z: [2, bins].
        p_x: [bins].
        entropy: H(x).
        entropy_z: H(z).
        information: I(x; z).
    """

    edges: Array
    p_z: Array
    p_x_given_z: Array
    p_x: Array
    entropy: float
    entropy_z: float
    information: float


def toy_channel(*, probability: float = PROBABILITY, separation: float = SEPARATION, bins: int = BINS) -> ToyChannel:
    """The channel's probabilities: differences of the normal distribution function at the bin edges.

    Args:
        probability: p(z = 1), between 0 and 1.
        separation: distance of the two centres.
        bins: equal bins over [-separation/2 - 4, separation/2 + 4].

    Raises:
        InputError: when an argument is outside its range.

    Example:
        >>> channel = toy_channel()
        >>> round(channel.entropy, 7), round(channel.information, 7)
        (2.8970623, 0.5)
    """
    if not 0 < probability < 1:
        raise InputError(f"probability is {probability}; give one between 0 and 1")
    half = positive(separation, name="separation") / 2
    edges = np.linspace(-half - MARGIN, half + MARGIN, whole(bins, name="bins", least=1) + 1)[1:-1]
    # Seen from the right centre the far bins are the left ones, where ndtr keeps its digits; z = 0 is the mirror image.
    right = np.diff(ndtr(np.concatenate([[-np.inf], edges - half, [np.inf]])))
    p_x_given_z = np.stack([right[::-1], right])
    p_z = np.array([1 - probability, probability])
    p_x = p_z @ p_x_given_z
    noise = sum(weight * entropy(row) for weight, row in zip(p_z, p_x_given_z, strict=True))
    return ToyChannel(edges, p_z, p_x_given_z, p_x, entropy(p_x), entropy(p_z), float(entropy(p_x) - noise))
