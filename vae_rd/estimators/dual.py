"""Certified lower bound on a source's rate-distortion function: Csiszar's dual with a neural u.

For a source p(x), a distortion d >= 0, a weight lambda and any u > 0,

    min_{q(y|x)} [I(X; Y) + lambda E d(X, Y)]  >=  -E ln u(x) - ln sup_y g(y),    g(y) = E[exp(-lambda d(x, y)) / u(x)]

with equality at u(x) = E_Y exp(-lambda d(x, Y)), Y the optimal reproduction.

How the limit is certified. With X(y) = exp(-lambda d(x, y)) / u(x) >= 0, V = -ln u(x) >= 0 and constants a, b > 0,

    E prod_i (1 - a X_i(y)) / (1 - a g(y)) = 1    and    E prod_i (1 + b V_i) / (1 + b E V) = 1    over n fresh x,

so by Markov's inequality each product stays below 1/delta with probability 1 - delta, and each is solved for its mean.
No normal approximation enters and every n is covered; a and b are fixed before the fresh x are drawn, and a network
that keeps u within [2a, 1] keeps aX within 1/2. Of g one needs the limit at its maximiser only, a point that does not
depend on the fresh x: the supremum over y of all limits is above that one, and no union bound over y is paid. As
-ln(1 - aX) <= aX + CURVATURE (aX)^2, the limit is a function of the two moments whose suprema `supremum` finds.

Source: Csiszar 1974, "On an Extremum Problem of Information Theory"; Yang, Mandt 2022, "Towards Empirical Sandwich
Bounds on the Rate-Distortion Function", arXiv 2111.12166. Products as tests of a mean: Waudby-Smith, Ramdas 2024,
"Estimating means of bounded random variables by betting", arXiv 2010.09686.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vae_rd.errors import InputError
from vae_rd.estimators.particles import PILOT, Distortion, Draw, Particles, check_problem, check_settings, fit_particles
from vae_rd.estimators.supremum import ROWS, Moments, Ratio, Supremum, locate_supremum

CONFIDENCE = 0.99
LOG_ODDS = math.log(2 / (1 - CONFIDENCE))  # ln(1/delta): either of the two means may fail, with half the probability.
CURVATURE = 4 * math.log(2) - 2  # (-ln(1 - p) - p) / p^2 increases with p; this is its value at p = 1/2.
WIDTH = 64
LEARNING_RATE = 1e-2
WEIGHT_RATE = 0.03  # Of the ascent in ln w; it falls to 0 along a line.
PARTICLE_STEPS = 500
SWEEPS, LEAST_WEIGHT = 200, 1e-6  # Of an alphabet; a letter at 0 could never return.
DRAWN_SHARE = 0.1  # Of the initial weight, for candidates drawn from the source: particles leave its tails empty.
SPREAD_FACTOR = 3.0  # See `_rate`.


class LogU(nn.Module):
    """ln u(x) = -span sigmoid(MLP(x)), so that u lies within [exp(-span), 1].

    The floor bounds exp(-lambda d) / u in the source's far tails too, where no training sample goes. The ceiling loses
    nothing: the optimal u is a mean of exp(-lambda d) <= 1.

    Args:
        x: points of the source, [n, d], for location and scale.
        span: nats between floor and ceiling.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, x: Tensor, *, span: float) -> None:
        super().__init__()
        self.span = span
        self.register_buffer("shift", x.mean(0))
        self.register_buffer("scale", x.std(0).clamp(min=1e-12))
        hidden = [nn.Linear(x.shape[1], WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, 1)]
        self.layers = nn.Sequential(*hidden).double()

    def forward(self, x: Tensor) -> Tensor:
        """Nats, [N] for x [N, d]."""
        logits: Tensor = self.layers((x - self.shift) / self.scale)
        return -self.span * logits.squeeze(1).sigmoid()


@dataclass(frozen=True)
class DualBound:
    """A lower bound on min I(X; Y) + weight * E d(X, Y), in nats.

    Attributes:
        value: -mean ln u - ln sup_y of the empirical mean of exp(-weight d) / u. The supremum of an empirical mean is
            biased up, so the value is biased down.
        stderr: over the n fresh x, with u and the maximising y held fixed.
        lower_limit: one-sided 99 % limit, distribution-free at every n. It holds if the supremum is global.
        supremum: "enumerated" and "grid" are global; "multi_start" is the largest found, and certifies nothing.
        log_u: the trained network.
    """

    value: float
    stderr: float
    lower_limit: float
    n: int
    weight: float
    supremum: Supremum
    log_u: LogU
    steps: int
    batch: int


