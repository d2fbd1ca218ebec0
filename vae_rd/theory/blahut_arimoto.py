"""R(D) of any finite source and distortion matrix, to a certified gap, in nats.

At slope -b the reproduction q minimises F(q) = -sum_i p_i ln S_i, S_i = sum_j q_j exp(-b d_ij). One Blahut-Arimoto
sweep is q_j <- q_j c_j with c_j = sum_i p_i exp(-b d_ij) / S_i, and Csiszar's bounds hold at every q:

    F - max_j ln c_j  <=  min I + b D  <=  I + b D of the sweep's channel  =  F - sum_j q_j c_j ln c_j

Sweeps crawl where c_j is close to 1 at a q_j close to 0 (a letter about to enter), and where letters nearly coincide.
F is convex, so its optimality conditions c_j + s_j = 1, q_j s_j = 0, q, s >= 0 are solved by a primal-dual interior
point instead, in ten to thirty Newton steps whatever the source; the sweep and the bounds stay, as the certificate.

Source: Blahut 1972, IEEE Trans. Inf. Theory 18(4); Csiszar 1974, "On the computation of rate-distortion functions",
IEEE Trans. Inf. Theory 20(1); Mehrotra 1992, SIAM J. Optim. 2(4), for the predictor and corrector.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.special import rel_entr

from vae_rd.errors import InputError
from vae_rd.theory.inputs import Array, ArrayLike, finite, positive, probabilities

LIMIT = 200  # Newton steps; hard cases took 50
RIDGE = 1e-13  # relative; keeps the Newton matrix of coinciding letters definite
BOUNDARY = 0.995  # share of the way to q = 0 or s = 0 that a step may go


class RatePoint(NamedTuple):
    """The point where the line of slope -b touches R(D).

    Attributes:
        rate: I(X; Y), nats, of the channel p(j|i) = q_j exp(-b d_ij) / S_i.
        distortion: E d of that channel.
        reproduction: the channel's marginal over letters, [M].
        gap: rate + b distortion exceeds its minimum by at most this, nats.
        steps: Newton steps done.
    """

    rate: float
    distortion: float
    reproduction: Array
    gap: float
    steps: int


def blahut_arimoto(p: ArrayLike, distortion: ArrayLike, *, slope: float, tolerance: float = 1e-10) -> RatePoint:
    """min over channels of I(X; Y) + b E d(X, Y), b = slope.

    The gap certifies that sum; where R(D) has a straight piece of slope -b, any of its points may be returned.

    Args:
        p: the source, [N]; letters of probability 0 are dropped.
        distortion: d_ij between source letter i and reproduction letter j, [N, M].
        slope: b = -dR/dD > 0, nats per unit of distortion.
        tolerance: gap, in nats, at which it stops.

    Raises:
        InputError: when a shape or a number is out of range, or rounding stops it short of the tolerance.

    Example:
        >>> point = blahut_arimoto([0.3, 0.7], 1 - np.eye(2), slope=2.0)
        >>> point.rate, point.distortion
        (0.245530..., 0.119202...)
    """
    source, table = probabilities(p), finite(distortion, name="distortion", dims=2)
    if len(table) != len(source):
        raise InputError(f"p has {len(source)} letters, distortion {len(table)} rows; give one row a letter")
    b = positive(slope, name="slope")
    positive(tolerance, name="tolerance")
    there = source > 0
    source, table = source[there], table[there]
    # A factor for each row cancels in p(j|i): taking out the nearest letter's keeps every S_i from underflow.
    kernel = np.exp(-b * (table - table.min(1, keepdims=True)))
    q, gap, steps = _minimise(source, kernel, tolerance)
    if gap > tolerance:
        raise InputError(
            f"blahut_arimoto stopped at a gap of {gap:.1e}; give a tolerance above that, not {tolerance:g}"
        )
    return _point(source, table, kernel, q, gap, steps)


def _minimise(p: Array, kernel: Array, tolerance: float) -> tuple[Array, float, int]:
    """The best q met on the way, its gap, and the steps done."""
    letters = kernel.shape[1]
    q, s = np.full(letters, 1 / letters), np.full(letters, 0.01)
    best, best_gap = q, np.inf
    for step in range(LIMIT + 1):
        normalised = q / q.sum()
        gap = _gap(normalised, _correction(p, kernel, normalised))
        if gap < best_gap:
            best, best_gap = normalised, gap
        if best_gap <= tolerance or step == LIMIT:
            break
        q, s = _newton_step(p, kernel, q, s)
    return best, best_gap, step


def _correction(p: Array, kernel: Array, q: Array) -> Array:
    """c_j, the factor of one Blahut-Arimoto sweep, [M]."""
    return kernel.T @ (p / (kernel @ q))


def _gap(q: Array, c: Array) -> float:
    """Csiszar's upper less his lower bound: max_j ln c_j - KL(q c || q)."""
    return float(np.log(c.max()) - rel_entr(q * c, q).sum())


def _newton_step(p: Array, kernel: Array, q: Array, s: Array) -> tuple[Array, Array]:
    """One predictor-corrector step toward c + s = 1, q s = 0."""
    sums = kernel @ q
    excess = kernel.T @ (p / sums) - 1
    weighted = kernel * (np.sqrt(p) / sums)[:, None]
    hessian = weighted.T @ weighted
    hessian[np.diag_indices_from(hessian)] += s / q
    scale = 1 / np.sqrt(np.diag(hessian))
    hessian *= scale
    hessian *= scale[:, None]
    hessian[np.diag_indices_from(hessian)] = 1 + RIDGE
    factor = linalg.cho_factor(hessian, overwrite_a=True)

    def direction(target: Array) -> tuple[Array, Array]:
        dq = scale * linalg.cho_solve(factor, scale * (excess + target / q))
        return dq, (target - s * dq) / q - s

    dq, ds = direction(np.zeros_like(q))
    reached = (q + _length(q, dq) * dq) @ (s + _length(s, ds) * ds)
    mean = q @ s / len(q)
    dq, ds = direction((reached / (q @ s)) ** 3 * mean - dq * ds)
    return q + _length(q, dq) * dq, s + _length(s, ds) * ds


def _length(values: Array, step: Array) -> float:
    """How far to go so that values stay above 0, at most 1."""
    falling = step < 0
    return min(1.0, BOUNDARY * float((-values[falling] / step[falling]).min(initial=np.inf)))


def _point(p: Array, table: Array, kernel: Array, q: Array, gap: float, steps: int) -> RatePoint:
    """Rate and distortion of the channel that one sweep from q ends in."""
    channel = kernel * q / (kernel @ q)[:, None]
    marginal = p @ channel
    rate = p @ rel_entr(channel, marginal).sum(1)
    return RatePoint(float(rate), float(p @ (channel * table).sum(1)), marginal, gap, steps)
