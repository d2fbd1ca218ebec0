"""Sources without end against their own laws, and the data sets made of them: fresh batches, fixed draws, entropies."""

import math
import re

import numpy as np
import pytest
import torch
from scipy import stats

from vae_rd.config.cli import parse
from vae_rd.config.fields import FitConfig
from vae_rd.data import noisy_sprites as noisy
from vae_rd.data.base import FRESH_STEPS, DataCard
from vae_rd.data.module import TrainBatches
from vae_rd.data.noisy_sprites import log_mass, noisy_entropy, noisy_sprites
from vae_rd.data.sprites import sprites
from vae_rd.data.synthetic import gaussian, random_rotation, sphere, toy_channel
from vae_rd.errors import InputError
from vae_rd.experiment import build, tables
from vae_rd.functional.seeding import generator
from vae_rd.model.likelihoods.categorical import CategoricalLikelihood
from vae_rd.run.folder import check_unread

from helpers.reference import EIGENVALUES, sprite_log_mass, toy_bin_masses

NAMES = ("gaussian", "sphere", "toy_channel", "noisy_sprites")


def rows(source, n, seed=0):
    """n draws as float64 [n, values]."""
    return source.draw(n, generator("cpu", seed)).flatten(1).double()


def assert_mean(values, expected, *, most_stderr, cap):
    """Within 4 s.e. of the expectation and an absolute cap, from enough values to mean something."""
    stderr = values.std().item() / math.sqrt(len(values))
    assert stderr < most_stderr
    assert abs(values.mean().item() - expected) < min(4 * stderr, cap)


@pytest.mark.parametrize("eigenvalues", [EIGENVALUES, [3.0], [1e-3, 1e3], [1.0] * 40])
def test_gaussian_draws_have_the_density_their_entropy_is_of(eigenvalues):
    source = gaussian(eigenvalues, data_seed=3)
    q = random_rotation(len(eigenvalues), data_seed=3).numpy()
    law = stats.multivariate_normal(cov=q @ np.diag(eigenvalues) @ q.T)
    assert source.entropy.value == pytest.approx(law.entropy(), abs=1e-9)
    surprise = torch.tensor(-law.logpdf(rows(source, 100_000).numpy()))
    assert_mean(surprise, source.entropy.value, most_stderr=0.015, cap=0.05)


def test_gaussian_draws_have_the_covariance_that_was_asked_for():
    x, q = rows(gaussian(EIGENVALUES, data_seed=1), 200_000), random_rotation(6, data_seed=1)
    along_axes = x @ q
    products = along_axes[:, :, None] * along_axes[:, None]
    off = products.mean(0) - torch.tensor(EIGENVALUES, dtype=torch.float64).diag()
    assert bool((off.abs() < 4.5 * products.std(0) / math.sqrt(len(x))).all())
    assert not torch.allclose(x.T @ x / len(x), products.mean(0), atol=0.1)  # It is rotated at all.


def test_rotations_are_orthogonal_and_have_no_preferred_direction():
    many = torch.stack([random_rotation(3, data_seed=seed) for seed in range(2000)])
    identity = torch.eye(3, dtype=torch.float64).expand_as(many)
    torch.testing.assert_close(many @ many.mT, identity, atol=1e-12, rtol=0)
    stderr = math.sqrt(1 / 3 / 2000)
    assert bool((many.mean(0).abs() < 4.5 * stderr).all())  # A plain QR fails: it fixes the sign of an entry.
    assert bool(((many.square().mean(0) - 1 / 3).abs() < 4.5 * math.sqrt(4 / 45 / 2000)).all())


def test_sphere_draws_have_the_density_their_entropy_is_of():
    """In three dimensions E exp(k u_1) over the sphere is sinh(k) / k, no Bessel function needed."""
    source, v = sphere(3), 0.1
    r = rows(source, 100_000).norm(dim=1)
    log_p = -1.5 * math.log(2 * math.pi * v) - (r.square() + 1) / (2 * v) + ((r / v).sinh() / (r / v)).log()
    assert_mean(-log_p, source.entropy.value, most_stderr=0.004, cap=0.015)


