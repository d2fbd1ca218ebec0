"""What every decoder that reads x keeps to: no value sees itself or a later one, and p(x|z) sums to 1."""

import itertools
import math

import pytest
import torch
from torch import nn

from vae_rd.experiment import tables
from vae_rd.model.autoregressive import AutoregressiveDecoder, Coordinates
from vae_rd.model.likelihoods.logistic_mixture import LogisticMixtureLikelihood
from vae_rd.model.nn.autoregressive import AutoregressiveTrunk
from vae_rd.model.nn.raster import Raster
from vae_rd.model.nn.whitening import Offset, Sample, Standard

from helpers.members import LATENT_DIM, decoder, grid, is_one, likelihood, moved

WORDS = [word for word, row in tables.TRUNKS.items() if row.autoregressive is not None]
SHAPES = ((1, 3, 5), (2, 3, 4), (3, 2, 1), (1, 1, 4))
pytestmark = [pytest.mark.usefixtures("float64"), pytest.mark.parametrize("word", WORDS)]


def trunk(word: str, raster: Raster, *, widths: tuple[int, ...] = (40, 40)) -> nn.Module:
    torch.manual_seed(0)
    return moved(tables.TRUNKS[word].autoregressive(raster, widths, LATENT_DIM, nn.SiLU))


def jacobian(made: nn.Module) -> torch.Tensor:
    """Of the parameters by the values of x, [parameters, values]."""
    shape, noise = made.raster.shape, torch.Generator().manual_seed(1)
    x, z = torch.randn(1, *shape, generator=noise), torch.randn(1, LATENT_DIM, generator=noise)
    found = torch.autograd.functional.jacobian(lambda x: made(x, z), x)
    return found.reshape(math.prod(made.raster.parameter_shape), math.prod(shape))


def before(raster: Raster) -> torch.Tensor:
    """Which value comes before which parameter's, [parameters, values], from what a raster is said to be."""
    channels, height, width = raster.shape
    order = {
        "value": lambda c, h, w: (h, w, c),
        "pixel": lambda c, h, w: (h, w),
        "row": lambda c, h, w: (h, c),
    }[raster.together]
    values = list(itertools.product(range(channels), range(height), range(width)))
    rows = [[order(*value) < order(*mine) for value in values] for mine in values]
    return torch.tensor(rows * raster.params_per_value)


