"""Slow, independent implementations to test against; they share no code with vae_rd and import nothing of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import integrate, optimize, stats

Array = np.ndarray

EIGENVALUES, S2 = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25), 0.1  # The Gaussian source of truth.md section 2.


def water_filling(eigenvalues: Sequence[float], *, s2: float, beta: float) -> dict[str, float]:
    """R, D, SSE and active modes of the optimal linear beta-VAE on N(0, diag(eigenvalues)) with decoder variance s2."""
    level = beta * s2
    rate = sum(0.5 * math.log(x / level) for x in eigenvalues if x > level)
    sse = sum(min(x, level) for x in eigenvalues)
    distortion = sse / (2 * s2) + 0.5 * len(eigenvalues) * math.log(2 * math.pi * s2)
    return {"rate": rate, "distortion": distortion, "sse": sse, "active": sum(x > level for x in eigenvalues)}


def information_of_normals(mu: Array, sigma: Array) -> float:
    """I(X; Z) for x uniform over N points and scalar z ~ N(mu_x, sigma_x^2), by quadrature of the mixture's entropy."""

    def minus_p_ln_p(z: float) -> float:
        p = float(np.mean(stats.norm.pdf(z, mu, sigma)))
        return -p * math.log(p) if p > 0 else 0.0

    low, high = float(np.min(mu - 12 * sigma)), float(np.max(mu + 12 * sigma))
    entropy = integrate.quad(minus_p_ln_p, low, high, limit=2000, points=sorted(set(mu.tolist())))[0]
    return entropy - float(np.mean(0.5 * np.log(2 * math.pi * math.e * sigma**2)))


def infonce(z: Array, mu: Array, sigma: Array) -> tuple[float, float]:
    """InfoNCE and leave-one-out means by two plain loops over examples; z, mu, sigma [N, D]."""
    n = len(z)
    lower, others = [], []
    for i in range(n):
        q = np.array([np.prod(stats.norm.pdf(z[i], mu[j], sigma[j])) for j in range(n)])
        lower.append(math.log(q[i] / q.mean()))
        others.append(math.log(q[i] / (np.delete(q, i).sum() / (n - 1))))
    return float(np.mean(lower)), float(np.mean(others))


def normal_log_density(x: Array, mean: Array, sigma: Array) -> float:
    """Sum over coordinates of the normal log density."""
    return float(stats.norm.logpdf(x, mean, sigma).sum())


def bernoulli_log_mass(x: Array, logits: Array) -> float:
    """Sum over pixels of the Bernoulli log mass."""
    return float(stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-logits))).sum())


def weighted_bound(log_px_z: Array, log_ratio: Array) -> tuple[float, float, float]:
    """L_K, effective sample size and ln n needed of one example's K draws, by plain sums of unscaled weights."""
    p = np.exp(log_px_z)
    w = p * np.exp(log_ratio)
    return math.log(w.mean()), float(w.sum() ** 2 / (w**2).sum()), math.log((w * p).mean() / w.mean() ** 2)


def bernoulli_moment(x: Array, slope: Array, offset: Array, *, power: int) -> float:
    """E[p(x|z)^power] for z ~ N(0, 1) and independent pixels of logits slope z + offset, by quadrature."""

    def integrand(z: float) -> float:
        return math.exp(power * bernoulli_log_mass(x, slope * z + offset)) * float(stats.norm.pdf(z))

    return integrate.quad(integrand, -12, 12, epsabs=1e-13, limit=200)[0]


