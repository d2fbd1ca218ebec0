"""Grey levels as counts of L - 1 trials, whose probability is itself drawn: from a peak to both ends at once."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from vae_rd.functional.bounding import bounded
from vae_rd.model.likelihoods.base import IMAGE_DIMS, per_channel
from vae_rd.model.likelihoods.levels import LevelsImage, LevelsLikelihood
from vae_rd.model.nn.whitening import Sample

_MOST = 15.0  # Of |ln(a + b)|: beyond, it is a binomial, or all or nothing, to single precision.


def log_rising(log_a: Tensor, count: Tensor) -> Tensor:
    """ln of a (a + 1) ... (a + count - 1), for whole counts; exact where a itself underflows.

    Example:
        >>> log_rising(torch.tensor(2.0).log(), torch.tensor([0.0, 3.0])).exp()  # 2 * 3 * 4
        tensor([ 1., 24.])
    """
    a = log_a.exp()
    rising = log_a + torch.lgamma(a + count.clamp(min=1)) - torch.lgamma(a + 1)
    return torch.where(count > 0, rising, 0.0)


class BetaBinomialImage(LevelsImage):
    """Independent beta-binomial counts k of n = L - 1 over [C, H, W]: k ~ Binomial(n, p), p ~ Beta(a, b).

    Args:
        logits: of the mean a / (a + b), [..., C, H, W].
        log_total: ln(a + b), of the same shape: how sharp it is.
        levels: L.

    Example:
        >>> p = BetaBinomialImage(torch.zeros(1, 1, 1), torch.full((1, 1, 1), 2.0).log(), 4)  # a = b = 1: uniform.
        >>> p.log_prob(torch.tensor([0.0, 1 / 3, 1.0]).reshape(3, 1, 1, 1)).exp()
        tensor([0.2500, 0.2500, 0.2500])
    """

    def __init__(self, logits: Tensor, log_total: Tensor, levels: int, dims: int = IMAGE_DIMS) -> None:
        super().__init__(logits, levels, dims)
        self.logits, self.log_total = logits, log_total

    @property
    def mean(self) -> Tensor:
        """a / (a + b), [..., C, H, W]."""
        return self.logits.sigmoid()

    def log_mass(self, level: Tensor) -> Tensor:
        """ln of (n over k) (a)_k (b)_(n-k) / (a + b)_n, where (a)_k = a (a + 1) ... (a + k - 1).

        In double precision: the logarithms of the factorials of large a and b differ by little.
        """
        n, k = self.levels - 1, level.double()
        logits, total = self.logits.double(), self.log_total.double()
        choices = math.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
        ups = log_rising(total + F.logsigmoid(logits), k)
        downs = log_rising(total + F.logsigmoid(-logits), n - k)
        return (choices + ups + downs - log_rising(total, torch.full_like(total, n))).to(self.logits)


class BetaBinomialLikelihood(LevelsLikelihood):
    """Beta-binomial grey levels; the trunk gives the logits of means, then ln(a + b)."""

    params_per_value = 2
    starts_at_best = False

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """The mean and the variance of each value, as far as a beta-binomial has such; units are 1."""
        n = self.levels - 1
        mean, variance = self.smoothed(sample)
        share = variance / (mean * (1 - mean))  # (1 + (n - 1) rho) / n, of rho = 1 / (a + b + 1) between 0 and 1.
        least = math.exp(-_MOST)
        rho = ((n * share - 1) / max(n - 1, 1)).clamp(least, 1 - least)
        params = torch.cat([torch.logit(mean), (1 / rho - 1).log()])
        return params, per_channel(params)

    def forward(self, context: Tensor) -> BetaBinomialImage:
        """[..., 2 C, H, W] to a distribution of grey levels."""
        logits, log_total = context.chunk(2, dim=-self.dims)
        return BetaBinomialImage(logits, bounded(log_total, _MOST), self.levels, self.dims)
