"""What a fit says and records of a linear VAE of its data, before it trains."""

import pytest
import torch

import vae_rd
from vae_rd.config.fields import FitConfig
from vae_rd.experiment.preparing import prepare
from vae_rd.model.coders import Decoder, Encoder
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.likelihoods.bernoulli import BernoulliImage
from vae_rd.model.nn.mlp import mlp_encoder
from vae_rd.model.posteriors.diagonal import DiagonalPosterior
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.model.vae import VAE
from vae_rd.run.record import RunRecord
from vae_rd.theory import linear_vae

from helpers.runs import only_run

SPRITES = (23.9, 23.7, 15.5, 9.9)
GAUSSIAN = [5.3, 3.1, 1.7, 0.9, 0.41, 0.13]


def of_flags(**flags):
    return prepare(FitConfig(wandb="off", **flags), None, None).forecast


def test_the_spectrum_of_sprites_is_known():
    assert of_flags().eigenvalues[:4] == pytest.approx(SPRITES, abs=0.051)
    assert of_flags().n == 3584


def test_the_spectrum_of_static_mnist_is_known(shared_data):
    """As computed elsewhere; 20,000 examples of 50,000 leave about 1 % to chance."""
    found = of_flags(data="static_mnist", data_dir=str(shared_data))
    assert found.eigenvalues[:4] == pytest.approx((32.1, 23.4, 21.1, 16.3), rel=0.03)


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian_shared", "gaussian_optimal"])
def test_of_a_gaussian_source_it_is_the_linear_vae(likelihood):
    """Within 4 s.e. of the eigenvalues of 10,000 draws, sqrt(2 / n) each."""
    flags = {"likelihood_scale": 0.4} if likelihood == "gaussian" else {}
    found = of_flags(data="gaussian", gaussian_eigenvalues=GAUSSIAN, latent_dim=3, likelihood=likelihood, **flags)
    s2 = 0.16 if flags else sum(GAUSSIAN) / 6
    assert found.collapse_beta == pytest.approx(linear_vae.collapse_beta(GAUSSIAN, s2=s2), rel=0.06)
    for beta in (1.0, 1.8):
        best_s2 = 0.16 if flags else linear_vae.learned_s2(GAUSSIAN, beta=beta, latent_dim=3)
        exact = linear_vae.optimum(GAUSSIAN, s2=best_s2, beta=beta, latent_dim=3)
        assert found.rate(beta) == pytest.approx(exact.rate, abs=3 * 0.5 * 0.06)
        assert found.units(beta) == exact.active_modes


def test_each_pixels_own_scale_is_in_units_of_its_own_variance():
    """Independent values: their correlations are nothing but chance, of the order of sqrt(d / n)."""
    found = of_flags(data="gaussian", gaussian_eigenvalues=[9.0, 1.0, 0.01], likelihood="gaussian_pixel", data_seed=3)
    total = sum(found.eigenvalues)
    assert total == pytest.approx(3, rel=1e-5)


@pytest.mark.parametrize(
    "flags",
    [
        {"data": "toy_channel", "likelihood": "categorical"},
        {"posterior": "categorical", "prior": "categorical", "latent_dim": 4},
    ],
)
def test_elsewhere_there_is_none(flags):
    assert of_flags(**flags) is None


def test_a_fit_says_it_and_records_it(toy, capsys):
    record = vae_rd.fit_model(config := toy(beta=4.0, max_epochs=1))
    said = "\nforecast: a linear VAE of this data has 2 of 2 units on at beta 4 and collapses from"
    assert said in capsys.readouterr().out
    entry = RunRecord.read(only_run(config)).model["forecast"]
    assert entry == record.model["forecast"]
    assert sorted(entry) == ["collapse_beta", "eigenvalues", "n", "source", "values"]
    assert len(entry["eigenvalues"]) == 2
    assert entry["collapse_beta"] == entry["eigenvalues"][0]
    assert entry["n"] == 256


def test_a_fit_above_the_collapse_says_so_beforehand(toy, capsys):
    vae_rd.fit_model(toy(beta=40.0, max_epochs=1))
    assert "\nforecast: beta 40 is above 2" in capsys.readouterr().out


def test_a_fit_that_asks_for_a_rate_has_no_beta_to_forecast_for(toy, capsys):
    record = vae_rd.fit_model(toy(objective="target_rate", target_rate=1.5, max_epochs=1))
    assert "forecast" not in capsys.readouterr().out
    assert record.name.startswith("sprites-target_rate1.5-seed0-")
    assert [record.model[key] for key in ("forecast", "slope", "target_rate")] == [None, None, 1.5]
    assert vae_rd.fit_model(toy(max_epochs=1)).model["target_rate"] is None


class MyPixels(LazyDistribution):
    """A decoder of one's own, of no known likelihood."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(2, 256)

    def forward(self, context):
        return BernoulliImage(self.net(context).unflatten(-1, (1, 16, 16)))


@pytest.mark.parametrize("known", [True, False])
def test_of_a_network_of_ones_own_it_is_known_as_far_as_its_likelihood_is(toy, capsys, known):
    trunk, mine = mlp_encoder((1, 16, 16), [4]), MyPixels()
    decoder = Decoder(torch.nn.Sequential(mine.net, torch.nn.Unflatten(1, (1, 16, 16))), vae_rd.BernoulliLikelihood())
    encoder = Encoder(trunk, DiagonalPosterior(trunk.features, 2))
    model = VAE(encoder, decoder if known else mine, StandardNormalPrior(2), latent_dim=2)
    record = vae_rd.fit_model(toy(max_epochs=1, name="mine"), model=model)
    assert (record.model["forecast"] is not None) is known
    assert ("forecast" in capsys.readouterr().out) is known
