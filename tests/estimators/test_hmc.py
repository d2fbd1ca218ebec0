"""HMC against the properties its proof rests on, and against moments known from formulas."""

import math

import pytest
import torch

from vae_rd.estimators.hmc import TARGET_ACCEPTANCE, adapted, evaluate, leapfrog, transition

pytestmark = pytest.mark.usefixtures("float64")


def quartic(z):
    """ln f = -sum_d z_d^4 / 4: E z_d^2 = 2 Gamma(3/4) / Gamma(1/4)."""
    return -0.25 * z.pow(4).sum(-1)


def coupled(z):
    """No constant curvature and no product form."""
    return -0.25 * z.pow(4).sum(-1) - 0.5 * (z[..., 0] * z[..., 1]).square()


def noise():
    """A stream that is not the global one, which draws the starting points."""
    return torch.Generator().manual_seed(1)


def moved(terms, point, *, step, leapfrog_steps, generator):
    return transition(
        point, terms, coefficients=[1.0], step_size=step, leapfrog_steps=leapfrog_steps, generator=generator
    )


def test_gradients_are_those_of_each_term():
    z = torch.randn(3, 4, 2)
    point = evaluate([quartic, lambda z: -0.5 * z.square().sum(-1)], z)
    torch.testing.assert_close(point.gradients[0], -z.pow(3))
    torch.testing.assert_close(point.gradients[1], -z)
    torch.testing.assert_close(point.terms[0], quartic(z))


def test_leapfrog_retraces_its_way():
    start, momentum = evaluate([coupled], torch.randn(5, 3, 2)), torch.randn(5, 3, 2)
    step = torch.tensor([0.1, 0.2, 0.3])
    end, p = leapfrog(start, momentum, [coupled], coefficients=[1.0], step_size=step, steps=7)
    back, q = leapfrog(end, -p, [coupled], coefficients=[1.0], step_size=step, steps=7)
    torch.testing.assert_close(back.z, start.z, rtol=0, atol=1e-10)
    torch.testing.assert_close(-q, momentum, rtol=0, atol=1e-10)


def test_leapfrog_keeps_volume():
    step = torch.full((1,), 0.4)

    def flow(state):
        z, p = state.reshape(2, 1, 1, 2)
        end, p = leapfrog(evaluate([coupled], z), p, [coupled], coefficients=[1.0], step_size=step, steps=3)
        return torch.cat([end.z.flatten(), p.flatten()])

    state, h = torch.randn(4), 1e-5
    columns = [(flow(state + h * unit) - flow(state - h * unit)) / (2 * h) for unit in torch.eye(4)]
    assert torch.stack(columns, 1).det().item() == pytest.approx(1.0, abs=1e-7)


def test_energy_error_is_of_second_order():
    start, momentum = evaluate([coupled], torch.randn(50, 1, 2)), torch.randn(50, 1, 2)

    def error(steps):
        step = torch.full((1,), 1.0 / steps)
        end, p = leapfrog(start, momentum, [coupled], coefficients=[1.0], step_size=step, steps=steps)
        return (end.terms[0] - start.terms[0] - 0.5 * (p.square() - momentum.square()).sum(-1)).abs().mean().item()

    assert error(40) / error(80) == pytest.approx(4.0, rel=0.02)


def test_moments_of_a_quartic_density_at_steps_that_are_often_refused():
    quarter = torch.distributions.Gamma(0.25, 1.0).sample((4000, 2, 3))  # z^4 / 4 of exact draws.
    signs = 2 * torch.randint(2, quarter.shape) - 1
    point, step, generator = evaluate([quartic], signs * (4 * quarter).pow(0.25)), torch.tensor([1.0, 0.7]), noise()
    accepted = []
    for _ in range(25):
        point, acceptance = moved([quartic], point, step=step, leapfrog_steps=3, generator=generator)
        accepted.append(acceptance.mean(0))
    assert bool((torch.stack(accepted).mean(0) < 0.9).all())  # Else Metropolis is not put to the test.
    square = point.z.square().mean(-1)
    stderr = square.std(0) / math.sqrt(len(square))
    exact = 2 * math.gamma(0.75) / math.gamma(0.25)
    assert bool((stderr < 0.01).all())
    assert bool(((square.mean(0) - exact).abs() < 4 * stderr).all()), (square.mean(0), exact)


def test_a_normal_stays_as_it_is():
    chol = torch.tensor([[1.0, 0.0], [1.5, 0.5]])
    precision, mean, chains = torch.cholesky_inverse(chol), torch.tensor([1.0, -2.0]), 20_000

    def log_density(z):
        return -0.5 * torch.einsum("...i,ij,...j->...", z - mean, precision, z - mean)

    point, generator = evaluate([log_density], mean + torch.randn(chains, 1, 2) @ chol.T), noise()
    for _ in range(5):
        point, _ = moved([log_density], point, step=torch.full((1,), 0.6), leapfrog_steps=4, generator=generator)
    white = torch.linalg.solve_triangular(chol, (point.z[:, 0] - mean).T, upper=False)
    assert white.mean(1).abs().max() < 4 / math.sqrt(chains)
    assert (torch.cov(white) - torch.eye(2)).abs().max() < 4 * math.sqrt(2 / chains)


def test_weighted_terms_are_one_density():
    z, step = torch.randn(6, 2, 3), torch.full((2,), 0.5)
    normal = lambda z: -0.5 * z.square().sum(-1)  # noqa: E731
    parts, accepted = transition(
        evaluate([normal, quartic], z),
        [normal, quartic],
        coefficients=[1.0, 0.3],
        step_size=step,
        leapfrog_steps=3,
        generator=noise(),
    )
    both = [lambda z: normal(z) + 0.3 * quartic(z)]
    whole, same = transition(
        evaluate(both, z), both, coefficients=[1.0], step_size=step, leapfrog_steps=3, generator=noise()
    )
    torch.testing.assert_close(parts.z, whole.z)
    torch.testing.assert_close(accepted, same)


def test_a_trajectory_that_diverges_is_refused():
    start = evaluate([quartic], torch.randn(10, 1, 2))
    end, acceptance = moved([quartic], start, step=torch.full((1,), 1e30), leapfrog_steps=9, generator=noise())
    assert bool((acceptance == 0).all())
    torch.testing.assert_close(end.z, start.z, rtol=0, atol=0)


def test_adapted_steps_accept_as_aimed_at_on_every_scale():
    scales = torch.tensor([0.01, 1.0, 100.0])
    terms = [lambda z: -0.5 * (z / scales[:, None]).square().sum(-1)]
    point, step, generator = evaluate(terms, torch.randn(200, 3, 5) * scales[:, None]), torch.full((3,), 0.5), noise()
    accepted = []
    for _ in range(250):
        point, acceptance = moved(terms, point, step=step, leapfrog_steps=3, generator=generator)
        accepted.append(acceptance.mean(0))
        step = adapted(step, acceptance)
    late = torch.stack(accepted[150:]).mean(0)  # From 0.5 it takes about 100 transitions to a step of 100.
    torch.testing.assert_close(late, torch.full((3,), TARGET_ACCEPTANCE), rtol=0, atol=0.02)
