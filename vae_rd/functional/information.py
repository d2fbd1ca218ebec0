"""Mutual information I_q(X; Z) from the aggregate posterior over all N examples of a split, in float64.

With B = N, the whole split, as reference set for every draw z_i ~ q(z|x_i):

    InfoNCE        E[ln q(z_i|x_i) - ln (1/N) sum_j q(z_i|x_j)]               <= ln N
    leave-one-out  E[ln q(z_i|x_i) - ln (1/(N-1)) sum_{j != i} q(z_i|x_j)]

InfoNCE is an unbiased estimate (over z) of I under the split's empirical distribution; where the split is an iid sample
that the encoder was not fitted to, the two bracket the population's I in expectation.

Time is M N for draws of M of the examples. It is the draws that are cut where N is large, never the references: a mean
over M examples at random has the expectation of one over all, whatever M is, and its standard error is honest, since no
two draws share noise but that of the split. With fewer references InfoNCE would be of something else, capped at their
logarithm, below I of the split by an unknown bias that M leaves as it is.

Source: Poole et al. 2019, "On Variational Bounds of Mutual Information", arXiv 1905.06922.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

ROWS, COLUMNS = 1024, 1024  # Of one float64 table of pairs: large enough for fast products, small enough for caches.
NOTHING = -700.0  # e to this is nothing beside 1 in float64; below -708 processors take six times as long for it.

# How the parts of a computation are carried out: (count, work) to [work(0), ..., work(count - 1)].
Parts = Callable[[int, Callable[[int], Tensor]], list[Tensor]]
# Some of the N examples to the map of z [R, D] to ln q(z_i|x_j) of these, [R, C].
Pairs = Callable[[slice], Callable[[Tensor], Tensor]]


class TwoSided(NamedTuple):
    """Per-draw values whose means are the two estimates, both [S, M] float64.

    Their spread over examples is the estimates' own: an example also enters everyone's reference set, but to first
    order that pull is the integral of q(z|x_j), which is 1 whatever x_j is.
    """

    lower: Tensor
    leave_one_out: Tensor


def in_turn(count: int, work: Callable[[int], Tensor]) -> list[Tensor]:
    """The results of `work` for 0, ..., count - 1, one after another."""
    return [work(part) for part in range(count)]


def two_sided_information(
    z: Tensor, pairs: Pairs, n: int, *, index: Tensor | None = None, parts: Parts = in_turn
) -> TwoSided:
    """InfoNCE and leave-one-out values of M examples, every one against all N.

    Args:
        z: draws of each of the M, [S, M, D], float64 where densities lose digits in less.
        pairs: ln q of any of the N examples.
        n: N.
        index: which of the N the M are, [M]; None where z are of all, in their order.
        parts: carries out the parts that the work falls into, as `in_turn` does; several processes may share them out.

    Example:
        >>> mu, sigma = torch.tensor([[-50.0], [50.0]]), torch.ones(2, 1)
        >>> pairs = lambda some: lambda z: pairwise_log_density(z, normal_table(mu[some], sigma[some]))
        >>> values = two_sided_information(mu[None], pairs, 2)
        >>> round(values.lower.mean().item() - math.log(2), 6)
        0.0
    """
    index = torch.arange(n, device=z.device) if index is None else index.to(z.device)
    draws = [_one_draw(draw, pairs, n, index, parts) for draw in z]
    return TwoSided(*(torch.stack(values) for values in zip(*draws, strict=True)))


def categorical_information(q: Tensor, *, draws: int, index: Tensor | None = None) -> TwoSided:
    """The same of posteriors over K states, where the mean over z is a sum and takes no draws.

    Args:
        q: probabilities q(z = k|x_i), [N, K].
        draws: S, over which the values are the same.
        index: whose values are asked for, [M]; None for all.

    Example:
        >>> values = categorical_information(torch.eye(2), draws=1)
        >>> values.lower.mean().item() == math.log(2)
        True
    """
    q, n = q.double(), len(q)
    total, others = q.sum(0), _sums_of_others(q) / max(n - 1, 1)
    if index is not None:
        q, others = (values[index.to(q.device)] for values in (q, others))
    own = torch.special.xlogy(q, q).sum(1)
    lower, upper = own - torch.special.xlogy(q, total / n).sum(1), own - torch.special.xlogy(q, others).sum(1)
    return TwoSided(lower.expand(draws, len(q)), upper.expand(draws, len(q)))


def _sums_of_others(q: Tensor) -> Tensor:
    """sum_{j != i} q_j, [N, K], by the sums before and after i: the total less q_i loses what little others have."""
    nothing = torch.zeros_like(q[:1])
    after = torch.cat([nothing, q.flip(0)[:-1].cumsum(0)]).flip(0)
    return torch.cat([nothing, q[:-1].cumsum(0)]) + after


def normal_table(mu: Tensor, sigma: Tensor) -> Tensor:
    """What ln q(z_i|x_j) of N diagonal normals takes for any z: weights of 1, z and z^2, [1 + 2 D, N].

    Args:
        mu: means, [N, D] float64.
        sigma: standard deviations, [N, D] float64.
    """
    precision = sigma.reciprocal().square()
    constant = -(0.5 * mu.square() * precision + sigma.log() + 0.5 * math.log(2 * math.pi)).sum(1)
    return torch.cat([constant[None], (mu * precision).T, -0.5 * precision.T])


def pairwise_log_density(z: Tensor, table: Tensor) -> Tensor:
    """ln q(z_i|x_j) of diagonal normals for all pairs, as one matrix product, [M, N] nats.

    Args:
        z: [M, D] float64. The expanded square loses digits where sigma is small: float32 errs by a nat.
        table: from `normal_table`.
    """
    return torch.cat([torch.ones_like(z[:, :1]), z, z.square()], 1) @ table


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
    most, total = _summed(table.scatter_(1, index[:, None], -math.inf))
    return own, most + total.log()


def _summed(table: Tensor) -> tuple[Tensor, Tensor]:
    """The largest value of each row, and the sum of e^(value - largest), from a table that it overwrites."""
    most = table.amax(1)
    below = table.sub_(most.clamp_min(torch.finfo(table.dtype).min)[:, None])  # A row may hold nothing but -inf.
    return most, below.clamp_min_(NOTHING).exp_().sum(1)


def _one_draw(z: Tensor, pairs: Pairs, n: int, index: Tensor, parts: Parts) -> tuple[Tensor, Tensor]:
    """The two [M] vectors of `TwoSided` for one draw of each of M examples, [M, D]."""
    rows = torch.arange(len(z), device=z.device).split(ROWS)

    def of_rows(part: int) -> Tensor:
        return torch.stack(_own_and_others_of_all(z[rows[part]], pairs, n, index[rows[part]]))

    own, log_others = torch.cat([values.to(z) for values in parts(len(rows), of_rows)], 1)
    log_all = torch.logaddexp(log_others, own)
    return own - log_all + math.log(n), own - log_others + math.log(max(n - 1, 1))


def _own_and_others_of_all(z: Tensor, pairs: Pairs, n: int, index: Tensor) -> tuple[Tensor, Tensor]:
    """`own_and_others` of draws [R, D] against all N examples, so many columns at a time."""
    own, largest, total = z.new_empty(len(z)), z.new_full((len(z),), -math.inf), z.new_zeros(len(z))
    for start in range(0, n, COLUMNS):
        table = pairs(slice(start, start + COLUMNS))(z)
        [here] = ((index >= start) & (index < start + COLUMNS)).nonzero(as_tuple=True)
        own[here] = table[here, index[here] - start]
        table[here, index[here] - start] = -math.inf
        before, (most, added) = largest, _summed(table)
        largest = torch.maximum(before, most)
        base = largest.clamp_min(torch.finfo(z.dtype).min)
        total = total * (before - base).exp() + added * (most - base).exp()
    return own, largest + total.log()
