"""Mutual information I_q(X; Z) from the aggregate posterior over all examples of a split, in float64.

With B = N, the whole split, as reference set for every draw z_i ~ q(z|x_i):

    InfoNCE        E[ln q(z_i|x_i) - ln (1/N) sum_j q(z_i|x_j)]               <= ln N
    leave-one-out  E[ln q(z_i|x_i) - ln (1/(N-1)) sum_{j != i} q(z_i|x_j)]

InfoNCE is an unbiased estimate (over z) of I under the split's empirical distribution; where the split is an iid sample
that the encoder was not fitted to, the two bracket the population's I in expectation.

Source: Poole et al. 2019, "On Variational Bounds of Mutual Information", arXiv 1905.06922.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK_BYTES = 16 * 2**20  # Of one [chunk, N] float64 table: large enough for fast products, small enough for caches.

# How the parts of a computation are carried out: (count, work) to [work(0), ..., work(count - 1)].
Parts = Callable[[int, Callable[[int], Tensor]], list[Tensor]]


class TwoSided(NamedTuple):
    """Per-draw values whose means are the two estimates, both [S, N] float64.

    Their spread over examples is the estimates' own: an example also enters everyone's reference set, but to first
    order that pull is the integral of q(z|x_j), which is 1 whatever x_j is.
    """

    lower: Tensor
    leave_one_out: Tensor


def in_turn(count: int, work: Callable[[int], Tensor]) -> list[Tensor]:
    """The results of `work` for 0, ..., count - 1, one after another."""
    return [work(part) for part in range(count)]


def two_sided_information(
    z: Tensor, pairwise_log_prob: Callable[[Tensor], Tensor], *, parts: Parts = in_turn
) -> TwoSided:
    """InfoNCE and leave-one-out values of N posteriors, every example against every other.

    Args:
        z: draws of each example, [S, N, D], float64 where densities lose digits in less.
        pairwise_log_prob: z [M, D] to ln q(z_i|x_j) for all N examples, [M, N].
        parts: carries out the parts that the work falls into, as `in_turn` does; several processes may share them out.

    Example:
        >>> mu = torch.tensor([[-50.0], [50.0]])
        >>> table = normal_table(mu, torch.ones(2, 1))
        >>> values = two_sided_information(mu[None], lambda z: pairwise_log_density(z, table))
        >>> round(values.lower.mean().item() - math.log(2), 6)
        0.0
    """
    draws = [_one_draw(draw, pairwise_log_prob, parts) for draw in z]
    return TwoSided(*(torch.stack(values) for values in zip(*draws, strict=True)))


def categorical_information(q: Tensor, *, draws: int) -> TwoSided:
    """The same of posteriors over K states, where the mean over z is a sum and takes no draws.

    Args:
        q: probabilities q(z = k|x_i), [N, K].
        draws: S, over which the values are the same.

    Example:
        >>> values = categorical_information(torch.eye(2), draws=1)
        >>> values.lower.mean().item() == math.log(2)
        True
    """
    q, n = q.double(), len(q)
    others = (q.sum(0) - q).clamp_min(0) / max(n - 1, 1)
    own = torch.special.xlogy(q, q).sum(1)
    lower, upper = own - torch.special.xlogy(q, q.mean(0)).sum(1), own - torch.special.xlogy(q, others).sum(1)
    return TwoSided(lower.expand(draws, n), upper.expand(draws, n))


class NormalTable(NamedTuple):
    """What ln q(z_i|x_j) of N diagonal normals takes for any z: made once, used for all parts of a table.

    Attributes:
        constant: [N].
        linear: of z, [D, N].
        quadratic: of z^2, [D, N].
    """

    constant: Tensor
    linear: Tensor
    quadratic: Tensor


def normal_table(mu: Tensor, sigma: Tensor) -> NormalTable:
    """The table of these means and standard deviations, [N, D] float64 each."""
    precision = sigma.reciprocal().square()
    constant = -(0.5 * mu.square() * precision + sigma.log() + 0.5 * math.log(2 * math.pi)).sum(1)
    return NormalTable(constant, (mu * precision).T, precision.T)


def pairwise_log_density(z: Tensor, table: NormalTable) -> Tensor:
    """ln q(z_i|x_j) of diagonal normals for all pairs, as two matrix products, [M, N] nats.

    Args:
        z: [M, D] float64. The expanded square loses digits where sigma is small: float32 errs by a nat.
        table: from `normal_table`.
    """
    linear = torch.addmm(table.constant, z, table.linear)
    return linear.addmm_(z.square(), table.quadratic, alpha=-0.5)


def own_and_others(table: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """ln q(z_i|x_i) and ln sum_{j != i} q(z_i|x_j) from a table of ln q(z_i|x_j), which it overwrites.

    Apart, because removing the own term from the whole sum afterwards would cancel where it dominates.

    Args:
        table: [M, N] nats.
        index: the column of each row's own example, [M].

    Returns:
        two [M] vectors.

    Example:
        >>> own, others = own_and_others(torch.tensor([[-5.0, 1.0, 1.0]]), torch.tensor([0]))
        >>> own.item(), round(others.item(), 4)
        (-5.0, 1.6931)
    """
    own = table.gather(1, index[:, None]).squeeze(1)
    return own, table.scatter_(1, index[:, None], -math.inf).logsumexp(1)


def _one_draw(z: Tensor, pairwise_log_prob: Callable[[Tensor], Tensor], parts: Parts) -> tuple[Tensor, Tensor]:
    """The two [N] vectors of `TwoSided` for one draw per example, [N, D]."""
    n = len(z)
    rows = torch.arange(n, device=z.device).split(max(1, CHUNK_BYTES // (8 * n)))

    def of_rows(part: int) -> Tensor:
        table = pairwise_log_prob(z[rows[part]])
        return torch.stack(own_and_others(table, rows[part]))

    own, log_others = torch.cat([values.to(z) for values in parts(len(rows), of_rows)], 1)
    log_all = torch.logaddexp(log_others, own)
    return own - log_all + math.log(n), own - log_others + math.log(max(n - 1, 1))
