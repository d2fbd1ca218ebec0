"""Trunks for any image size, the terms of a joint draw, objectives and schedules."""

import pytest
import torch

from vae_rd.config.fields import FIELDS, FitConfig, choices
from vae_rd.data.base import DataCard, Entropy, Source
from vae_rd.data.dataset import DataSet
from vae_rd.experiment import build, tables
from vae_rd.model.terms import Terms
from vae_rd.objectives.beta import PATHS, BetaObjective
from vae_rd.objectives.rate_penalty import RatePenaltyObjective

SHAPES = ((1, 28, 28), (3, 60, 64), (1, 5, 7), (2, 1, 1))
TABLES = {
    "data": tables.SOURCES,
    "encoder": [word for word, row in tables.TRUNKS.items() if row.has("encoder")],
    "decoder": [word for word, row in tables.TRUNKS.items() if row.has("decoder")],
    "posterior": tables.POSTERIORS,
    "prior": tables.PRIORS,
    "likelihood": tables.LIKELIHOODS,
    "objective": tables.OBJECTIVES,
    "gradient": tables.GRADIENTS,
    "precision": tables.PRECISIONS,
    "activation": tables.ACTIVATIONS,
    "lr_schedule": tables.SCHEDULES,
    "beta_schedule": {"auto": None, **PATHS},
    "model": build.MODELS,
}


def card(shape: tuple[int, int, int] = (1, 4, 4), support: str = "binary") -> DataCard:
    """A card of 8 images per split."""
    return DataCard(
        name="toy",
        n=dict.fromkeys(("train", "val", "test"), 8),
        shape=shape,
        support=support,
        population=dict.fromkeys(("train", "val", "test"), False),
        pixel_scale=None,
        entropy=dict.fromkeys(("train", "val", "test"), Entropy()),
        params={},
    )


@pytest.mark.parametrize("flag", TABLES)
def test_tables_hold_exactly_the_choices_of_the_flag(flag):
    assert set(TABLES[flag]) == set(choices(flag))


def test_every_word_flag_is_either_built_from_a_table_or_known_to_need_none():
    settings = {"binarization", "dequantize", "target", "accelerator", "strategy", "wandb", "resume", "file_rules"}
    settings |= {"units", "warmup_unit", "free_bits_per", "layout"}
    assert {name for name in FIELDS if choices(name)} == set(TABLES) | settings


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("trunk", choices("decoder"))
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian_pixel"])
def test_any_image_size_goes_through_every_trunk(shape, trunk, likelihood):
    encoder = trunk if trunk in choices("encoder") else "mlp"
    config = FitConfig(encoder=encoder, decoder=trunk, hidden=[4, 6], latent_dim=3, likelihood=likelihood)
    model = build.build_model(config, card(shape, "binary" if likelihood == "bernoulli" else "real"))
    terms = model.terms(torch.zeros(5, *shape), torch.randn(2, 5, 3))
    assert terms.log_px_z.shape == terms.log_mz.shape == terms.log_qz.shape == terms.rate.shape == (2, 5)
    assert terms.likelihood.event_shape == shape
    assert terms.rate_per_dim.shape == (5, 3)
    terms.distortion.mean().backward()
    assert all(p.grad is not None for p in model.decoder.parameters())


def test_conv_trunks_see_every_pixel():
    model = build.build_model(FitConfig(encoder="conv", hidden=[4, 6]), card((1, 7, 5)))
    x = torch.zeros(1, 1, 7, 5, requires_grad=True)
    model.encoder(x).mean.sum().backward()
    assert bool((x.grad != 0).all())


def test_linear_trunks_are_affine():
    model = build.build_model(
        FitConfig(encoder="linear", decoder="linear", latent_dim=2, precision="64"), card()
    ).double()
    a, b, zero = (torch.randn(1, 1, 4, 4, dtype=torch.float64) for _ in range(3))
    zero = torch.zeros_like(a)

    def mean(x: torch.Tensor) -> torch.Tensor:
        return model.encoder(x).mean

    torch.testing.assert_close(mean(a + 2 * b) - mean(zero), (mean(a) - mean(zero)) + 2 * (mean(b) - mean(zero)))