@pytest.mark.parametrize(("dim", "loss"), [(2, 2.540630), (5, 5.178030), (10, 8.448071)])
def test_sphere_entropy_gives_the_published_optima(dim, loss):
    """Shannon's lower bound is met at weight 10: R + 10 D = h(x) - (d/2) ln(2 pi / 10)."""
    value = sphere(dim).entropy.value - 0.5 * dim * math.log(2 * math.pi / 10)
    assert value == pytest.approx(loss, abs=1e-6)


def test_toy_channel_is_one_hot_with_the_masses_of_its_bins():
    source, p = toy_channel(), torch.tensor(toy_bin_masses())
    x = rows(source, 200_000)
    assert torch.equal(x.sum(1), torch.ones(len(x), dtype=torch.float64))
    stderr = (p * (1 - p) / len(x)).sqrt()
    assert bool(((x.mean(0) - p).abs() < 4.5 * stderr).all())
    assert source.entropy.value == pytest.approx(2.8970623, abs=5e-8)
    assert source.params["mutual_information"] == pytest.approx(0.5, abs=5e-8)


@pytest.mark.parametrize("p", [1e-3, 0.05])
def test_noisy_sprites_are_scored_by_the_whole_mixture(p):
    clean = sprites().images["train"].flatten(1).numpy()
    x = torch.cat([noisy_sprites(p).draw(1, generator("cpu", 0)), torch.zeros(1, 1, 16, 16, dtype=torch.uint8)])
    expected = [sprite_log_mass(bits, clean, p) for bits in x.flatten(1).numpy()]
    np.testing.assert_allclose(log_mass(x, flip_probability=p).numpy(), expected, rtol=1e-12)


def test_noisy_sprite_masses_sum_to_one_over_all_images(monkeypatch):
    """Over every image of 2 x 4 pixels, with three of them for sprites."""
    images = torch.tensor([[i >> b & 1 for b in range(8)] for i in range(256)], dtype=torch.uint8)
    monkeypatch.setattr(noisy, "_clean", lambda: images[[3, 77, 200]].float())
    monkeypatch.setattr(noisy, "PIXELS", 8)
    assert log_mass(images[:, None, None], flip_probability=0.07).exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("p", [0.05, 0.1])
def test_noisy_entropy_is_the_mean_surprise_of_fresh_draws(p):
    entropy = noisy_entropy(p)
    assert entropy.kind == "monte_carlo"
    assert 0 < entropy.stderr <= 0.005
    x = noisy_sprites(p).draw(8000, generator("cpu", "elsewhere"))
    surprise = -log_mass(x, flip_probability=p)
    stderr = math.hypot(surprise.std().item() / math.sqrt(len(x)), entropy.stderr)
    assert stderr < 0.15
    assert abs(surprise.mean().item() - entropy.value) < 4 * stderr


def test_noisy_entropy_at_one_half_is_that_of_coins():
    entropy = noisy_entropy(0.5)
    assert entropy.value == pytest.approx(256 * math.log(2), abs=1e-9)
    assert entropy.stderr < 1e-9


def test_noisy_sprites_flip_each_pixel_as_often_as_asked():
    x = noisy_sprites(0.05).draw(20_000, generator("cpu", 1))
    corner = x[:, 0, 0, [0, -1]].double().flatten()  # No clean sprite reaches a corner.
    assert int(sprites().images["train"][:, 0, 0, [0, -1]].sum()) == 0
    assert_mean(corner, 0.05, most_stderr=0.0015, cap=0.005)


def data_set(name, **flags):
    return build.data_set(tables.SOURCES[name](config := FitConfig(data=name, **flags)), config)


