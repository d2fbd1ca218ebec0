"""Metrics of a split against closed forms: the linear beta-VAE, a population by quadrature, and loops."""

import math

import numpy as np
import pytest
import torch

from vae_rd.config.fields import FitConfig
from vae_rd.data.base import EVAL_CHUNK, Source
from vae_rd.data.dataset import DataSet
from vae_rd.data.synthetic import gaussian, random_rotation
from vae_rd.experiment import build
from vae_rd.functional.seeding import generator
from vae_rd.metrics import values as evaluation
from vae_rd.metrics.rate_distortion import RateDistortion
from vae_rd.metrics.split import by_split, evaluate_split
from vae_rd.metrics.summary import summarise
from vae_rd.metrics.values import split_values
from vae_rd.model.vae import VAE
from vae_rd.run.record import SPLITS

from helpers.families import gaussian_data, normal_information
from helpers.reference import EIGENVALUES, S2, information_of_normals, water_filling

pytestmark = pytest.mark.usefixtures("float64")


def optimal_linear_vae(beta: float) -> VAE:
    """The closed-form weights of truth.md section 2."""
    config = FitConfig(
        encoder="linear",
        decoder="linear",
        latent_dim=6,
        likelihood="gaussian",
        likelihood_scale=math.sqrt(S2),
        beta=beta,
        standardize=False,
        whiten=False,
    )
    model = build.build_model(config, gaussian_data(20).card)
    level, variances = beta * S2, torch.tensor(EIGENVALUES)
    w = (variances - level).clamp_min(0).sqrt()
    with torch.no_grad():
        head, out = model.encoder.posterior.head, model.decoder.trunk[0]
        head.weight.zero_()
        head.weight[:6] = torch.diag(w / variances)
        head.bias[:6], head.bias[6:] = 0.0, (level / variances).clamp_max(1).log()
        out.weight.copy_(torch.diag(w))
        out.bias.zero_()
    return model


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0, 10.0, 100.0])
def test_closed_form_weights_give_water_filling(beta):
    data, exact = gaussian_data(4000, population=True), water_filling(EIGENVALUES, s2=S2, beta=beta)
    metrics = evaluate_split(optimal_linear_vae(beta), data, "test", slope=beta, seed=0, samples=4)
    assert metrics["rate"]["value"] == pytest.approx(exact["rate"], abs=1e-10)
    assert metrics["active_units"]["value"] == exact["active"]
    distortion = metrics["distortion"]
    assert distortion["stderr"] < 0.15  # Only z is random, and at beta = 100 nothing is.
    assert abs(distortion["value"] - exact["distortion"]) < 4 * distortion["stderr"] + 1e-9
    assert metrics["objective"]["value"] == pytest.approx(distortion["value"] + beta * exact["rate"], rel=1e-12)
    assert metrics["elbo"]["value"] == pytest.approx(-distortion["value"] - exact["rate"], rel=1e-12)


def test_gaussian_information_is_bracketed_and_the_marginal_kl_holds_zero():
    data, exact = gaussian_data(3000), water_filling(EIGENVALUES, s2=S2, beta=3.0)["rate"]
    metrics = evaluate_split(optimal_linear_vae(3.0), data, "test", slope=3.0, seed=0)
    lower, upper = metrics["mutual_information_lower"], metrics["mutual_information_upper"]
    assert lower["kind"] == "bound"
    assert lower["cap"] == pytest.approx(math.log(3000))
    assert lower["value"] - 4 * lower["stderr"] < exact < upper["value"] + 4 * upper["stderr"]
    assert upper["method"] in ("rate", "leave_one_out")
    assert metrics["marginal_kl_lower"]["value"] - 4 * metrics["marginal_kl_lower"]["stderr"] <= 0
    assert metrics["marginal_kl_upper"]["value"] > 0
    assert metrics["decoder_kl"]["value"] is None
    assert metrics["rate_monte_carlo"]["value"] == pytest.approx(exact, abs=4 * metrics["rate_monte_carlo"]["stderr"])


