"""Laplace pixels against torch's own density, by quadrature, and what D is by hand."""

import math
from dataclasses import replace

import pytest
import torch
from scipy import integrate
from torch.distributions import Independent, Laplace

from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.experiment import build
from vae_rd.experiment.preparing import prepare
from vae_rd.model.likelihoods.laplace import LaplaceLikelihood
from vae_rd.model.nn.whitening import Colour, Sample
from vae_rd.run.record import SPLITS

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("scale", [1e-6, 0.05, 1.0, 1e6])
def test_the_density_is_torchs_and_integrates_to_one(scale):
    noise = torch.Generator().manual_seed(1)
    median, x = torch.randn(5, 3, 2, 2, generator=noise), torch.randn(3, 2, 2, generator=noise)
    found = LaplaceLikelihood(scale)(median).log_prob(x)
    torch.testing.assert_close(found, Independent(Laplace(median, scale), 3).log_prob(x))
    one = LaplaceLikelihood(scale)(torch.full((1, 1, 1, 1), 0.3))
    total, _ = integrate.quad(
        lambda t: one.log_prob(torch.full((1, 1, 1), 0.3 + scale * t)).exp().item() * scale, -40, 40, points=[0.0]
    )
    assert total == pytest.approx(1, abs=1e-9)


def test_d_is_the_absolute_error_over_b_and_a_constant():
    median, x = torch.tensor([[[[0.1, 0.9]]]]), torch.tensor([[[0.4, 0.7]]])
    likelihood = LaplaceLikelihood(0.25)
    assert -likelihood(median).log_prob(x).item() == pytest.approx(0.5 / 0.25 + 2 * math.log(0.5), rel=1e-12)
    statement = likelihood.statement(2)
    assert statement["absolute_error_weight"] == 4.0
    assert statement["constant"] == pytest.approx(2 * math.log(0.5))
    assert (statement["scale"], statement["squared_error_weight"]) == (None, None)


def test_draws_have_variance_two_b_squared():
    draws = LaplaceLikelihood(0.5)(torch.zeros(1, 1, 1, 1)).sample((200_000,))
    assert draws.square().mean().item() == pytest.approx(0.5, abs=4 * math.sqrt(20 * 0.5**4 / 200_000))


def test_it_starts_at_the_median():
    x = torch.tensor([0.0, 0.0, 1.0, 5.0, 9.0]).reshape(5, 1, 1, 1)
    offset, unit = LaplaceLikelihood(0.1).start(Sample(x))
    assert offset.item() == 1.0
    assert unit.item() == pytest.approx(x.std(correction=0).item())


def test_it_takes_grey_points_and_a_network_in_whitened_pixels():
    images = torch.randint(5, (60, 1, 2, 2), generator=torch.Generator().manual_seed(0))
    config = FitConfig(likelihood="laplace", whiten=True, encoder="linear", decoder="linear", latent_dim=2)
    data = build.data_set(Source("mine", dict.fromkeys(SPLITS, images.to(torch.uint8)), levels=5), config)
    prepared = prepare(replace(config, batch_size=20), None, data)
    assert prepared.data.card.support == "grey"
    assert any(isinstance(module, Colour) for module in prepared.model.decoder.modules())