@pytest.mark.parametrize("name", NAMES)
def test_card_of_an_unlimited_source(name):
    data = data_set(name, n_test=500)
    card, law = data.card, tables.SOURCES[name](FitConfig()).entropy
    assert card.n == {"train": 10_000, "val": 10_000, "test": 500}
    assert card.unlimited == {"train": True, "val": True, "test": True}
    assert card.population == {"train": False, "val": False, "test": False}
    assert card.entropy == {"train": law, "val": law, "test": law}
    assert card.params["duplicates"] == {}
    assert DataCard.from_json(card.to_json()) == card
    assert data.evaluation_chunk("val", 0).shape == (500, *card.shape) == data.fresh(500, "any").shape


def test_test_split_is_large_by_default():
    assert data_set("gaussian").card.n["test"] == 100_000


@pytest.mark.parametrize("name", ["gaussian", "toy_channel", "noisy_sprites"])
def test_a_stored_training_sample_is_a_finite_source_of_its_own(name):
    data = data_set(name, n_train=300, n_test=50)
    card, own = data.card, data.card.entropy["train"]
    assert card.unlimited == {"train": False, "val": True, "test": True}
    assert card.n["train"] == 300
    if name == "gaussian":
        assert (own.value, own.measure) == (None, "differential")
        return
    counts = np.unique(data.pixels["train"].flatten(1).numpy(), axis=0, return_counts=True)[1]
    assert own.value == pytest.approx(stats.entropy(counts), abs=1e-12)
    assert card.params["duplicates"] == {"train": 300 - len(counts)}


def test_draws_belong_to_the_data_seed_and_splits_do_not_share_them():
    one, same, other = (data_set("gaussian", data_seed=d, seed=s, n_test=100) for d, s in ((0, 0), (0, 1), (1, 0)))
    for split in ("train", "val", "test"):
        assert torch.equal(one.pixels[split], same.pixels[split])
        assert not torch.equal(one.pixels[split], other.pixels[split])
    assert not torch.equal(one.pixels["train"], one.pixels["val"])
    assert not torch.equal(one.pixels["val"][:100], one.pixels["test"])


def batches(data, *, epoch=0, seed=3, rank=0, world_size=1, size=8):
    loader = TrainBatches(data, batch_size=size, seed=seed, epoch=lambda: epoch, rank=rank, world_size=world_size)
    return [batch for block in loader for batch in block]


@pytest.mark.parametrize("name", NAMES)
def test_fresh_batches_are_a_function_of_seed_epoch_and_step(name):
    data = data_set(name, n_test=10)
    first, again = batches(data), batches(data)
    assert [batch.part for batch in first] == list(range(FRESH_STEPS))
    assert all(torch.equal(a.x, b.x) for a, b in zip(first, again, strict=True))
    for other in (batches(data, epoch=1), batches(data, seed=4), batches(data_set(name, n_test=10, data_seed=1))):
        assert not any(torch.equal(a.x, b.x) for a, b in zip(first, other, strict=True))
    assert len({batch.x.numpy().tobytes() for batch in first}) == FRESH_STEPS
    parts = [batches(data, rank=rank, world_size=2) for rank in range(2)]
    assert all(torch.equal(a.x, torch.cat([b.x, c.x])) for a, b, c in zip(first, *parts, strict=True))


def test_an_epoch_of_fresh_batches_takes_its_steps_whatever_the_batch_size():
    card = data_set("gaussian", n_test=10).card
    assert build.steps_of(FitConfig(batch_size=20_000, max_epochs=3), card) == 300
    stored = data_set("gaussian", n_test=10, n_train=64).card
    assert build.steps_of(FitConfig(batch_size=20, max_epochs=3), stored) == 9
    with pytest.raises(InputError, match="--batch_size 65: the training split has 64 examples"):
        build.steps_of(FitConfig(batch_size=65), stored)