@pytest.mark.parametrize("together", ["value", "pixel", "row"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_parameters_see_the_values_before_theirs_and_no_other(word, shape, together):
    raster = Raster(shape, params_per_value=2, together=together)
    found = jacobian(trunk(word, raster))
    assert torch.equal(found != 0, before(raster))


def test_every_parameter_sees_every_unit_of_z(word):
    made = trunk(word, Raster((2, 3, 4), params_per_value=2))
    x, z = torch.zeros(1, 2, 3, 4), torch.randn(1, LATENT_DIM)
    found = torch.autograd.functional.jacobian(lambda z: made(x, z), z).reshape(-1, LATENT_DIM)
    assert (found != 0).all()


def coordinates(shape: tuple[int, int, int], params: int) -> Coordinates:
    """Maps that do something."""
    maps = Coordinates(Standard(shape), Offset((params * shape[0], *shape[1:])))
    maps.x.set_moments(Sample(torch.rand(9, *shape)))
    maps.parameters.set_start(torch.randn(params * shape[0], *shape[1:]), 0.5 + torch.rand(params * shape[0], 1, 1))
    return maps


def some(word: str, likelihood_word: str, shape: tuple[int, int, int]) -> AutoregressiveDecoder:
    head = likelihood(likelihood_word).eval()
    made = moved(decoder(word, head, shape, width=12))
    return AutoregressiveDecoder(made.trunk, head, coordinates=coordinates(shape, head.params_per_value))


def bits(shape: tuple[int, int, int]) -> torch.Tensor:
    """All binary images."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=math.prod(shape)))).reshape(-1, *shape)


def one_hot(shape: tuple[int, int, int]) -> torch.Tensor:
    """All images whose rows are each one 1."""
    channels, height, width = shape
    rows = itertools.product(torch.eye(width), repeat=channels * height)
    return torch.stack([torch.stack(list(image)) for image in rows]).reshape(-1, *shape)


def codes(n: int = 5) -> torch.Tensor:
    return 2 * torch.randn(n, LATENT_DIM, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 1, 3), (3, 1, 1), (2, 2, 2), (3, 1, 3)], ids=str)
def test_the_probabilities_of_all_binary_images_add_up_to_1(word, shape):
    p = some(word, "bernoulli", shape)(codes()[:, None])
    total = p.log_prob(bits(shape)).exp().sum(1)
    assert total.shape == (5,)
    assert torch.allclose(total, torch.ones(5), atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 2, 3), (2, 2, 2)], ids=str)
def test_the_probabilities_of_all_rows_of_categories_add_up_to_1(word, shape):
    total = some(word, "categorical", shape)(codes()[:, None]).log_prob(one_hot(shape)).exp().sum(1)
    assert torch.allclose(total, torch.ones(5), atol=1e-12)


@pytest.mark.parametrize("likelihood_word", ["gaussian", "gaussian_shared"])
def test_densities_integrate_to_1(word, likelihood_word):
    made = some(word, likelihood_word, (1, 1, 2))

    def total(points: int) -> torch.Tensor:
        x, volume = grid(-20, 20, points, 2)
        return made(codes(1)).log_prob(x.reshape(-1, 1, 1, 2)).exp().sum() * volume

    assert is_one(total, 201)


@pytest.mark.parametrize(
    ("likelihood_word", "images"),
    [("bernoulli", bits((1, 2, 2))), ("bernoulli", bits((3, 1, 1))), ("categorical", one_hot((1, 2, 3)))],
)
def test_draws_come_as_often_as_they_are_probable(word, likelihood_word, images):
    n, images = 20_000, images.double()
    made = some(word, likelihood_word, tuple(images.shape[1:]))
    p = made(codes(1))
    draws = p.sample((n,))
    assert draws.shape == (n, 1, *images.shape[1:])
    probable = p.log_prob(images).exp()
    often = (draws == images[:, None, None]).flatten(2).all(2).double().mean(1)
    assert ((often - probable).abs() < 4 * (probable * (1 - probable) / n).sqrt() + 1e-9).all()


@pytest.mark.parametrize("likelihood_word", tables.LIKELIHOODS)
@pytest.mark.parametrize("shape", [(1, 5, 4), (3, 3, 3)], ids=str)
def test_images_are_drawn_by_the_parameters_that_score_them(word, likelihood_word, shape, monkeypatch):
    """The decoder's own way of drawing, which may keep what it knows, against a whole pass for each step."""
    made = some(word, likelihood_word, shape)
    torch.manual_seed(4)
    drawn = made(codes()).sample()
    monkeypatch.setattr(type(made.trunk), "walk", AutoregressiveTrunk.walk)
    torch.manual_seed(4)
    assert torch.allclose(made(codes()).sample(), drawn, atol=1e-9)
    raster, walk = made.trunk.raster, made.trunk.walk(codes())
    whole = made.trunk(made.standard(drawn), codes())
    for step in range(raster.steps):
        seen = torch.where(raster.step < step, drawn, torch.full_like(drawn, 7.0))
        assert torch.allclose(walk(step, made.standard(seen)), raster.crop(whole, step))


def test_a_density_of_many_pairs_is_that_of_each(word):
    made = some(word, "bernoulli", (1, 2, 3))
    x = bits((1, 2, 3))[torch.arange(0, 64, 9)]
    pairs = made(codes()[:, None]).log_prob(x)
    assert pairs.shape == (5, len(x))
    apart = [[made(z[None]).log_prob(image[None]).item() for image in x] for z in codes()]
    assert torch.allclose(pairs, torch.tensor(apart))
    with torch.no_grad():
        assert torch.allclose(made(codes()[:, None]).log_prob(x), pairs)


def test_no_examples_have_no_densities_and_no_draws(word):
    made = some(word, "bernoulli", (1, 2, 3))
    assert made(codes().new_zeros(2, 0, LATENT_DIM)).log_prob(bits((1, 2, 3))[:0]).shape == (2, 0)
    with torch.no_grad():
        assert made(codes().new_zeros(2, 0, LATENT_DIM)).log_prob(bits((1, 2, 3))[:0]).shape == (2, 0)


def test_a_mean_is_none_that_is_known(word):
    with pytest.raises(NotImplementedError, match="average draws"):
        _ = some(word, "bernoulli", (1, 2, 2))(codes()).mean


def test_asked_first_without_a_gradient_a_density_has_one_after(word):
    made, x = some(word, "bernoulli", (1, 2, 2)), bits((1, 2, 2))[:5]
    p = made(codes())
    with torch.no_grad():
        p.log_prob(x)
    assert p.log_prob(x).requires_grad


def test_colours_that_know_each_other_are_one_step_and_are_drawn_as_they_are_scored(word):
    """All images of one pixel of three channels and two levels, against draws, within 4 standard errors."""
    colours, n = (3, 1, 1), 20_000
    head = moved(LogisticMixtureLikelihood(2, components=2, channels=3))
    raster = Raster(colours, params_per_value=head.params_per_value, together=head.together)
    made = AutoregressiveDecoder(trunk(word, raster), head)
    images = torch.tensor(list(itertools.product((0.0, 1.0), repeat=3))).reshape(-1, *colours)
    z = torch.randn(1, LATENT_DIM, generator=torch.Generator().manual_seed(3))
    shares = made(z[:, None]).log_prob(images).exp().flatten()
    assert shares.sum().item() == pytest.approx(1, abs=1e-12)
    torch.manual_seed(4)
    draws = made(z.expand(n, -1)).sample().flatten(1)
    seen = (draws[:, None] == images.flatten(1)).all(-1).double().mean(0)
    assert ((seen - shares).abs() < 4 * (shares * (1 - shares) / n).sqrt() + 1e-9).all()
