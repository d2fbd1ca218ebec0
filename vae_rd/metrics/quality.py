"""The metrics of a model without q(z|x): how its samples compare with a split, and null for what takes a q(z|x)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from vae_rd.data.dataset import DataSet
from vae_rd.estimators.sample_quality import GROUPS, Scored, laplacian_variance, scores_with_error
from vae_rd.metrics.samples import Components, sample_images, sample_noise, some_of
from vae_rd.metrics.units import unit_metrics
from vae_rd.model.generative import GenerativeModel
from vae_rd.run.record import Json, estimate

MOST = 1_000  # Examples, and as many samples.
DRAWS = 5  # Sets of samples.
LEAST = 2 * GROUPS  # Examples, of which nine tenths have a fifth neighbour.
LEAST_SIDE = 3  # Pixels, of which the Laplacian takes as many.
UNDEFINED = (
    *("distortion", "distortion_monte_carlo", "rate", "rate_monte_carlo", "elbo", "objective"),
    *("mutual_information_leave_one_out", "marginal_kl_lower", "marginal_kl_upper", "decoder_kl"),
)


def sample_metrics(model: GenerativeModel, data: DataSet, split: str, *, seed: int) -> Json:
    """The record's metrics of one split: quality of samples by principal components; what takes q(z|x) is null.

    Args:
        model: in eval mode, on the device of the data.
        data: the data set.
        split: "train", "val" or "test".
        seed: of samples.
    """
    x = data.examples(split, some_of(data, split, MOST))
    draws = [sample_images(model, len(x), noise=sample_noise(model, seed, split, draw)) for draw in range(DRAWS)]
    return undefined(data.card.n[split]) | quality(x, draws, Components.of(data).points, seed=seed)


def undefined(n: int) -> Json:
    """The entries of a record that take a q(z|x), where there is none.

    Args:
        n: examples of the split.
    """
    known = {name: estimate(math.nan, None, n) for name in UNDEFINED}
    lower = estimate(math.nan, None, n, cap=None, kind=None)
    upper = estimate(math.nan, None, n, method=None)
    bounds = {"mutual_information_lower": lower, "mutual_information_upper": upper}
    return known | bounds | unit_metrics(None, None, None, n=n, population=False)


def quality(x: Tensor, draws: Sequence[Tensor], features: Callable[[Tensor], np.ndarray], *, seed: int) -> Json:
    """Entries of a record: each score of samples against examples, by points in a space; and their sharpness.

    Args:
        x: examples, [N, C, H, W].
        draws: samples, [N, C, H, W] each.
        features: images to points, [N, C, H, W] to [N, F].
        seed: of the groups behind standard errors.
    """
    found = scores_with_error(features(x), [features(drawn) for drawn in draws], seed=seed)
    sharp = {"sharpness": sharpness(draws), "data_sharpness": sharpness([x])}
    return {name: estimate(score.value, score.stderr, len(x), resampled="x") for name, score in found.items()} | sharp


def sharpness(draws: Sequence[Tensor]) -> Json:
    """The mean variance of the Laplacian of images, null where they are too small to have one."""
    n = sum(len(x) for x in draws)
    if min(draws[0].shape[-2:]) < LEAST_SIDE:
        return estimate(math.nan, None, n)
    each = np.concatenate([laplacian_variance(x.double().cpu().numpy()) for x in draws])
    score = Scored(float(each.mean()), float(each.std(ddof=1) / len(each) ** 0.5))
    return estimate(score.value, score.stderr, n, resampled="x")