def test_draws_are_the_same_in_either_precision():
    single = data_set("gaussian", n_test=10)
    torch.set_default_dtype(torch.float64)
    try:
        double = data_set("gaussian", n_test=10)
        x = double.fresh(5, "any")
    finally:
        torch.set_default_dtype(torch.float32)
    assert x.dtype == torch.float64
    assert torch.equal(x, single.fresh(5, "any").double())


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("--gaussian_eigenvalues [1]", "--gaussian_eigenvalues belongs to --data gaussian, not to --data sprites"),
        ("--data gaussian --sphere_dim 3", "--sphere_dim belongs to --data sphere, not to --data gaussian"),
        ("--flip_probability 0.1", "--flip_probability belongs to --data noisy_sprites"),
        ("--data noisy_sprites --flip_probability 0.6", "the most it can be is 0.5"),
        ("--data noisy_sprites --flip_probability 0", "it must be greater than 0"),
        ("--data sphere --sphere_dim 1", "the least it can be is 2"),
        ("--data gaussian --gaussian_eigenvalues []", "give one variance per dimension"),
        ("--data gaussian --gaussian_eigenvalues [1,0]", "give one variance per dimension, each from 1e-30"),
        ("--data gaussian --gaussian_eigenvalues [1,-2]", "give one variance per dimension"),
        ("--data gaussian --gaussian_eigenvalues [.nan]", "give one variance per dimension"),
        ("--data gaussian --gaussian_eigenvalues [[1]]", "give a list such as"),
        ("--data gaussian --gaussian_eigenvalues 4", "give a list"),
    ],
)
def test_flags_of_a_source_are_refused_elsewhere_and_out_of_range(argv, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check_unread(parse(argv.split()).config)


def test_eigenvalues_arrive_as_numbers():
    assert parse(["--data", "gaussian", "--gaussian_eigenvalues", "[4, 1]"]).config.gaussian_eigenvalues == [4.0, 1.0]
    assert parse([]).config.gaussian_eigenvalues == list(EIGENVALUES)


def test_sizes_beyond_memory_and_grey_flags_are_refused():
    with pytest.raises(InputError, match="too large for memory"):
        data_set("gaussian", n_test=10**15)
    with pytest.raises(InputError, match="--binarization static: the pixels of --data gaussian are real-valued"):
        data_set("gaussian", binarization="static")


def test_categorical_mass_sums_to_one_over_all_one_hot_images():
    logits = torch.randn(4, 1, 2, 3, dtype=torch.float64)
    images = torch.eye(3, dtype=torch.float64)[torch.cartesian_prod(torch.arange(3), torch.arange(3))]
    p = CategoricalLikelihood()(logits)
    log_mass = torch.stack([p.log_prob(image[None]) for image in images])
    torch.testing.assert_close(log_mass.exp().sum(0), torch.ones(4, dtype=torch.float64))
    by_torch = torch.distributions.OneHotCategorical(logits=logits).log_prob(images[:, None, None]).sum((-1, -2))
    torch.testing.assert_close(log_mass, by_torch)
    torch.testing.assert_close(p.mean.sum(-1), torch.ones(4, 1, 2, dtype=torch.float64))


def test_categorical_samples_are_one_hot_with_the_frequencies_of_the_mass():
    p = CategoricalLikelihood()(torch.randn(2, 1, 1, 4, dtype=torch.float64))
    draws = p.sample((20_000,))
    assert torch.equal(draws.sum(-1), torch.ones(20_000, 2, 1, 1, dtype=torch.float64))
    stderr = (p.mean * (1 - p.mean) / 20_000).sqrt()
    assert bool(((draws.mean(0) - p.mean).abs() < 4.5 * stderr).all())


@pytest.mark.parametrize(("name", "likelihood"), [("toy_channel", "bernoulli"), ("noisy_sprites", "categorical")])
def test_one_hot_x_takes_the_categorical_likelihood_and_no_other_x_does(name, likelihood):
    with pytest.raises(InputError, match=f"--likelihood {likelihood}: x of --data {name} is"):
        build.build_model(FitConfig(likelihood=likelihood), data_set(name, n_test=10).card)
