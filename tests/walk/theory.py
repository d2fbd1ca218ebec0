"""Closed forms, called from Python."""

from functools import partial

import numpy as np

from vae_rd.theory import blahut_arimoto as ba
from vae_rd.theory import discrete, fano, gaussian, linear_decoder, linear_vae, ppca, sphere, toy_channel

from walk.steps import Step, limited, step

EYE, ZERO = np.eye(3), np.zeros(3)
fit = partial(ppca.fit, latent_dim=1)
CURVE = {"covariance": EYE, "mean": ZERO}
SCENES = partial(discrete.scenes_entropy, shapes=1)
HAMMING = [[0.0, 1.0], [1.0, 0.0]]
KNOWN = np.diag([3.0, 2.0, 1.0])

STEPS: list[Step] = [
    step("give a non-empty array of 1 dimensions", lambda: discrete.entropy([]), lambda: discrete.entropy([1.0])),
    step("give finite numbers", lambda: discrete.entropy([np.nan]), lambda: discrete.entropy([1.0])),
    step("give probabilities", lambda: discrete.entropy([0.5, 0.4]), lambda: discrete.entropy([0.5, 0.5])),
    step("give a probability", lambda: discrete.binary_entropy(1.5), lambda: discrete.binary_entropy(1.0)),
    step(
        "give a probability of error, 0 or more",
        lambda: discrete.bernoulli_rate(0.3, distortion=-0.1),
        lambda: discrete.bernoulli_rate(0.3, distortion=0.0),
    ),
    step(
        "give one of 0 to ln K, K from 2 on",
        lambda: fano.largest_accuracy(1.0, label_entropy=1.0, classes=2),
        lambda: fano.largest_accuracy(1.0, label_entropy=0.5, classes=2),
    ),
    step(
        "give a number of nats",
        lambda: fano.largest_accuracy(float("nan"), label_entropy=0.5, classes=2),
        lambda: fano.largest_accuracy(0.1, label_entropy=0.5, classes=2),
    ),
    step(
        "give how often each item occurs, 1 or more",
        lambda: discrete.duplicates_entropy([0, 2]),
        lambda: discrete.duplicates_entropy([1, 2]),
    ),
    step(
        "give p_c = 0 for c above 2",
        lambda: SCENES([0.5, 0.25, 0.0, 0.25], cells=2),
        lambda: SCENES([0.5, 0.5, 0.0, 0.0], cells=2),
    ),
    step(
        "give a whole number of at least 1",
        lambda: SCENES([0.5, 0.5], cells=0.5),
        lambda: SCENES([0.5, 0.5], cells=1),
    ),
    step(
        "give a finite number above 0",
        lambda: gaussian.at_level([1.0], level=0.0),
        lambda: gaussian.at_level([1.0], level=0.5),
    ),
    step(
        "give variances, one of them above 0",
        lambda: gaussian.at_level([0.0], level=1.0),
        lambda: gaussian.at_level([1.0, 0.0], level=1.0),
    ),
    step(
        "give one above 0 and up to the trace, 2",
        lambda: gaussian.at_squared_error([1.0, 1.0], squared_error=3.0),
        lambda: gaussian.at_squared_error([1.0, 1.0], squared_error=2.0),
    ),
    step("give [n, n] and [n]", lambda: fit(EYE, ZERO[:2]), lambda: fit(EYE, ZERO)),
    step(
        "give E[(x - mean)(x - mean)^T]",
        lambda: fit(EYE + np.eye(3, k=1), ZERO),
        lambda: fit(EYE + np.eye(3, k=1) / 2 + np.eye(3, k=-1) / 2, ZERO),
    ),
    step(
        "give a positive semi-definite matrix", lambda: fit(np.diag([2.0, 1.0, -1.0]), ZERO), lambda: fit(KNOWN, ZERO)
    ),
    step("give fewer", lambda: ppca.fit(KNOWN, ZERO, latent_dim=3), lambda: ppca.fit(KNOWN, ZERO, latent_dim=2)),
    step(
        "give [N, n], [n, k] and [n]",
        lambda: ppca.log_likelihood([[0.0]], weights=[[0.6], [0.6]], offset=[0.0], s2=1.0),
        lambda: ppca.log_likelihood([[0.0]], weights=[[0.6]], offset=[0.0], s2=1.0),
    ),
    step(
        "give a larger beta, fewer units, or a fixed s2",
        lambda: linear_vae.learned_s2([2.0, 1.0], beta=1.0, latent_dim=2),
        lambda: linear_vae.learned_s2([2.0, 1.0], beta=2.0, latent_dim=2),
        lambda: linear_vae.learned_s2([2.0, 1.0], beta=1.0, latent_dim=1),
        lambda: linear_vae.optimum([2.0, 1.0], s2=0.1, beta=1.0, latent_dim=2),
    ),
    step(
        "give inverse temperatures of 0 or more",
        lambda: linear_decoder.squared_error_curve(EYE, ZERO, b=[-1.0], **CURVE),
        lambda: linear_decoder.squared_error_curve(EYE, ZERO, b=[0.0], **CURVE),
    ),
    step(
        "give [n, k], [n] and [n]",
        lambda: linear_decoder.squared_error_curve(EYE, ZERO[:2], b=[1.0], **CURVE),
        lambda: linear_decoder.squared_error_curve(EYE, ZERO, b=[1.0], **CURVE),
    ),
    step(
        "give |x|",
        lambda: sphere.log_density(-1.0, dimension=2, variance=0.1),
        lambda: sphere.log_density(1.0, dimension=2, variance=0.1),
    ),
    step(
        "give at least 1/variance = 10",
        lambda: sphere.at_weight(dimension=2, variance=0.1, weight=9.0),
        lambda: sphere.at_weight(dimension=2, variance=0.1, weight=10.0),
    ),
    step(
        "give at most 1000",
        lambda: sphere.differential_entropy(dimension=1001, variance=0.1),
        lambda: sphere.differential_entropy(dimension=1000, variance=0.1),
    ),
    step(
        "give one between 0 and 1",
        lambda: toy_channel.toy_channel(probability=1.0),
        lambda: toy_channel.toy_channel(probability=0.5),
    ),
    step(
        "give one row a letter",
        lambda: ba.blahut_arimoto([0.5, 0.5], [[0.0, 1.0]], slope=1.0),
        lambda: ba.blahut_arimoto([0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], slope=1.0),
    ),
    step(
        "give a tolerance above that",
        limited(ba, "LIMIT", 1, lambda: ba.blahut_arimoto([0.3, 0.7], HAMMING, slope=1.0)),
        limited(ba, "LIMIT", 1, lambda: ba.blahut_arimoto([0.3, 0.7], HAMMING, slope=1.0, tolerance=1.0)),
    ),
]