def test_initialisation_depends_on_the_seed_alone():
    weights = [
        torch.cat([p.flatten() for p in build.build_model(FitConfig(seed=s), card()).parameters()]) for s in (1, 1, 2)
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_rate_is_analytic_and_close_to_its_draws():
    torch.manual_seed(1)
    model = build.build_model(FitConfig(latent_dim=3, hidden=[8]), card()).double()
    terms = model.terms(torch.bernoulli(torch.full((4, 1, 4, 4), 0.5)).double(), torch.randn(50_000, 4, 3).double())
    ratios = terms.log_qz - terms.log_mz
    stderr = ratios.std(0) / 50_000**0.5
    assert bool(((ratios.mean(0) - terms.rate[0]).abs() < 4 * stderr).all())
    assert torch.equal(terms.rate, terms.rate_per_dim.sum(-1).expand(50_000, 4))


def test_objective_is_distortion_plus_weighted_rate():
    model = build.build_model(FitConfig(latent_dim=3, hidden=[8]), card())
    terms = model.terms(torch.zeros(4, 1, 4, 4), torch.randn(2, 4, 3))
    for beta in (0.0, 0.5, 4.0):
        expected = terms.distortion.mean(0) + beta * terms.rate.mean(0)
        torch.testing.assert_close(BetaObjective(beta)(terms, 0, noise=torch.Generator()), expected)


def test_a_target_rate_is_held_from_either_side():
    objective = RatePenaltyObjective(2.0, weight=3.0)
    rate = torch.tensor([[1.0, 4.0], [0.0, 4.0]], requires_grad=True)
    terms = Terms.stated(log_px_z=torch.tensor([[-5.0, -5.0], [-7.0, -5.0]]), rate=rate)
    loss = objective(terms, 0, noise=torch.Generator())
    assert loss.tolist() == [6.0 + 3.0 * 1.5, 5.0 + 3.0 * 2.0]
    loss.sum().backward()
    assert rate.grad.tolist() == [[-1.5, 1.5], [-1.5, 1.5]]


def test_of_rates_at_the_target_the_least_distortion_is_kept_else_the_nearest():
    score = RatePenaltyObjective(2.0, weight=3.0).score
    at = [score({"distortion": d, "rate": r}) for d, r in ((9.0, 2.05), (8.0, 1.95), (1.0, 2.2), (1.0, 1.0))]
    assert at[:2] == [9.0, 8.0]
    assert max(at[:2]) < at[2] < at[3]


def test_warmup_grows_to_beta_and_says_when_it_is_over():
    objective = BetaObjective(4.0, warmup=10)
    assert [objective.weight(step) for step in (0, 5, 10, 99)] == [0.0, 2.0, 4.0, 4.0]
    assert objective.is_annealing(9)
    assert not objective.is_annealing(10)
    assert not BetaObjective(4.0).is_annealing(0)


@pytest.mark.parametrize(
    ("flags", "shape", "has_means"),
    [
        ({}, (1, 4, 4), True),
        ({"decoder": "made"}, (1, 4, 4), False),  # reads x
        ({"likelihood": "logistic_mixture"}, (1, 4, 4), True),
        ({"likelihood": "logistic_mixture"}, (3, 4, 4), False),  # colours that depend on each other
    ],
)
def test_a_model_knows_whether_the_mean_of_x_given_z_has_a_closed_form(flags, shape, has_means):
    levels = torch.zeros(8, *shape, dtype=torch.uint8)
    grey = DataSet(Source("own", dict.fromkeys(("train", "val", "test"), levels), levels=16)).card
    model = build.build_model(
        FitConfig(hidden=[8], latent_dim=2, **flags), grey if flags.get("likelihood") else card(shape)
    )
    assert model.has_means() is has_means