class _Game(NamedTuple):
    """A source, and the rate a that the penalty of training and the limit share."""

    draw: Draw
    distortion: Distortion
    weight: float
    generator: torch.Generator
    rate: float


def dual_bound(
    draw: Draw,
    distortion: Distortion,
    *,
    weight: float,
    generator: torch.Generator,
    alphabet: Tensor | None = None,
    particles: int = 200,
    steps: int = 1000,
    batch: int = 2048,
    n_eval: int = 1_000_000,
) -> DualBound:
    """Train u on fresh batches, then bound both means and the supremum with n_eval fresh x.

    Args:
        draw: the source.
        distortion: d(x, y) >= 0; `SquaredError` in up to 3 dimensions makes the supremum global.
        weight: lambda > 0, nats per unit of distortion: minus the slope of R(D).
        generator: all the randomness there is.
        alphabet: every y there is, [K, d], where reproductions are finitely many.
        particles: without an alphabet, the candidates y of training: so many fitted ones and as many draws of x.
        steps: of Adam on u, at a learning rate that falls to 0 along a cosine.
        batch: fresh x a step.
        n_eval: fresh x of the bound. The more there are, the lower the floor of u may be, and the tighter the bound.

    Raises:
        InputError: for settings out of range and for a source or distortion that does not return finite tables.

    Example:
        >>> from vae_rd.estimators.particles import SquaredError
        >>> draw = lambda n, generator: torch.randn(n, 1, generator=generator)
        >>> exact, generator = 0.5 * math.log(4.0) + 0.5, torch.Generator().manual_seed(0)
        >>> sizes = dict(particles=20, steps=200, batch=256, n_eval=50_000)
        >>> bound = dual_bound(draw, SquaredError(), weight=2.0, generator=generator, **sizes)
        >>> bound.supremum, 1.0 < bound.lower_limit < exact
        ('grid', True)
    """
    check_settings(weight=weight, particles=particles, batch=batch, n_eval=n_eval)
    check_problem(draw, distortion, generator)
    if alphabet is None:
        candidates = _candidates(draw, distortion, weight=weight, generator=generator, count=particles)
    else:
        candidates = _letters(draw(PILOT, generator).double(), alphabet, distortion, weight=weight)
    rate = _rate(draw(PILOT, generator).double(), candidates, distortion, weight=weight, n=n_eval)
    log_u = _train(_Game(draw, distortion, weight, generator, rate), candidates, steps=steps, batch=batch)
    pilot = _evaluate(log_u, draw(PILOT, generator).double())
    x = draw(n_eval, generator).double()
    ratio = Ratio(x, _evaluate(log_u, x), distortion, weight)
    y, moments, supremum = locate_supremum(ratio, candidates.positions, enumerated=alphabet is not None)
    value, stderr = _value(ratio, y, moments)
    limit = lower_limit(-ratio.log_u, -pilot) - math.log(upper_limit(moments, rate=rate, n=n_eval))
    return DualBound(value, stderr, limit, n_eval, weight, supremum, log_u, steps, batch)


def lower_limit(values: Tensor, pilot: Tensor) -> float:
    """Lower limit on E V that fails with probability delta: (exp(mean ln(1 + bV) - ln(1/delta)/n) - 1) / b.

    Args:
        values: V >= 0, [n] independent draws.
        pilot: other draws of V, [k], to choose b by: every b is valid, the best one depends on mean and variance.

    Example:
        >>> coins = (torch.rand(2, 10_000, generator=torch.Generator().manual_seed(0)) < 0.5).double()
        >>> 0.47 < lower_limit(coins[0], coins[1]) < 0.5
        True
    """
    n, mean = len(values), max(pilot.mean().item(), 1e-12)
    centred = min(math.sqrt(2 * LOG_ODDS / (n * max(pilot.var().item(), 1e-12))), 0.5 / mean)
    rate = centred / (1 - centred * mean)
    return math.expm1(torch.log1p(rate * values).mean().item() - LOG_ODDS / n) / rate


def upper_limit(moments: Moments, *, rate: float, n: int) -> float:
    """Upper limit on sup_y g(y) that fails with probability delta. With a the rate, aX <= 1/2, and m1, m2 the moments,

    sup_y (1 - exp(-a m1(y) - CURVATURE a^2 m2(y) - ln(1/delta)/n)) / a.
    """
    exponent = (rate * moments.first + CURVATURE * rate**2 * moments.second).max().item()
    return -math.expm1(-exponent - LOG_ODDS / n) / rate


