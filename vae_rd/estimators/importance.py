"""ln p(x) of each example by weighted draws: importance sampling with the encoder, and naive sampling from the prior.

With w_k = p(x|z_k) m(z_k) / r(z_k) and z_k ~ r, the estimate ln (1/K) sum_k w_k lies below ln p(x) in expectation and
rises with K; its effective sample size is (sum w)^2 / sum w^2. r = q(z|x) gives L_K, with L_1 = ELBO; r = m(z) gives
the naive estimate, whose draws all examples can share. Both hold memory to a bound, and neither's values depend on it.

Source: Burda et al. 2016, "Importance Weighted Autoencoders", arXiv 1509.00519.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.estimators.memory import cost
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.priors.base import Prior
from vae_rd.model.vae import VAE

CHUNK_BYTES = 8 * 2**20  # Larger tables leave the caches: the elementwise part of a Bernoulli image then takes twice.
PRIOR_BLOCK = 256  # Draws from the prior under one seed; a constant, so that memory bounds leave the stream alone.
GROUPS = 50  # Of draws from the prior, whose spread says how well all of them together know p(x).


class Weighted(NamedTuple):
    """What K weighted draws say of each example, float64.

    Attributes:
        log_p: ln (1/K) sum_k w_k, [N], nats.
        ess: (sum w)^2 / sum w^2, between 1 and K, [N].
        log_needed: ln of the number of draws from the prior at which the naive estimate of p(x) has relative standard
            error 1, ln E_m[p(x|z)^2] / p(x)^2, from the same draws, [N]. An estimate, low in expectation where few
            draws carry the weight. Exactly, that number is one less.
        samples: K.
        shares: of groups of draws in the sum of weights, [groups, N], where the draws are common to all examples; see
            `vae_rd.functional.statistics.variance_by_shared_draws`. Else [0, N].
    """

    log_p: Tensor
    ess: Tensor
    log_needed: Tensor
    samples: int
    shares: Tensor

    @property
    def variance(self) -> Tensor:
        """Variance of log_p over the draws to first order, the relative variance of the mean weight, [N]."""
        return (1 / self.ess - 1 / self.samples).clamp_min(0)


def importance(
    model: VAE, x: Tensor, *, samples: int, noise: torch.Generator, max_bytes: int = CHUNK_BYTES
) -> Weighted:
    """L_K = ln (1/K) sum_k p(x|z_k) m(z_k) / q(z_k|x) with z_k ~ q(z|x), for each example.

    Args:
        model: in eval mode.
        x: images, [N, C, H, W].
        samples: K.
        noise: the stream of the draws, read one example after another.
        max_bytes: bound on the memory of activations; the values do not depend on it.

    Errors:
        InputError: K below 1, or a model in training mode.

    Example:
        >>> from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
        >>> from vae_rd.model.coders import Decoder, Encoder
        >>> from vae_rd.model.nn.mlp import linear_decoder, linear_encoder
        >>> from vae_rd.model.posteriors.diagonal import DiagonalPosterior
        >>> from vae_rd.model.priors.normal import StandardNormalPrior
        >>> encoder = Encoder(linear_encoder((1, 2, 2), ()), DiagonalPosterior(4, latent_dim=2))
        >>> decoder = Decoder(linear_decoder((1, 2, 2), (), latent_dim=2), BernoulliLikelihood())
        >>> model = VAE(encoder, decoder, StandardNormalPrior(2), latent_dim=2).eval()
        >>> importance(model, torch.zeros(3, 1, 2, 2), samples=10, noise=torch.Generator()).log_p.shape
        torch.Size([3])
    """
    return importance_curve(model, x, samples=samples, at=(), noise=noise, max_bytes=max_bytes)[0]


@torch.no_grad()
def importance_curve(
    model: VAE, x: Tensor, *, samples: int, at: Sequence[int], noise: torch.Generator, max_bytes: int = CHUNK_BYTES
) -> tuple[Weighted, Tensor]:
    """`importance` and, from the same draws, L_k at smaller k: the mean over the floor(K/k) disjoint groups of k.

    Args:
        model: in eval mode.
        x: images, [N, C, H, W].
        samples: K.
        at: the smaller numbers k, such as (1, 10, 100, 1000).
        noise: as for `importance`.
        max_bytes: as for `importance`.

    Returns:
        what `importance` returns, and L_k, [len(at), N] nats.
    """
    _check(model, samples, at)
    rows = max(1, max_bytes // sum(cost(model, x)))
    parts = []
    for batch in x.split(max(1, rows // samples)):
        log_px_z, log_ratio = _draws(model, batch, samples, noise, rows)
        sums = _log_sums(log_px_z, log_ratio)
        parts.append(torch.cat([sums, *(_mean_over_groups(log_px_z + log_ratio, k) for k in at)]))
    values = torch.cat(parts, 1)
    return _weighted(values[:3], samples), values[3:]


@torch.no_grad()
def prior_sampling(
    model: GenerativeModel, x: Tensor, *, samples: int, noise: torch.Generator, max_bytes: int = CHUNK_BYTES
) -> Weighted:
    """ln (1/n) sum_i p(x|z_i) with z_i ~ m(z), the same z_i for all examples: one pass of the decoder.

    Sharing z makes the estimates of different examples dependent, which a standard error over x leaves out: `shares`
    has what it takes to add it.

    Args:
        model: in eval mode.
        x: images, [N, C, H, W].
        samples: n.
        noise: seeds the draws.
        max_bytes: bound on the memory of activations; the values do not depend on it.

    Errors:
        InputError: n below 1, or a model in training mode.
    """
    _check(model, samples)
    taken = cost(model, x)
    draws = max(1, max_bytes // (2 * sum(taken)))
    examples = max(1, max_bytes // (2 * min(draws, PRIOR_BLOCK) * taken.pair))
    count = min(GROUPS, samples)
    groups = torch.full((count, 3, len(x)), -math.inf, dtype=torch.float64, device=x.device)
    ends = [samples * (group + 1) // count for group in range(count)]
    done = 0
    for block in _prior_blocks(cast(Prior, model.prior()), samples, x.device, noise):
        while len(block) > 0:
            group = bisect_right(ends, done)
            z, block = block.split([size := min(draws, ends[group] - done, len(block)), len(block) - size])
            likelihood = model.decoder(z[:, None])
            new = [_log_sums(likelihood.log_prob(batch).double(), 0.0) for batch in x.split(examples)]
            groups[group] = torch.logaddexp(groups[group], torch.cat(new, 1))
            done += size
    return _weighted(groups.logsumexp(0), samples)._replace(shares=groups[:, 0].softmax(0))


def check_evaluating(model: GenerativeModel) -> None:
    """Refuse a model in training mode, where p(x|z) may depend on the batch that is scored."""
    if model.training:
        raise InputError("the model is in training mode, where p(x|z) may depend on the batch: call model.eval() first")


def _check(model: GenerativeModel, samples: int, at: Sequence[int] = ()) -> None:
    if min((samples, *at)) < 1 or max((samples, *at)) > samples:
        raise InputError(
            f"samples = {samples}, at = {list(at)}: give whole numbers of draws from 1, none above samples"
        )
    check_evaluating(model)


def _draws(model: VAE, x: Tensor, samples: int, noise: torch.Generator, rows: int) -> tuple[Tensor, Tensor]:
    """ln p(x|z) and ln m(z) - ln q(z|x), each [K, B]; noise is drawn example by example, whatever B is."""
    each = [model.noise(samples, x[i : i + 1], noise) for i in range(len(x))]
    log_px_z, log_ratio = [], []
    for eps in torch.cat(each, 1).split(max(1, rows // len(x))):
        terms = model.terms(x, eps)
        log_px_z.append(terms.log_px_z.double())
        log_ratio.append(terms.log_mz.double() - terms.log_qz.double())
    return torch.cat(log_px_z), torch.cat(log_ratio)


def _prior_blocks(prior: Prior, samples: int, device: torch.device, noise: torch.Generator) -> Iterator[Tensor]:
    """The draws in blocks [<= PRIOR_BLOCK, D], each from a stream of its own."""
    for start in range(0, samples, PRIOR_BLOCK):
        seed = int(torch.randint(2**62, (), generator=noise, device=noise.device))
        z = prior.sample((PRIOR_BLOCK,), generator=torch.Generator(device).manual_seed(seed))
        yield z[: samples - start]


def _log_sums(log_px_z: Tensor, log_ratio: Tensor | float) -> Tensor:
    """ln of sum w, sum w^2 and sum w p(x|z) over the draws [S, B], as [3, B]; log_ratio is ln m(z) - ln r(z)."""
    log_w = log_px_z + log_ratio
    return torch.stack([log_w, 2 * log_w, log_w + log_px_z]).logsumexp(1)


def _mean_over_groups(log_w: Tensor, k: int) -> Tensor:
    """L_k averaged over the disjoint groups of k draws in [K, B], as [1, B]."""
    groups = log_w[: len(log_w) // k * k].unflatten(0, (-1, k))
    return groups.logsumexp(1).mean(0, keepdim=True) - math.log(k)


def _weighted(sums: Tensor, samples: int) -> Weighted:
    log_w, log_square, log_naive = sums
    log_k = math.log(samples)
    log_p = log_w - log_k
    ess, needed = (2 * log_w - log_square).exp(), log_naive - log_k - 2 * log_p
    return Weighted(log_p, ess, needed, samples, shares=log_w.new_empty(0, len(log_w)))
