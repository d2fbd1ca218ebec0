"""Whether two samples are of one law: ranks, and the maximum mean discrepancy."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

PERMUTATIONS = 500


class Auroc(NamedTuple):
    """P(a > b) + P(a = b) / 2 and its standard error; the latter is nan where all pairs go one way."""

    value: float
    stderr: float


def auroc(a: Tensor, b: Tensor) -> Auroc:
    """How often one of a [M] is above one of b [N]: the area under the ROC curve of a rule that calls large values a.

        V_i = P(a_i > b) + P(a_i = b) / 2       W_j = P(a > b_j) + P(a = b_j) / 2       se^2 = var V / M + var W / N

    Where all pairs go one way the formula says 0, which no finite sample can know.

    Source: DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44, 837-845.

    Example:
        >>> found = auroc(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 2.0]))
        >>> round(found.value, 6), round(found.stderr, 6)
        (0.75, 0.288675)
    """
    a, b = a.double(), b.double()
    of_a, of_b = _shares_below(a, b), 1 - _shares_below(b, a)
    value = of_a.mean().item()
    stderr = math.sqrt(of_a.var().item() / len(a) + of_b.var().item() / len(b))
    return Auroc(value, math.nan if value in (0.0, 1.0) else stderr)


def _shares_below(a: Tensor, b: Tensor) -> Tensor:
    """The share of b below each a, equal ones by half."""
    order = b.sort().values
    return (torch.searchsorted(order, a) + torch.searchsorted(order, a, right=True)) / (2 * len(b))


class Share(NamedTuple):
    """A share of one sample below a quantile of another, and its standard error."""

    value: float
    stderr: float


def share_below(a: Tensor, b: Tensor, quantile: float) -> Share:
    """The share of a [M] below this quantile of b [N]: the quantile itself where both are of one law.

    The error is that of a share, and of b's own quantile, to first order as where the laws are one:
    se^2 = p (1 - p) / M + q (1 - q) / N.

    Example:
        >>> share_below(torch.arange(100.0) / 2, torch.arange(100.0), 0.25).value
        0.5
    """
    a, b = a.double(), b.double()
    value = (a < b.quantile(quantile)).double().mean().item()
    variance = value * (1 - value) / len(a) + quantile * (1 - quantile) / len(b)
    return Share(value, math.sqrt(variance))


class Discrepancy(NamedTuple):
    """MMD^2 of two samples, its standard error, and the share of permutations that reach it."""

    value: float
    stderr: float
    p_value: float


def discrepancy(x: Tensor, y: Tensor, *, generator: torch.Generator, permutations: int = PERMUTATIONS) -> Discrepancy:
    """The squared maximum mean discrepancy of equally many x and y, [N, D], 0 in expectation where their law is one.

        MMD^2 = mean_{i != j} h_ij,  h_ij = k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i)

    with k(u, v) = exp(-|u - v|^2 / (2 s^2)), s the median distance of all pairs, or their mean where most are alike.
    The p value counts the permutations of all 2 N points, and the sample itself as one, so that under one law
    P(p <= a) <= a, whatever the kernel.

    Args:
        x: a sample.
        y: another one.
        generator: of the permutations, on the CPU.
        permutations: how many.

    Source: Gretton et al. 2012, "A Kernel Two-Sample Test", JMLR 13.

    Example:
        >>> noise = torch.Generator().manual_seed(0)
        >>> x, y = torch.randn(2, 50, 1, generator=noise)
        >>> discrepancy(x, y + 2, generator=noise).p_value < 0.01
        True
    """
    n = len(x)
    both = torch.cat([x, y]).double()
    distance = torch.cdist(both, both)
    scale = distance[~torch.eye(2 * n, dtype=torch.bool)].median()
    scale = scale if scale > 0 else distance.mean().clamp_min(torch.finfo(distance.dtype).tiny)
    kernel = (-0.5 * (distance / scale).square()).exp().fill_diagonal_(0.0)
    signs = torch.ones(permutations + 1, 2 * n, dtype=torch.float64)
    signs[0, n:] = -1
    for row in signs[1:]:
        row[torch.randperm(2 * n, generator=generator)[n:]] = -1
    # The pairs (i, i) of x with y belong to no h_ij of the sample; of a permutation they are any n pairs.
    values = ((signs @ kernel) * signs).sum(1) / (n * (n - 1))
    crossed = kernel[:n, n:]
    h = kernel[:n, :n] + kernel[n:, n:] - crossed - crossed.T
    rows = (h.sum(1) - h.diagonal()) / (n - 1)
    stderr = math.sqrt(4 * rows.var().item() / n)
    return Discrepancy(rows.mean().item(), stderr, (values >= values[0]).double().mean().item())
