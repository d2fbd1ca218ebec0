"""D under other z against the closed form of a linear decoder, and numbers of units against their definitions."""

import math

import pytest
import torch

from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.metrics.dependence import dependence, dependence_entries, dependence_metrics
from vae_rd.metrics.units import unit_metrics, variance_ratio
from vae_rd.model.vae import VAE

from helpers.linear_gaussian import LinearGaussian

pytestmark = pytest.mark.usefixtures("float64")
N, S2 = 2000, 0.5


def world() -> LinearGaussian:
    return LinearGaussian(torch.linalg.qr(torch.randn(6, 2)).Q * torch.tensor([2.0, 1.0]), torch.randn(6), S2)


def best(exact: LinearGaussian) -> VAE:
    return exact.vae(matrix=exact.regression, variance=1 / exact.precision.diagonal())


def data_of(x: torch.Tensor) -> DataSet:
    return DataSet(Source("npz", dict.fromkeys(("train", "val", "test"), x), levels=None))


def test_the_rises_of_a_linear_decoder_have_a_closed_form():
    """q(z|x) = p(z|x): own z leaves s2 P of squared error, an independent z ~ N(0, I) leaves tr Cov(x) + |W|^2."""
    exact = world()
    found = dependence(best(exact), exact.sample(N), seed=0)
    square = exact.w.square().sum().item()
    rise = 2 * square / (2 * S2)  # (|W|^2 + s2 P + |W|^2 - s2 P) / (2 s2)
    for other in (found.shuffled, found.prior):
        rises = other - found.distortion
        stderr = rises.std().item() / math.sqrt(N)
        assert stderr < 0.05 * rise
        assert abs(rises.mean().item() - rise) < 4 * stderr
    eigenvalues = exact.w.square().sum(0) + S2
    information = 0.5 * (eigenvalues / S2).log().sum().item()
    spread = found.information.std().item() / math.sqrt(N)
    assert abs(found.information.mean().item() - information) < 4 * spread + 0.02, "I of 2 nats is far from ln 2000"


def test_the_errors_of_shuffled_z_count_each_example_twice():
    """With e_i = x_i - W z_prev(i) ~ N(0, C), C = 2 W W^T + s2 I, and Cov(e_i, e_next(i)) = -W W^T, by Isserlis:

    n se^2 = (tr C^2 + 2 |W W^T|^2) / (2 s2^2), and for the rise tr C^2 less P s2^2: own x - W z is N(0, s2 I).
    """
    exact, n, sets = world(), 100, 200
    model, outer = best(exact), exact.w @ exact.w.T
    square = (2 * outer + S2 * torch.eye(6)).square().sum()
    twice = 2 * outer.square().sum()
    truth = torch.stack([square + twice, square - 6 * S2**2 + twice]) / (2 * S2**2 * n)
    found = [dependence_entries(dependence(model, exact.sample(n), seed=seed)) for seed in range(sets)]
    names = ("shuffled_distortion", "shuffle_rise")
    means, variances = (torch.tensor([[f[name][of] for name in names] for f in found]) for of in ("value", "stderr"))
    variances = variances.square()
    spread = variances.std(0) / math.sqrt(sets)
    assert (4 * spread < 0.16 * truth).all()
    assert ((variances.mean(0) - truth).abs() < 4 * spread).all(), "of n independent values it were 0.7 of it"
    assert ((means.var(0) - truth).abs() < 4 * math.sqrt(2 / sets) * truth).all()


def test_z_is_that_of_another_example_and_of_every_one_once():
    exact = LinearGaussian(torch.eye(6)[:, :1], torch.zeros(6), 1.0)
    model = exact.vae(matrix=torch.eye(6)[:1], variance=torch.full((1,), 1e-30))
    x = torch.zeros(50, 1, 1, 6)
    x[:, 0, 0, 0] = torch.arange(50.0)  # z = x_0: -ln p = 0.5 (x_0 - z)^2 + a constant tells which z it was given.
    found = dependence(model, x, seed=3)
    moved = (2 * (found.shuffled - found.distortion)).sqrt().round()
    assert (moved > 0).all()
    given = [{i + int(m), i - int(m)} & set(range(50)) for i, m in enumerate(moved.tolist())]
    assert set().union(*given) == set(range(50))
    assert moved.unique().numel() > 10, "no neighbours in the file"


