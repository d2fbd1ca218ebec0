"""Densities by parts have the values and gradients of the whole, and the cost of a decoder is that of its layers."""

import pytest
import torch

from vae_rd.estimators import memory
from vae_rd.estimators.ais import decoder_distortion
from vae_rd.estimators.hmc import evaluate
from vae_rd.estimators.memory import IMAGE_TEMPORARIES, by_parts, cost
from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
from vae_rd.model.likelihoods.categorical_levels import CategoricalLevelsLikelihood
from vae_rd.model.likelihoods.logistic_mixture import LogisticMixtureLikelihood
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.model.vae import VAE

from helpers.members import LATENT_DIM, SHAPE, decoder, moved

pytestmark = pytest.mark.usefixtures("float64")
IMAGE = 3 * 8 * IMAGE_TEMPORARIES


def model(word: str) -> VAE:
    made = moved(decoder(word, BernoulliLikelihood()))
    return VAE(torch.nn.Identity(), made, StandardNormalPrior(LATENT_DIM), latent_dim=LATENT_DIM).eval()


def images() -> torch.Tensor:
    return torch.randint(2, (4, *SHAPE)).double()


def test_what_a_draw_costs_and_what_a_pair():
    layers = (6 + 6 + 3) * 8  # A layer, its activation, and three logits.
    assert cost(model("mlp"), images()) == (layers, IMAGE)
    assert cost(model("made"), images()) == (0, layers + (6 + 3) * 8 + IMAGE)  # Each layer's code besides.


def test_a_decoder_is_asked_once_for_each_kind_of_x():
    asked, calls = model("mlp"), []
    asked.decoder.register_forward_hook(lambda *_: calls.append(1))
    first = cost(asked, images())
    before = len(calls)
    assert cost(asked, images()[:2]) == first
    assert len(calls) == before > 0
    assert cost(asked.float(), images().float()).draw < first.draw
    assert len(calls) == 2 * before


def test_the_logits_of_levels_count_with_the_probabilities_that_are_made_of_them():
    """L logits a value and as many log probabilities, where layers return the logits alone."""
    levels = 50
    made = decoder("linear", CategoricalLevelsLikelihood(levels))
    own = VAE(torch.nn.Identity(), made, StandardNormalPrior(LATENT_DIM), latent_dim=LATENT_DIM).eval()
    assert 2 * levels * 3 * 8 <= cost(own, images()).draw < 2.2 * levels * 3 * 8


def test_a_mixture_of_many_holds_a_term_of_each_for_every_pair():
    """Of K components at least the term that their sum is taken of, where a plain density holds images alone."""
    pairs = []
    for components in (10, 20):
        likelihood = LogisticMixtureLikelihood(256, components=components, channels=1)
        own = VAE(torch.nn.Identity(), decoder("linear", likelihood), StandardNormalPrior(3), latent_dim=LATENT_DIM)
        pairs.append(cost(own.eval(), images()).pair)
    assert pairs[0] > 10 * 3 * 8
    assert pairs[1] == pytest.approx(2 * pairs[0], rel=0.1)


@pytest.mark.parametrize("chains", [1, 3, 7, 8])
def test_parts_have_the_values_and_gradients_of_the_whole(chains):
    made, x, z = model("made"), images(), torch.randn(7, 4, LATENT_DIM)

    def term(z):
        return made.decoder(z).log_prob(x)

    whole, parts = evaluate([term], z), evaluate([by_parts(term, chains=chains)], z)
    assert torch.allclose(parts.terms, whole.terms)
    assert torch.allclose(parts.gradients, whole.gradients)
    with torch.no_grad():
        assert torch.allclose(by_parts(term, chains=chains)(z), whole.terms[0])


@pytest.mark.parametrize("word", ["mlp", "made", "pixelcnn"])
def test_gradients_in_z_hold_the_graph_of_one_part(word, monkeypatch):
    made, x, z, rows = model(word), images(), torch.randn(40, 4, LATENT_DIM), []
    whole = evaluate([decoder_distortion(made, x)], z)
    made.decoder.trunk.register_forward_hook(lambda _module, _inputs, output: rows.append(len(output)))
    monkeypatch.setattr(memory, "GRADIENT_BYTES", 20_000)
    parts = evaluate([decoder_distortion(made, x)], z)
    assert max(rows) * sum(cost(made, x)) * memory.GRAPH <= 20_000 or max(rows) == len(x)
    assert len(rows) > 2
    assert torch.allclose(parts.gradients, whole.gradients)