def population() -> tuple[DataSet, VAE]:
    """Twelve distinct binary images and a one-dimensional VAE that tells some of them apart."""
    bits = torch.tensor([[(i >> b) & 1 for b in range(4)] for i in range(12)], dtype=torch.uint8).reshape(12, 1, 2, 2)
    data = DataSet(Source("sprites", {"train": bits}, levels=2, population=True))
    model = build.build_model(FitConfig(latent_dim=1, hidden=[8], seed=5), data.card)
    with torch.no_grad():
        model.encoder.posterior.head.weight.mul_(6)
        model.encoder.posterior.head.bias.copy_(torch.tensor([0.0, -2.0]))
    return data, model


def test_population_information_is_exact_and_the_gaps_add_up():
    data, model = population()
    metrics = evaluate_split(model, data, "val", slope=1.0, seed=0, samples=4000)
    q = model.encoder(data.evaluation_chunk("val", 0))
    exact = information_of_normals(q.mu[:, 0].detach().numpy(), (0.5 * q.log_var[:, 0]).exp().detach().numpy())
    information = metrics["mutual_information_lower"]
    assert information["kind"] == "exact"
    assert information["stderr"] < 0.01
    assert abs(information["value"] - exact) < 4 * information["stderr"]
    assert metrics["mutual_information_upper"]["value"] == information["value"]
    assert metrics["rate"]["stderr"] == pytest.approx(0.0, abs=1e-12)
    assert metrics["rate"]["resampled"] == "z"
    # D + R = H + KL(q(z) || m(z)) + E KL(q(x|z) || p(x|z)): an identity of the draws, not only of their means.
    total = metrics["marginal_kl_upper"]["value"] + metrics["decoder_kl"]["value"] + math.log(12)
    assert -metrics["elbo"]["value"] == pytest.approx(total, abs=1e-10)
    assert metrics["marginal_kl_upper"]["value"] > -4 * metrics["marginal_kl_upper"]["stderr"]
    assert metrics["decoder_kl"]["value"] > -4 * metrics["decoder_kl"]["stderr"]


def test_decoder_kl_equals_its_definition_by_enumeration():
    data, model = population()
    x = data.evaluation_chunk("val", 0)
    metrics = evaluate_split(model, data, "val", slope=1.0, seed=0, samples=3000)
    with torch.no_grad():
        z = torch.linspace(-30, 30, 60_001)[:, None]
        q = model.encoder(x).log_prob(z[:, None]).exp()
        joint = q / 12
        density = joint.sum(1)
        posterior = joint / density[:, None].clamp_min(1e-300)
        log_p = model.decoder(z[:, None]).log_prob(x)
        gap = torch.special.xlogy(posterior, posterior) - posterior * log_p
        exact = (density * gap.sum(1)).sum().item() * 1e-3
    assert abs(metrics["decoder_kl"]["value"] - exact) < 4 * metrics["decoder_kl"]["stderr"]


def test_standard_errors_cover_repeated_evaluations():
    data, model = population()
    runs = [evaluate_split(model, data, "val", slope=1.0, seed=s, samples=16) for s in range(120)]
    for name in ("distortion", "mutual_information_lower", "decoder_kl", "marginal_kl_upper"):
        spread = np.std([m[name]["value"] for m in runs], ddof=1)
        claimed = np.sqrt(np.mean([m[name]["stderr"] ** 2 for m in runs]))
        assert claimed == pytest.approx(spread, rel=4 / math.sqrt(2 * 119)), name


def test_noise_is_fixed_by_seed_split_and_chunk():
    data, model = population()
    first, again = (split_values(model, data, "val", samples=2, seed=1).distortion for _ in range(2))
    other_seed = split_values(model, data, "val", samples=2, seed=2).distortion
    other_split = split_values(model, data, "test", samples=2, seed=1).distortion
    assert torch.equal(first, again)
    assert not torch.equal(first, other_seed)
    assert not torch.equal(first, other_split)


