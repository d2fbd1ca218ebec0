"""What cutting a unit costs, against the closed form of a linear decoder, and where it has no meaning."""

import pytest
import torch

from vae_rd.config.fields import FitConfig
from vae_rd.experiment import build
from vae_rd.metrics import cuts
from vae_rd.metrics.cuts import cut_distortion
from vae_rd.model.vae import VAE

from helpers.families import gaussian_data

pytestmark = pytest.mark.usefixtures("float64")
SCALE = 0.7


def linear_vae(log_var: float) -> VAE:
    flags = {"encoder": "linear", "decoder": "linear", "latent_dim": 3}
    config = FitConfig(
        likelihood="gaussian", likelihood_scale=SCALE, standardize=False, whiten=False, log_var_bound=None, **flags
    )
    model = build.build_model(config, gaussian_data(20).card)
    with torch.no_grad():
        model.encoder.posterior.head.weight[3:] = 0.0
        model.encoder.posterior.head.bias[3:] = log_var
    return model


def exact_rises(model: VAE, x: torch.Tensor, variance: float) -> torch.Tensor:
    """([|x - W m' - b|^2 - |x - W m - b|^2] - v |w_d|^2) / (2 s^2), z ~ N(m, v)."""
    head, out = model.encoder.posterior.head, model.decoder.trunk[0]
    x = x.flatten(1)
    mean = x @ head.weight[:3].T + head.bias[:3]
    left = (x - mean @ out.weight.T - out.bias).square().sum(1)
    rises = []
    for unit in range(3):
        moved = mean.clone()
        moved[:, unit] = mean[:, unit].mean()
        more = (x - moved @ out.weight.T - out.bias).square().sum(1) - left
        rises.append(((more - variance * out.weight[:, unit].square().sum()) / (2 * SCALE**2)).mean())
    return torch.stack(rises).detach()


@pytest.mark.parametrize(("log_var", "sigmas"), [(-60.0, 0.0), (0.0, 4.0)])
def test_a_linear_decoder_s_rises_have_a_closed_form(log_var, sigmas):
    data, model = gaussian_data(900), linear_vae(log_var)
    found = cut_distortion(model, data, "test", seed=0)
    exact = exact_rises(model, data.pixels["test"], float(torch.tensor(log_var).exp()))
    assert found["n"] == 900
    for value, stderr, truth in zip(found["value"], found["stderr"], exact.tolist(), strict=True):
        assert 0 < stderr < 0.3
        assert abs(value - truth) < sigmas * stderr + 1e-9 * (1 + abs(truth))


def test_a_unit_that_nothing_reads_costs_nothing():
    data, model = gaussian_data(100), linear_vae(0.0)
    with torch.no_grad():
        model.decoder.trunk[0].weight[:, 1] = 0.0
    found = cut_distortion(model, data, "test", seed=0)
    assert found["value"][1] == found["stderr"][1] == 0
    assert all(value != 0 for value in (found["value"][0], found["value"][2]))


def test_many_units_take_fewer_examples(monkeypatch):
    monkeypatch.setattr(cuts, "PASSES", 90)
    assert cut_distortion(linear_vae(0.0), gaussian_data(100), "test", seed=0)["n"] == 30


def test_where_z_has_states_or_terms_are_one_s_own_there_is_none():
    class Own(VAE):
        def terms(self, x, eps, *, context=None):
            raise AssertionError("nobody asks")

    made = linear_vae(0.0)
    own = Own(made.encoder, made.decoder, made.prior, latent_dim=3)
    assert cut_distortion(own, gaussian_data(20), "test", seed=0) == {"value": None, "stderr": None, "n": 20}
    config = FitConfig(posterior="categorical", prior="categorical", likelihood="gaussian", hidden=[4], latent_dim=3)
    states = build.build_model(config, gaussian_data(20).card)
    assert cut_distortion(states, gaussian_data(20), "test", seed=0)["value"] is None