def test_the_entries_of_a_record():
    exact = world()
    data, model = data_of(exact.sample(1500)), best(exact)
    found = dependence_metrics(model, data, "test", slope=1.0, seed=0)
    assert {name: entry["n"] for name, entry in found.items()} == {
        "shuffled_distortion": 1000,
        "prior_distortion": 1000,
        "shuffle_rise": 1000,
        "amortisation_gap": 64,
    }
    assert found["shuffle_rise"]["stderr"] < found["shuffled_distortion"]["stderr"]
    assert abs(found["amortisation_gap"]["value"]) < 0.05
    assert found["amortisation_gap"]["slope"] == 1.0
    assert dependence_metrics(model, data, "test", slope=None, seed=0)["amortisation_gap"]["value"] is None


def test_a_model_whose_terms_are_its_own_has_none():
    class Own(VAE):
        def terms(self, x, eps, *, context=None):
            raise AssertionError("nobody asks")

    made = best(world())
    own = Own(made.encoder, made.decoder, made.prior, latent_dim=2)
    found = dependence_metrics(own, data_of(world().sample(9)), "test", slope=1.0, seed=0)
    assert all(entry == {"value": None, "stderr": None, "n": 9} for entry in found.values())


def test_units_by_their_definitions():
    rates = torch.zeros(1000, 3)
    rates[:, 0], rates[:10, 1], rates[:11, 2] = 2.0, 0.5, 0.5
    mean, variance = torch.randn(1000, 3) * torch.tensor([2.0, 0.0, 0.0]), torch.full((1000, 3), 0.5)
    found = unit_metrics(mean, variance, rates, n=1000, population=False)
    assert found["collapsed_share_per_dim"]["value"] == [0.0, 0.99, 0.989]
    assert found["collapsed_units"]["value"] == 1, "the second alone, at 1 - delta"
    assert found["active_units_by_rate"]["value"] == 1, "0.005 and 0.0055 nats are not above 0.01"
    assert found["collapsed_share_per_dim"]["stderr"][1] == pytest.approx(math.sqrt(0.99 * 0.01 / 999))
    total = found["variance_per_dim"]
    assert total["value"] == pytest.approx((mean.var(0, correction=0) + 0.5).tolist())
    assert abs(total["value"][0] - 4.5) < 4 * total["stderr"][0] < 1.0
    none = unit_metrics(None, None, None, n=9, population=False)
    assert none["collapsed_units"] == none["variance_per_dim"] == {"value": None, "stderr": None, "n": 9}


def test_means_without_variances_are_active_or_not_and_have_no_shares():
    mean = torch.randn(50, 2) * torch.tensor([2.0, 0.0])
    full = unit_metrics(mean, torch.ones(50, 2), None, n=50, population=False)
    for unknown in (None, torch.full((50, 2), math.nan)):
        found = unit_metrics(mean, unknown, None, n=50, population=False)
        assert [found[name] for name in ("active_units", "mean_variance_per_dim")] == [
            full[name] for name in ("active_units", "mean_variance_per_dim")
        ]
        for name in ("variance_per_dim", "explained_variance_per_dim"):
            assert found[name] == {"value": None, "stderr": None, "n": 50}


def test_of_one_example_there_are_no_errors():
    found = unit_metrics(torch.ones(1, 2), torch.ones(1, 2), torch.zeros(1, 2), n=1, population=False)
    for name in ("variance_per_dim", "rate_per_dim", "collapsed_share_per_dim"):
        assert found[name]["stderr"] == [None, None], name
    ratio = variance_ratio(best(world()), found["variance_per_dim"], seed=0)
    assert ratio["stderr"] == [None, None]
    assert None not in ratio["value"]


def test_the_ratio_to_the_prior_has_both_errors():
    model = best(world())
    entry = {"value": [3.0, 1.0], "stderr": [0.0, 0.3], "n": 9}
    ratio = variance_ratio(model, entry, seed=0)
    of_prior = math.sqrt(2 / 10_000)  # Relative, of the variance of so many normal draws.
    assert ratio["value"] == pytest.approx([3.0, 1.0], rel=4 * of_prior)
    assert ratio["stderr"][0] == pytest.approx(3 * of_prior, rel=0.1)
    assert ratio["stderr"][1] == pytest.approx(math.hypot(0.3, of_prior), rel=0.1)