def test_evaluation_runs_in_eval_mode_and_leaves_the_mode_alone():
    data, model = population()
    model.train()
    model.encoder.trunk.append(torch.nn.Dropout(0.9))
    first, again = (split_values(model, data, "val", samples=2, seed=1).rate for _ in range(2))
    assert torch.equal(first, again)
    assert model.training


def test_train_split_of_a_sample_is_empirical():
    data = gaussian_data(300)
    metrics = evaluate_split(optimal_linear_vae(3.0), data, "train", slope=3.0, seed=0)
    assert metrics["mutual_information_lower"]["kind"] == "empirical"
    assert metrics["mutual_information_upper"]["method"] == "exact"


def test_the_unlimited_gaussian_reproduces_water_filling_on_fresh_draws():
    """Closed-form weights turned into the axes of the source: R and I are exact, D within its standard error."""
    beta = 3.0
    exact, model = water_filling(EIGENVALUES, s2=S2, beta=beta), optimal_linear_vae(beta)
    data = DataSet(gaussian(EIGENVALUES, data_seed=5), data_seed=5, n_test=50_000)
    q = random_rotation(6, data_seed=5)
    with torch.no_grad():
        model.encoder.posterior.head.weight[:6] = model.encoder.posterior.head.weight[:6] @ q.T
        model.decoder.trunk[0].weight.copy_(q @ model.decoder.trunk[0].weight)
    metrics = evaluate_split(model, data, "test", slope=beta, seed=0)
    for name in ("rate", "distortion"):
        assert 0 < metrics[name]["stderr"] < 0.03
        assert abs(metrics[name]["value"] - exact[name]) < min(4 * metrics[name]["stderr"], 0.08)
    assert (metrics["rate"]["n"], metrics["active_units"]["value"]) == (50_000, exact["active"])
    information = metrics["mutual_information_lower"]
    assert information["n"] == metrics["marginal_kl_lower"]["n"] == metrics["marginal_kl_upper"]["n"] == 10_000
    above = metrics["mutual_information_leave_one_out"]
    assert max(information["stderr"], above["stderr"]) < 0.03
    assert information["value"] - 4 * information["stderr"] < exact["rate"] < above["value"] + 4 * above["stderr"]


@pytest.mark.parametrize(
    ("n_train", "measured"),
    [(None, {"test": ("train", "val", "test")}), (40, {"train": ("train",), "test": ("val", "test")})],
)
def test_splits_that_are_one_population_are_measured_once(n_train, measured):
    source = Source("whole", {"train": torch.randn(60, 1, 1, 6)}, levels=None, population=True)
    data, model, asked = DataSet(source, n_train=n_train), optimal_linear_vae(3.0), []

    def evaluate(split):
        asked.append(split)
        return evaluate_split(model, data, split, slope=3.0, seed=0)

    found = dict(by_split(data, SPLITS, evaluate))
    assert (asked, list(found)) == (list(measured), list(SPLITS))
    for of, splits in measured.items():
        for split in splits:
            assert found[split] == evaluate_split(model, data, split, slope=3.0, seed=0)
            assert found[split]["rate_monte_carlo"] == found[of]["rate_monte_carlo"]
    assert found["test"].keys() > found["val"].keys()
    assert (found["train"]["distortion"] == found["test"]["distortion"]) is (n_train is None)