def gaussian_rate_by_minimisation(eigenvalues: Sequence[float], squared_error: float) -> float:
    """R(SSE) of a Gaussian source: least sum of 0.5 ln(l_i / e_i) over all splits of SSE into e_i <= l_i."""
    values = np.array(eigenvalues)
    found = optimize.minimize(
        lambda e: float(-0.5 * np.log(e).sum()),
        values * squared_error / values.sum(),
        jac=lambda e: -0.5 / e,
        bounds=[(1e-9, x) for x in values],
        constraints={"type": "eq", "fun": lambda e: e.sum() - squared_error, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return float(found.fun + 0.5 * np.log(values).sum())


def linear_vae_by_minimisation(eigenvalues: Sequence[float], *, s2: float, beta: float, latent_dim: int) -> float:
    """Least D + beta R over decoder weight w, encoder weight v and posterior log variance t of every mode."""

    def mode_loss(parameters: Array, x2: float) -> float:
        w, v, t = parameters
        squared_error = x2 * (1 - w * v) ** 2 + w * w * math.exp(t)
        return squared_error / (2 * s2) + beta * 0.5 * (v * v * x2 + math.exp(t) - 1 - t)

    loss = 0.5 * len(eigenvalues) * math.log(2 * math.pi * s2)
    for index, x2 in enumerate(sorted(eigenvalues, reverse=True)):
        starts = [(0.0, 0.0, 0.0), (1.0, 0.5, -1.0), (math.sqrt(x2), 1 / math.sqrt(x2 + 0.1), -3.0)]
        runs = [optimize.minimize(mode_loss, start, args=(x2,), tol=1e-10).fun for start in starts]
        loss += min(runs) if index < latent_dim else x2 / (2 * s2)
    return loss


def points_with_moments(covariance: Array, mean: Array) -> Array:
    """2 n points, [2 n, n], whose mean and covariance (divisor 2 n) are the ones given."""
    values, vectors = np.linalg.eigh(covariance)
    arms = (vectors * np.sqrt(len(mean) * np.maximum(values, 0))).T
    return np.concatenate([mean + arms, mean - arms])


def linear_vae_terms(
    w: Array, b: Array, v: Array, a: Array, variance: Array, covariance: Array, mean: Array, *, s2: float
) -> dict[str, Array]:
    """Analytic D and R of decoder N(W z + b, s2 I), encoder N(V x + a, diag(variance)), by a loop over points."""
    points = points_with_moments(covariance, mean)
    means = np.array([v @ x + a for x in points])
    spread = sum(variance[k] * float(w[:, k] @ w[:, k]) for k in range(len(variance)))
    errors = [float(np.sum((x - w @ mu - b) ** 2)) + spread for x, mu in zip(points, means, strict=True)]
    rates = 0.5 * np.mean([mu**2 + variance - 1 - np.log(variance) for mu in means], axis=0)
    variance_of_means = np.cov(means.T, ddof=0).reshape(len(variance), -1)
    return {
        "distortion": np.mean(errors) / (2 * s2) + 0.5 * len(b) * math.log(2 * math.pi * s2),
        "rate": rates.sum(),
        "rate_per_unit": rates,
        "variance_of_means": np.diag(variance_of_means),
        "aggregate_mean": means.mean(0),
        "aggregate_covariance": variance_of_means + np.diag(variance),
    }


def linear_decoder_point(points: Array, w: Array, b0: Array, b: float) -> tuple[float, float, float]:
    """R_b, D_b and -ln Z_b for d = 0.5 |x - W z - b0|^2, point by point with dense matrices; b > 0."""
    n, k = w.shape
    covariance = np.linalg.inv(np.eye(k) + b * w.T @ w)
    log_norm = 0.5 * n * math.log(2 * math.pi / b)  # exp(-b d) is a normal density of x times (2 pi / b)^(n/2)
    marginal = stats.multivariate_normal(b0, w @ w.T + np.eye(n) / b)
    rates, distortions, minus_log_z = [], [], []
    for x in points:
        mu = b * covariance @ w.T @ (x - b0)
        rates.append(0.5 * (np.trace(covariance) + mu @ mu - k - np.linalg.slogdet(covariance)[1]))
        residual = x - w @ mu - b0
        distortions.append(0.5 * (residual @ residual + np.trace(w @ covariance @ w.T)))
        minus_log_z.append(-marginal.logpdf(x) - log_norm)
    return float(np.mean(rates)), float(np.mean(distortions)), float(np.mean(minus_log_z))


def plain_blahut_arimoto(p: Array, d: Array, *, slope: float, sweeps: int) -> tuple[float, float, float]:
    """Rate, distortion and lower bound on their sum I + slope D after plain sweeps from uniform q, by loops."""
    n, m = d.shape
    q = np.full(m, 1 / m)
    for _ in range(sweeps):
        sums = [sum(q[j] * math.exp(-slope * d[i, j]) for j in range(m)) for i in range(n)]
        channel = np.array([[q[j] * math.exp(-slope * d[i, j]) / sums[i] for j in range(m)] for i in range(n)])
        correction = [sum(p[i] * math.exp(-slope * d[i, j]) / sums[i] for i in range(n)) for j in range(m)]
        lower = -sum(p[i] * math.log(sums[i]) for i in range(n)) - math.log(max(correction))
        q = p @ channel
    joint = p[:, None] * channel
    used = joint > 1e-200
    rate = float(np.sum(joint[used] * np.log(joint[used] / np.outer(p, q)[used])))
    return rate, float(np.sum(joint * d)), lower


def noisy_sphere_log_density(radius: float, *, dimension: int, variance: float) -> float:
    """ln p(x) at |x| = radius by quadrature over the angle between x and the sphere's point; dimension >= 2."""
    weight = stats.beta((dimension - 1) / 2, (dimension - 1) / 2)  # of (1 + cos) / 2

    def integrand(angle: float) -> float:
        cos = math.cos(angle)
        distance = radius**2 + 1 - 2 * radius * cos
        kernel = math.exp(-distance / (2 * variance)) / (2 * math.pi * variance) ** (dimension / 2)
        return kernel * float(weight.pdf((1 + cos) / 2)) * math.sin(angle) / 2

    return math.log(integrate.quad(integrand, 0, math.pi, epsabs=0, epsrel=1e-11, limit=400)[0])


def sprite_log_mass(x: Array, sprites: Array, p: float) -> float:
    """ln p(x) of a sprite drawn uniformly and seen through flips of probability p: pixel by pixel, a sum of logs."""
    logs = [sum(math.log(p) if bit else math.log(1 - p) for bit in (x != sprite).tolist()) for sprite in sprites]
    highest = max(logs)
    return highest + math.log(sum(math.exp(value - highest) for value in logs) / len(sprites))


def toy_bin_masses() -> Array:
    """Masses of the 30 bins of the toy channel by quadrature of h's density, 40 being as good as infinity."""
    half = 3.3464365537 / 2
    edges = [-40.0, *np.linspace(-half - 4, half + 4, 31)[1:-1].tolist(), 40.0]

    def density(h: float) -> float:
        return 0.3 * float(stats.norm.pdf(h, -half)) + 0.7 * float(stats.norm.pdf(h, half))

    return np.array([integrate.quad(density, a, b, limit=200)[0] for a, b in itertools.pairwise(edges)])


def aggregate_log_densities(z: Array, mu: Array, sigma: Array, *, leave_out: bool) -> tuple[Array, Array]:
    """ln q(z_i), [N], and ln q(z_id), [N, D], of equally likely posteriors by loops, without the i-th if asked."""
    joint, units = [], []
    for i in range(len(z)):
        others = [j for j in range(len(mu)) if not (leave_out and j == i)]
        density = stats.norm.pdf(z[i], mu[others], sigma[others])
        joint.append(math.log(density.prod(1).mean()))
        units.append(np.log(density.mean(0)))
    return np.array(joint), np.array(units)


def rate_split_of_points(mu: Array, sigma: Array) -> tuple[float, float, Array]:
    """I, TC and KL(q(z_d) || N(0, 1)) of equally likely two-dimensional diagonal normals, on a fine grid of z."""
    low, high = (mu - 8 * sigma).min(), (mu + 8 * sigma).max()
    grid = np.linspace(low, high, int((high - low) / (0.2 * sigma.min())))  # 5 points a sigma: error below 1e-12.
    step = grid[1] - grid[0]
    density = stats.norm.pdf(grid, mu[..., None], sigma[..., None])  # [N, 2, G]
    joint, units = np.einsum("ng,nh->gh", density[:, 0], density[:, 1]) / len(mu), density.mean(0)

    def entropy(p: Array, cell: float) -> float:
        return -cell * float(np.sum(p * np.log(np.where(p > 0, p, 1))))

    joint_entropy, unit_entropies = entropy(joint, step**2), np.array([entropy(p, step) for p in units])
    conditional = float(np.log(sigma).sum(1).mean()) + math.log(2 * math.pi * math.e)
    cross = -step * (units * stats.norm.logpdf(grid)).sum(1)
    return joint_entropy - conditional, float(unit_entropies.sum()) - joint_entropy, cross - unit_entropies


def two_unit_point(distortion: Callable[[Array], Array], *, b: float) -> tuple[float, float]:
    """-ln Z_b and D_b of one x for m = N(0, I) over two units, by sums over a grid; `distortion` takes [M, 2]."""
    axis = np.linspace(-7, 7, 281)
    z = np.array([(first, second) for first in axis for second in axis])
    d = distortion(z)
    weights = np.exp(-0.5 * (z**2).sum(1) - b * (d - d.min())) / (2 * math.pi) * (axis[1] - axis[0]) ** 2
    return b * float(d.min()) - math.log(weights.sum()), float(weights @ d / weights.sum())


def tanh_bernoulli_distortion(x: Array, z: Array, layers: Sequence[tuple[Array, Array]]) -> Array:
    """-ln p(x|z) of a Bernoulli decoder: tanh between the layers (weight, bias), logits out of the last; z [M, 2]."""
    hidden = z
    for index, (weight, bias) in enumerate(layers):
        hidden = (np.tanh(hidden) if index else hidden) @ weight.T + bias
    return (np.logaddexp(0, hidden) - x * hidden).sum(1)


def particle_values(x: Array, y: Array, w: Array, *, weight: float) -> tuple[float, float]:
    """Means over x [N, d] of -ln sum_m w_m exp(-weight |x - y_m|^2) and its conditional's squared error, by loops."""
    values, errors = [], []
    for point in x:
        squares = np.array([np.sum((point - other) ** 2) for other in y])
        pulls = np.array([w[m] * math.exp(-weight * squares[m]) for m in range(len(y))])
        values.append(-math.log(pulls.sum()))
        errors.append(float(pulls @ squares / pulls.sum()))
    return float(np.mean(values)), float(np.mean(errors))
