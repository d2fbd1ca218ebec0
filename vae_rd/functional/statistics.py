"""Means with standard errors, from per-example values; differences stay paired because their values are subtracted."""

from __future__ import annotations

import math

from torch import Tensor

POPULATION_SAMPLES = 8  # A population's standard errors come from the spread over draws, which takes several.


def over_draws(values: Tensor) -> Tensor:
    """Mean over the draws of each example; of one draw its values, as a mean takes 0.3 % of a small training step.

    Args:
        values: [S, B].

    Returns:
        [B].

    Example:
        >>> import torch
        >>> over_draws(torch.tensor([[1.0, 2.0], [3.0, 4.0]])), over_draws(torch.tensor([[1.0, 2.0]]))
        (tensor([2., 3.]), tensor([1., 2.]))
    """
    return values.squeeze(0) if len(values) == 1 else values.mean(0)


def mean_and_stderr(values: Tensor, *, population: bool) -> tuple[float, float]:
    """Mean over draws and examples with its standard error.

    Where the N examples are the whole population only z is random, and the examples' own variances over the S draws
    add up; otherwise the examples are a sample, and the variance between them carries both x and z:

        population:  se^2 = (1/N^2) sum_n var_s(v_sn) / S          sample:  se^2 = var_n(mean_s v_sn) / N

    Args:
        values: [S, N], one value per draw of z and example.
        population: whether the examples are the whole source.

    Returns:
        mean and standard error; the latter is nan where it takes more draws or examples than there are.

    Example:
        >>> import torch
        >>> mean_and_stderr(torch.tensor([[0.0, 2.0, 4.0]]), population=False)
        (2.0, 1.1547005383792515)
    """
    draws, n = values.shape
    values = values.double()
    if population:
        variance = values.var(0).mean().item() / (n * draws) if draws > 1 else math.nan
    else:
        variance = values.mean(0).var().item() / n if n > 1 else math.nan
    return values.mean().item(), math.sqrt(variance)


def stderr_along_cycle(values: Tensor) -> float:
    """Standard error of the mean of values along a closed cycle, of which only neighbours depend on each other.

    Such are f(a_i, a_{i-1}) of independent a_i, each of which enters two of them: with d_i = values_i - mean

        se^2 = (var + 2 cov(values_i, values_{i+1})) / N,   estimated by   sum_i (d_i^2 + 2 d_i d_{i+1}) / (N (N - 3))

    which has the expectation se^2 for every N > 3. Where the estimate is not positive, as of few values it may be, the
    most that it can be stands in its place: neighbours of such values correlate by a half at most, se^2 <= 2 var / N.

    Args:
        values: in the order of the cycle, whose last and first are neighbours, [N].

    Returns:
        the standard error; nan of one value.

    Example:
        >>> import torch
        >>> round(stderr_along_cycle(torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0, 0.0])), 4)
        0.1667
    """
    n = len(values)
    deviations = values.double() - values.double().mean()
    products = (deviations * (deviations + 2 * deviations.roll(-1))).sum().item()
    variance = products / (n * (n - 3)) if n > 3 else 0.0
    most = 2 * deviations.square().sum().item() / (n * (n - 1)) if n > 1 else math.nan
    return math.sqrt(variance if variance > 0 else most)


def variance_by_shared_draws(shares: Tensor) -> float:
    """Variance of the mean over examples of ln mean_k w_kn by draws k that are the same for all examples n.

    To first order in the mean weights the mean of the logarithms moves with sum_g (a_g - 1/G), where a_g, the mean over
    examples of group g's share of the weights, adds up independent draws:

        G / (G - 1) sum_g (a_g - 1/G)^2

    Args:
        shares: of G equally large groups of draws in the sum of weights of each example, [G, N].

    Returns:
        nats squared; nan for a single group.

    Example:
        >>> import torch
        >>> variance_by_shared_draws(torch.tensor([[0.75, 0.75], [0.25, 0.25]]))
        0.25
    """
    groups = len(shares)
    mean = shares.double().mean(1)
    return (mean - 1 / groups).square().sum().item() * groups / (groups - 1) if groups > 1 else math.nan


def mean_and_stderr_of_estimates(values: Tensor, variances: Tensor, *, population: bool) -> tuple[float, float]:
    """Mean over examples, each known up to a variance of its own, with its standard error.

        population:  se^2 = (1/N^2) sum_n variance_n               sample:  se^2 = var_n(values) / N

    A sample's spread holds the examples' own variances already.

    Args:
        values: one estimate per example, [N].
        variances: over the draws behind each estimate, [N].
        population: whether the examples are the whole source.

    Returns:
        mean and standard error; the latter is nan for a sample of one.

    Example:
        >>> import torch
        >>> mean_and_stderr_of_estimates(torch.tensor([1.0, 3.0]), torch.tensor([0.5, 0.5]), population=True)
        (2.0, 0.5)
    """
    if not population:
        return mean_and_stderr(values[None], population=False)
    return values.double().mean().item(), math.sqrt(variances.double().sum().item()) / len(values)