@pytest.mark.parametrize("split", ["train", "test"])
def test_information_of_an_unlimited_split_is_a_bound_from_its_first_examples(split, monkeypatch):
    monkeypatch.setattr(evaluation, "UNLIMITED_REFERENCES", 700)
    data = DataSet(gaussian(EIGENVALUES, data_seed=5), n_test=2000)
    model, n = optimal_linear_vae(3.0), data.card.n[split]
    metrics = evaluate_split(model, data, split, slope=3.0, seed=0)
    values = split_values(model, data, split, samples=1, seed=0)
    alone = normal_information(*drawn(model, data, split, 700))
    lower = metrics["mutual_information_lower"]
    assert (lower["n"], lower["cap"], lower["kind"]) == (700, pytest.approx(math.log(700)), "bound")
    assert lower["value"] == pytest.approx(alone.lower.mean().item(), abs=1e-12)
    assert metrics["rate"]["n"] == metrics["distortion"]["n"] == n == len(values.mean)
    for side, bound in (("lower", "upper"), ("upper", "lower")):
        gap = values.rate[0, :700].mean().item() - metrics[f"mutual_information_{bound}"]["value"]
        assert metrics[f"marginal_kl_{side}"]["value"] == pytest.approx(gap, abs=1e-12)
    assert metrics["decoder_kl"]["value"] is None