def _candidates(draw: Draw, distortion: Distortion, weight: float, generator: torch.Generator, count: int) -> Particles:
    """Fitted particles, which are near the optimal reproduction, and draws of x, which reach farther out."""
    settings = {"particles": count, "steps": PARTICLE_STEPS, "batch": 1024}
    fitted = fit_particles(draw, distortion, weight=weight, generator=generator, **settings)
    drawn = draw(count, generator).double()
    shares = [fitted.log_weights + math.log1p(-DRAWN_SHARE), drawn.new_full((count,), math.log(DRAWN_SHARE / count))]
    return Particles(torch.cat([fitted.positions, drawn]), torch.cat(shares))


def _letters(x: Tensor, alphabet: Tensor, distortion: Distortion, *, weight: float) -> Particles:
    """The alphabet with the weights of Blahut's and Arimoto's sweeps over a sample x, [n, d]."""
    if alphabet.ndim != 2 or alphabet.shape[1] != x.shape[1] or len(alphabet) == 0:
        raise InputError(f"alphabet of shape {tuple(alphabet.shape)}: it must be [K, {x.shape[1]}], one row a letter")
    letters = alphabet.double()
    log_kernel = -weight * distortion(x, letters)
    weights = letters.new_full((len(letters),), 1 / len(letters))
    for _ in range(SWEEPS):
        weights = (weights.log() + log_kernel).softmax(1).mean(0).clamp(min=LEAST_WEIGHT)
    return Particles(letters, weights.log().log_softmax(0))


def _rate(x: Tensor, candidates: Particles, distortion: Distortion, *, weight: float, n: int) -> float:
    """a = sqrt(2 ln(1/delta) / (n m2)), the best where X has second moment m2, and at most 1/4 so that 2a < 1.

    m2 is taken at u(x) = sum_m w_m exp(-lambda d(x, y_m)) and averaged over the candidates' weights; SPREAD_FACTOR
    takes it to the tails, where it is larger and where the supremum is decided.
    """
    second = 0.0
    for rows in x.split(ROWS):
        log_joint = candidates.log_joint(rows, distortion, weight=weight)
        pulls = 2 * (log_joint - log_joint.logsumexp(1, keepdim=True)) - candidates.log_weights
        second += pulls.exp().sum().item() / len(x)
    return min(math.sqrt(2 * LOG_ODDS / (n * SPREAD_FACTOR * second)), 0.25)


def _train(game: _Game, candidates: Particles, *, steps: int, batch: int) -> LogU:
    """Play u against the weights of the candidates, in the objective

        min_u max_w  E ln u(x) + sum_m w_m E[X(y_m) + CURVATURE a X(y_m)^2],

    which is the upper limit's first order in a: convex in ln u, linear in w, and unbiased from a batch. At its saddle
    the weighted sum is the supremum over candidates. u takes Adam's steps, ln w plain gradient steps of decreasing
    size, so that it averages the noise of the batches.
    """
    log_u = _new_network(game)
    log_weights = candidates.log_weights.clone()
    optimiser = torch.optim.Adam(log_u.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1))
    for step in range(steps):
        x = game.draw(batch, game.generator).double()
        values = log_u(x)
        ratio = Ratio(x, values, game.distortion, game.weight).at(candidates.positions)
        scores = (ratio + CURVATURE * game.rate * ratio.square()).mean(0)
        optimiser.zero_grad()
        (values.mean() + log_weights.softmax(0) @ scores).backward()
        optimiser.step()
        schedule.step()
        log_weights += WEIGHT_RATE * (1 - step / steps) * (scores.detach() - 1).clamp(-3, 3)
    return log_u.requires_grad_(False)


def _new_network(game: _Game) -> LogU:
    """A network whose floor is 2a, with initial weights that depend on the generator alone."""
    seed = int(torch.randint(2**62, (), generator=game.generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LogU(game.draw(PILOT, game.generator).double(), span=-math.log(2 * game.rate))


def _evaluate(log_u: LogU, x: Tensor) -> Tensor:
    """ln u, [n], a few x at a time."""
    return torch.cat([log_u(rows) for rows in x.split(ROWS)])


def _value(ratio: Ratio, y: Tensor, moments: Moments) -> tuple[float, float]:
    """-mean ln u - ln sup_y mean X, and its standard error by the influence of each x: ln u + X(y) / mean X(y)."""
    best = int(moments.first.argmax())
    level = moments.first[best]
    ratios = torch.cat([rows.at(y[[best]]).squeeze(1) for rows in ratio.rows()])
    influence = ratio.log_u + ratios / level
    return -(ratio.log_u.mean() + level.log()).item(), influence.std().item() / math.sqrt(len(influence))
