"""Every closed form equals draws within 4 standard errors, over the tables of posteriors, priors and likelihoods."""

import math

import pytest
import torch

from vae_rd.experiment import tables
from vae_rd.model.closed_forms import expected_log_prob, rate_per_dim

from helpers.members import LATENT_DIM, SHAPE, likelihood, moved, posterior, prior
from helpers.members import decoder as made_decoder

pytestmark = pytest.mark.usefixtures("float64")
N = 10_000


def features() -> torch.Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(1))


def drawn(q) -> torch.Tensor:
    return q.from_noise(torch.randn(N, 3, q.noise_dim, generator=torch.Generator().manual_seed(2))).z


def agrees(values: torch.Tensor, exact: torch.Tensor) -> bool:
    stderr = values.std(0) / math.sqrt(N)
    assert (stderr < 0.05 * (1 + exact.abs())).all()
    return bool(((values.mean(0) - exact).abs() < 4 * stderr + 1e-9).all())


@pytest.mark.parametrize("prior_word", tables.PRIORS)
@pytest.mark.parametrize("word", tables.POSTERIORS)
def test_rates(word, prior_word):
    q, m = posterior(word)(features()), prior(prior_word)()
    units = rate_per_dim(q, m)
    if units is None:
        assert word != prior_word.replace("normal", "diagonal"), "the families of the founding pairs have one"
        return
    assert units.shape == (3, LATENT_DIM)
    z = drawn(q)
    assert agrees(q.log_prob(z) - m.log_prob(z), units.sum(-1))


def test_a_scale_that_is_of_the_draws_is_not_that_of_all_states():
    q, head = posterior("categorical")(features()), likelihood("gaussian_optimal").train()
    decoder, x = made_decoder("linear", head, width=4), torch.rand(3, *SHAPE)
    assert expected_log_prob(q, decoder, x) is None
    assert expected_log_prob(q, decoder.eval(), x) is not None


@pytest.mark.parametrize("likelihood_word", tables.LIKELIHOODS)
@pytest.mark.parametrize("trunk_word", [word for word, row in tables.TRUNKS.items() if row.has("decoder")])
@pytest.mark.parametrize("word", tables.POSTERIORS)
def test_expected_log_likelihoods(word, trunk_word, likelihood_word):
    q, head = posterior(word)(features()), likelihood(likelihood_word).eval()
    torch.manual_seed(3)
    decoder = moved(made_decoder(trunk_word, head, width=4))
    x = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(4)).round()
    exact = expected_log_prob(q, decoder, x)
    if exact is not None:
        assert exact.shape == (3,)
        assert agrees(decoder(drawn(q)).log_prob(x), exact)
    elif word == "categorical" or (word, trunk_word, likelihood_word) == ("diagonal", "linear", "gaussian"):
        pytest.fail("these have one")
