"""From which beta a latent unit is worth its rate, before anything is trained: the linear beta-VAE of a data set.

Let l_i be the eigenvalues of Cov(x_j / s_j), s_j^2 the noise variance that p(x|z) has for value j once it ignores z.
With a fixed s unit i is on iff l_i > beta, and then carries 0.5 ln(l_i / beta) nats. Where one scale is learned with
the rest, s^2 falls as units go on: in units of its value at the collapse they see the level c in the place of beta,

    beta = c (n values) / (sum_{i <= K} min(l_i, c) + sum_{i > K} l_i),          the sum of all l_i being n

so that l_1 is where all units go off either way. This is exact for Gaussian data under Gaussian likelihoods of one
scale (`linear_vae`). Elsewhere, as under Bernoulli pixels, it is the linearisation about the collapsed state: whose
stability is lost at l_1 by any smooth encoder and decoder, and whose rates are those of small rates.

Source: Lucas et al. 2019, "Don't Blame the ELBO!", arXiv 1911.02469; Rolinek et al. 2019, arXiv 1812.06775.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vae_rd.theory.inputs import ROUNDING, Array, positive, whole

ABOVE_COLLAPSE = 1.1  # Of the level at which the first unit goes on: there none is.
BELOW_LAST = 0.5  # Of that of the last one, which has 0.35 nat there.


@dataclass(frozen=True)
class Forecast:
    """What a linear VAE of a data set does at every beta.

    Attributes:
        eigenvalues: l_i, the largest first, as many as there are units to carry them.
        values: of one x, where the scale of p(x|z) is learned; None where it is fixed.
        n: of how many training examples.
        source: what they are eigenvalues of.

    Example:
        >>> forecast = Forecast((8.0, 4.0, 1.0))
        >>> forecast.collapse_beta, forecast.units(2.0), round(forecast.rate(2.0), 6)
        (8.0, 2, 1.039721)
        >>> Forecast((8.0, 4.0, 1.0), values=20).units(4.0)
        2
    """

    eigenvalues: tuple[float, ...]
    values: int | None = None
    n: int | None = None
    source: str = ""

    @property
    def collapse_beta(self) -> float:
        """The beta from which on no unit is on: l_1."""
        return self.eigenvalues[0]

    def units(self, beta: float) -> int:
        """How many units are on: those with l_i > beta, or the level that it stands for."""
        return int((self._spectrum > self._level(beta)).sum())

    def rate(self, beta: float) -> float:
        """R in nats, the sum over units of 0.5 ln(l_i / beta) where that is positive; infinite at beta 0."""
        return self._rate(self._level(beta))

    def beta_at(self, rate: float) -> float:
        """The beta at which R is this: with k units on R = 0.5 (sum_{i <= k} ln l_i - k ln c).

        Args:
            rate: nats, above 0.

        Raises:
            InputError: when it is not.

        Example:
            >>> round(Forecast((8.0, 4.0, 1.0)).beta_at(1.039721), 6)
            2.0
        """
        rate = positive(rate, name="rate")
        on = sum(self._rate(value) < rate for value in self.eigenvalues)
        return self._beta(math.exp((float(np.log(self._spectrum[:on]).sum()) - 2 * rate) / on))

    def betas(self, count: int) -> list[float]:
        """Values of beta from one just above the collapse to one at which all units are on, evenly spaced in rate.

        Args:
            count: how many, 2 or more.

        Raises:
            InputError: when they are fewer.

        Example:
            >>> forecast = Forecast((8.0, 4.0))
            >>> found = forecast.betas(4)
            >>> [round(beta, 3) for beta in found], [round(forecast.rate(beta), 3) for beta in found]
            ([8.8, 4.0, 2.828, 2.0], [0.0, 0.347, 0.693, 1.04])
        """
        count, spectrum = whole(count, name="count", least=2), self._spectrum
        last = spectrum[spectrum > ROUNDING * spectrum[0]][-1]
        rates = np.linspace(0.0, self._rate(BELOW_LAST * last), count)[1:]
        return [self._beta(ABOVE_COLLAPSE * spectrum[0]), *(self.beta_at(rate) for rate in rates)]

    @property
    def _spectrum(self) -> Array:
        return np.asarray(self.eigenvalues, np.float64)

    def _rate(self, level: float) -> float:
        on = self._spectrum[self._spectrum > level]
        return math.inf if level == 0 and len(on) else float(0.5 * np.log(on / level).sum()) if len(on) else 0.0

    def _beta(self, level: float) -> float:
        if self.values is None:
            return float(level)
        spectrum = self._spectrum
        return float(self.values * level / (self.values - np.maximum(spectrum - level, 0.0).sum()))

    def _level(self, beta: float) -> float:
        """The inverse of `_beta`, by the root of `linear_vae.learned_s2`; 0 where the scale shrinks without end."""
        if self.values is None:
            return beta
        saturated = beta * np.arange(len(self.eigenvalues) + 1)
        tails = np.maximum(self.values - np.append(0.0, np.cumsum(self.eigenvalues)), 0.0)
        if ((tails <= ROUNDING * self.values) & (saturated <= self.values)).any():
            return 0.0
        below = saturated < self.values
        return float(beta * (tails[below] / (self.values - saturated[below])).min())