def drawn(model, data, split, first):
    """z, mu, sigma of a split's first examples under the noise of an evaluation with seed 0, chunk by chunk."""
    parts = []
    with torch.no_grad():
        for chunk in range(-(-first // EVAL_CHUNK)):
            q = model.encoder(data.evaluation_chunk(split, chunk))
            eps = torch.randn(1, *q.mu.shape, generator=generator("cpu", 0, "evaluation", split, chunk))
            parts.append((q.from_noise(eps).z, q.mu[None], (0.5 * q.log_var[None]).exp()))
    z, mu, sigma = (torch.cat(column, 1)[:, :first] for column in zip(*parts, strict=True))
    return z, mu[0], sigma[0]


def test_a_stored_sample_of_an_unlimited_source_is_empirical():
    data = DataSet(gaussian(EIGENVALUES, data_seed=5), n_train=300, n_test=300)
    metrics = evaluate_split(optimal_linear_vae(3.0), data, "train", slope=3.0, seed=0)
    assert metrics["mutual_information_lower"]["kind"] == "empirical"


@pytest.mark.parametrize(("asked", "n", "references"), [(300, 300, 700), (900, 900, 900), (5000, 2000, 2000)])
def test_more_or_fewer_examples_of_an_unlimited_source_may_be_asked_for(asked, n, references, monkeypatch):
    monkeypatch.setattr(evaluation, "UNLIMITED_REFERENCES", 700)
    data = DataSet(gaussian(EIGENVALUES, data_seed=5), n_test=2000)
    lower = evaluate_split(optimal_linear_vae(3.0), data, "test", slope=3.0, seed=0, information_examples=asked)[
        "mutual_information_lower"
    ]
    assert (lower["n"], lower["cap"]) == (n, pytest.approx(math.log(references)))


@pytest.mark.parametrize("split", ["train", "test"])
def test_information_at_some_examples_is_theirs_among_all_and_the_rest_is_of_all(split):
    data, model = gaussian_data(1300), optimal_linear_vae(3.0)  # Three chunks.
    whole = split_values(model, data, split, samples=2, seed=0)
    some = split_values(model, data, split, samples=2, seed=0, information_examples=100)
    assert len(some.asked.unique()) == 100
    assert some.asked.max() > 2 * EVAL_CHUNK > EVAL_CHUNK > some.asked.min()
    torch.testing.assert_close(some.lower, whole.lower[:1, some.asked], rtol=0, atol=1e-12)
    torch.testing.assert_close(some.leave_one_out, whole.leave_one_out[:1, some.asked], rtol=0, atol=1e-12)
    assert torch.equal(some.distortion, whole.distortion)
    metrics = summarise(some, data.card, split, slope=1.0)
    lower, upper = metrics["mutual_information_lower"], metrics["marginal_kl_upper"]
    assert (lower["n"], lower["cap"], metrics["rate"]["n"]) == (100, pytest.approx(math.log(1300)), 1300)
    assert lower["kind"] == ("empirical" if split == "train" else "bound")
    # The marginal KL stays paired: no noise of which examples are asked adds to it.
    assert upper["value"] == pytest.approx((some.rate[0, some.asked] - some.lower[0]).mean().item(), abs=1e-12)


def test_other_seeds_and_splits_ask_other_examples():
    data, model = gaussian_data(300), optimal_linear_vae(3.0)
    of = [(split, seed) for split in ("train", "test") for seed in (0, 1)]
    asked = [split_values(model, data, split, samples=1, seed=s, information_examples=9).asked for split, s in of]
    assert len({tuple(index.tolist()) for index in asked}) == 4


def test_information_of_a_population_at_some_examples_is_unbiased_and_says_what_was_resampled():
    data, model = population()
    q = model.encoder(data.evaluation_chunk("val", 0))
    exact = information_of_normals(q.mu[:, 0].detach().numpy(), (0.5 * q.log_var[:, 0]).exp().detach().numpy())
    runs = [
        evaluate_split(model, data, "val", slope=1.0, seed=s, samples=3, information_examples=6) for s in range(400)
    ]
    lower = [m["mutual_information_lower"] for m in runs]
    assert {(e["n"], e["kind"], e["resampled"], round(e["cap"], 9)) for e in lower} == {
        (6, "exact", "x, z", round(math.log(12), 9))
    }
    values, claimed = np.array([e["value"] for e in lower]), np.sqrt(np.mean([e["stderr"] ** 2 for e in lower]))
    stderr = values.std(ddof=1) / math.sqrt(len(values))
    assert stderr < 0.02
    assert abs(values.mean() - exact) < 4 * stderr
    # Without replacement the spread is less than the standard error of independent examples, by 1/2 for half of them.
    assert math.sqrt(0.5) * 0.86 < values.std(ddof=1) / claimed < 1.14
    gap = np.array([m["decoder_kl"]["value"] for m in runs])
    whole = evaluate_split(model, data, "val", slope=1.0, seed=0, samples=4000)["decoder_kl"]
    spread = gap.std(ddof=1) / math.sqrt(len(gap))
    assert abs(gap.mean() - whole["value"]) < 4 * math.hypot(spread, whole["stderr"])


def test_upper_bound_is_chosen_by_its_limit():
    data, model = gaussian_data(300), optimal_linear_vae(3.0)
    values = split_values(model, data, "test", samples=1, seed=0)
    far = summarise(
        values.__class__(**{**vars(values), "leave_one_out": values.rate + 5}), data.card, "test", slope=1.0
    )
    near = summarise(
        values.__class__(**{**vars(values), "leave_one_out": values.rate - 5}), data.card, "test", slope=1.0
    )
    assert far["mutual_information_upper"]["method"] == "rate"
    assert near["mutual_information_upper"]["method"] == "leave_one_out"


def test_running_metrics_equal_pooled_means_over_unequal_batches():
    data, model = population()
    metric = RateDistortion(1, slope=3.0)
    x, eps = data.evaluation_chunk("val", 0), torch.randn(1, 12, 1)
    for rows in (slice(0, 5), slice(5, 6), slice(6, 12)):
        terms = model.terms(x[rows], eps[:, rows])
        d, r = terms.distortion.mean(0), terms.rate.mean(0)
        metric.update(d, r, mean=terms.moments.mean, rate_per_dim=terms.rate_per_dim, loss=d + 7 * r)
    whole, means = model.terms(x, eps), metric.compute()
    d, r = whole.distortion.mean().item(), whole.rate.mean().item()
    assert means["distortion"] == pytest.approx(d, rel=1e-12)
    assert means["rate"] == pytest.approx(r, rel=1e-12)
    assert means["rate_per_dim"].item() == pytest.approx(r, rel=1e-12)
    assert means["objective"] == pytest.approx(d + 3 * r, rel=1e-12)
    assert means["loss"] == pytest.approx(d + 7 * r, rel=1e-12)
    assert means["active_units"] == int(model.encoder(x).mean.var(0, correction=0).item() > 0.01) == 1
