"""The linear VAE against its closed forms: analytic distortion, whitened coordinates, and the fit itself."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vae_rd.config.fields import FitConfig
from vae_rd.data.synthetic import random_rotation
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.experiment.fitting import fit_model
from vae_rd.experiment.loading import load
from vae_rd.experiment.recipe import settled
from vae_rd.model.closed_forms import expected_log_prob
from vae_rd.model.nn.gates import PACE
from vae_rd.model.nn.whitening import Colour, Sample, Whiten, set_moments
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.vae import VAE
from vae_rd.objectives.beta import BetaObjective
from vae_rd.theory.forecast import Forecast
from vae_rd.theory.linear_vae import optimal_weights

from helpers.reference import EIGENVALUES, S2, water_filling

pytestmark = pytest.mark.usefixtures("float64")  # A fit sets the precision of its config.

LINEAR = {"encoder": "linear", "decoder": "linear", "latent_dim": 8, "likelihood": "gaussian", "wandb": "off"}
SCALE = S2**0.5


def gaussian_config(**flags: object) -> FitConfig:
    return FitConfig(data="gaussian", likelihood_scale=SCALE, **(LINEAR | flags))  # type: ignore[arg-type]


def linear_vae(config: FitConfig, *, mean: Tensor, covariance: Tensor) -> VAE:
    """A linear VAE whose weights are the closed form's."""
    data = build.build_data(config)
    model = build.build_model(config, data.card)
    best = optimal_weights(covariance.numpy(), mean.numpy(), s2=S2, beta=config.beta, latent_dim=config.latent_dim)
    (output,) = (m for m in model.decoder.modules() if isinstance(m, nn.Linear))
    (head,) = (m for m in model.encoder.modules() if isinstance(m, nn.Linear))
    with torch.no_grad():
        output.weight.copy_(torch.as_tensor(best.decoder))
        output.bias.copy_(torch.as_tensor(best.decoder_offset))
        head.weight.copy_(torch.cat([torch.as_tensor(best.encoder), torch.zeros(config.latent_dim, len(mean))]))
        log_var = torch.as_tensor(best.posterior_variance).log()
        head.bias.copy_(torch.cat([torch.as_tensor(best.encoder_offset), log_var]))
    return model


def points_of_moments(mean: Tensor, covariance: Tensor) -> Tensor:
    """A few points whose mean and covariance are exactly these, [2 n, 1, 1, n]."""
    root = torch.linalg.cholesky(covariance) * len(mean) ** 0.5
    return torch.cat([mean + root.T, mean - root.T]).reshape(2 * len(mean), 1, 1, len(mean))


@pytest.mark.parametrize("beta", [0.03, 0.5, 1.0, 3.0, 10.0, 100.0])
def test_the_closed_form_weights_give_the_water_filling_point_to_ten_digits(beta: float) -> None:
    axes = torch.linalg.qr(torch.randn(6, 6)).Q
    mean, covariance = torch.randn(6), (axes * torch.tensor(EIGENVALUES)) @ axes.T
    config = gaussian_config(beta=beta)
    model = linear_vae(config, mean=mean, covariance=covariance)
    x = points_of_moments(mean, covariance)
    terms = model.terms(x, torch.randn(3, len(x), config.latent_dim))
    exact = water_filling(EIGENVALUES, s2=S2, beta=beta)
    assert terms.rate.mean().item() == pytest.approx(exact["rate"], abs=1e-10)
    assert terms.distortion.mean().item() == pytest.approx(exact["distortion"], abs=1e-10)


def multirate_optimum(covariance: Tensor, *, low: float, high: float) -> VAE:
    """A linear VAE of a range of betas with weights, and one number a unit, that are the optimum at every beta."""
    config = gaussian_config(objective="multirate", beta_range=[low, high], whiten=False, standardize=False)
    model = build.build_model(config, build.build_data(config).card).eval()
    variances, axes = torch.linalg.eigh(covariance)
    head, layer, n = model.encoder.posterior.head, model.decoder.trunk[0], len(variances)
    with torch.no_grad():
        for tensor in (head.layer.weight, head.layer.bias, layer.layer.weight, layer.layer.bias):
            tensor.zero_()
        head.layer.weight[:n] = (axes / variances.sqrt()).T
        layer.layer.weight[:, :n] = axes * variances.sqrt()
        head.gates.offset.copy_(torch.cat([(S2 / variances).log(), torch.full((config.latent_dim - n,), 50.0)]) / PACE)
    return model


def test_one_set_of_weights_is_the_water_filling_point_at_every_beta() -> None:
    axes = torch.linalg.qr(torch.randn(6, 6)).Q
    covariance = (axes * torch.tensor(EIGENVALUES)) @ axes.T
    model, x = multirate_optimum(covariance, low=0.01, high=100.0), points_of_moments(torch.zeros(6), covariance)
    eps = torch.randn(40_000, len(x), model.latent_dim)
    eps = torch.cat([eps, -eps])
    betas = torch.logspace(-1.9, 1.99, 6)
    for beta in betas.tolist():
        exact, terms = water_filling(EIGENVALUES, s2=S2, beta=beta), model.at(beta).terms(x, eps[:1])
        assert terms.rate.mean().item() == pytest.approx(exact["rate"], abs=1e-10)
        assert terms.distortion.mean().item() == pytest.approx(exact["distortion"], abs=1e-10)
    given = model.terms(x, eps, context=betas.log())  # Of two points each, by draws.
    each = torch.cat(
        [model.at(b).terms(x, eps[:1]).distortion[0, 2 * i : 2 * i + 2] for i, b in enumerate(betas.tolist())]
    )
    stderr = (0.5 * (given.distortion[:40_000] + given.distortion[40_000:])).std(0) / 40_000**0.5
    assert stderr.max() < 0.07  # Of a D of up to 40.
    assert ((given.distortion.mean(0) - each).abs() < 4 * stderr + 1e-9).all()  # Where all is off, no draw matters.


@pytest.mark.parametrize("change", [(0.05, 0.0), (0.0, 0.05)], ids=["a unit's number", "its weights"])
def test_beside_that_point_the_lagrangian_is_higher_at_every_beta(change: tuple[float, float]) -> None:
    covariance = torch.diag(torch.tensor(EIGENVALUES))
    model, x = multirate_optimum(covariance, low=0.01, high=100.0), points_of_moments(torch.zeros(6), covariance)
    with torch.no_grad():
        model.encoder.posterior.head.gates.offset.add_(change[0] / PACE)
        model.decoder.trunk[0].layer.weight.mul_(1 + change[1])
    for beta in (0.05, 1.0, 20.0):
        exact, terms = water_filling(EIGENVALUES, s2=S2, beta=beta), model.at(beta).terms(x, torch.zeros(1, len(x), 8))
        found = (terms.distortion + beta * terms.rate).mean().item()
        assert found > exact["distortion"] + beta * exact["rate"] + 1e-5


@pytest.mark.slow
def test_one_training_comes_to_the_water_filling_point_at_every_beta(tmp_path: Path) -> None:
    """R within 2 % and 0.05 nat after 600 of the 10,000 steps of benchmarks/multirate_linear.py."""
    flags = {"objective": "multirate", "beta_range": [0.1, 30.0], "batch_size": 512, "lr": 0.05, "max_steps": 600}
    config = gaussian_config(**flags, gaussian_eigenvalues=[6.0, 1.0], name="many", run_dir=str(tmp_path), n_test=1000)
    fit_model(config)
    covariance = gaussian_covariance([6.0, 1.0], data_seed=config.data_seed)
    x = points_of_moments(torch.zeros(2), covariance)
    for beta in (0.1, 1.0, 5.0, 20.0):
        terms = load(tmp_path / "many", beta=beta).double().terms(x, torch.zeros(1, len(x), 8))
        exact = water_filling([6.0, 1.0], s2=S2, beta=beta)
        assert abs(terms.rate.mean().item() - exact["rate"]) < max(0.05, 0.02 * exact["rate"])


def gaussian_covariance(eigenvalues: Sequence[float], *, data_seed: int) -> Tensor:
    axes = random_rotation(len(eigenvalues), data_seed=data_seed)
    return (axes * torch.tensor(eigenvalues)) @ axes.T


def any_model(likelihood: str, decoder: str = "linear") -> VAE:
    config = gaussian_config(likelihood=likelihood, decoder=decoder, latent_dim=3, hidden=[8])
    return build.build_model(config, build.build_data(config).card).eval()


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian_shared", "gaussian_optimal"])
def test_the_analytic_distortion_is_the_mean_of_its_draws(likelihood: str) -> None:
    model, x = any_model(likelihood), torch.randn(4, 1, 1, 6)
    eps = torch.randn(50_000, 4, 3)
    terms = model.terms(x, torch.cat([eps, -eps]))  # Antithetic draws cancel what is linear in the noise.
    draws = 0.5 * (terms.log_px_z[:50_000] + terms.log_px_z[50_000:])
    stderr = draws.std(0) / 50_000**0.5
    assert terms.expected_log_px is not None
    assert stderr.max() < 0.05
    assert ((terms.expected_log_px - draws.mean(0)).abs() < 4 * stderr).all()


def test_no_distortion_is_analytic_where_ln_p_is_not_quadratic_in_z() -> None:
    x, q = torch.randn(4, 1, 1, 6), DiagonalNormal(torch.zeros(4, 3), torch.zeros(4, 3))
    assert expected_log_prob(q, any_model("gaussian", decoder="mlp").decoder, x) is None
    assert expected_log_prob(q, any_model("gaussian_pixel").decoder, x) is None
    assert expected_log_prob(q, any_model("gaussian_optimal").train().decoder, x) is None


def test_whitening_gives_unit_covariance_and_colouring_undoes_it() -> None:
    x = (torch.randn(200, 5) @ torch.randn(5, 5) + torch.randn(5)).reshape(200, 1, 1, 5)
    whiten, colour = Whiten(5), Colour(5)
    set_moments(nn.ModuleList([whiten, colour]), Sample(x))
    assert np.cov(whiten(x).flatten(1).T) == pytest.approx(np.eye(5), abs=1e-9)
    assert colour(whiten(x)).numpy() == pytest.approx(x.numpy(), abs=1e-9)


def test_a_direction_without_variance_stays_finite() -> None:
    x = torch.randn(50, 1, 1, 3)
    x[..., 2] = 7.0
    whiten, colour = Whiten(3), Colour(3)
    set_moments(nn.ModuleList([whiten, colour]), Sample(x))
    assert whiten(x).isfinite().all()
    assert colour(whiten(x)).numpy() == pytest.approx(x.numpy(), abs=1e-9)


def test_the_weight_of_the_rate_falls_from_its_start_by_a_constant_factor() -> None:
    objective = BetaObjective(2.0, warmup=10, start=32.0)
    assert [objective.weight(step) for step in (0, 5, 10, 99)] == pytest.approx([32.0, 8.0, 2.0, 2.0])
    assert [objective.is_annealing(step) for step in (9, 10)] == [True, False]


def test_on_the_way_from_its_start_the_rate_keeps_its_weight_and_the_distortion_gains() -> None:
    objective = BetaObjective(2.0, warmup=10, start=32.0)
    terms = any_model("gaussian").terms(torch.randn(4, 1, 1, 6), torch.randn(1, 4, 3))
    for step, share in ((0, 2 / 32), (5, 2 / 8), (10, 1.0)):
        expected = share * terms.distortion.mean(0) + 2.0 * terms.rate.mean(0)
        assert objective(terms, step, noise=torch.Generator()).tolist() == pytest.approx(expected.tolist(), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "eigenvalues"), [(1.0, (100.0, 1.0, 0.5)), (90.0, EIGENVALUES)])
def test_a_short_fit_comes_near_the_water_filling_point(
    beta: float, eigenvalues: Sequence[float], tmp_path: Path
) -> None:
    config = gaussian_config(
        gaussian_eigenvalues=list(eigenvalues),
        beta=beta,
        whiten=True,
        beta_start=max(eigenvalues) / S2,
        beta_warmup=2000,
        batch_size=256,
        max_epochs=30,
        val_every=30,
        lr=0.02,
        n_test=20_000,
        accelerator="cpu",
        run_dir=str(tmp_path),
    )
    test = fit_model(config).metrics["test"]
    rate, distortion = test["rate"], test["distortion"]
    exact = water_filling(eigenvalues, s2=S2, beta=beta)
    assert rate["stderr"] < 0.02
    assert distortion["stderr"] < max(0.02, 0.01 * exact["distortion"])
    assert abs(rate["value"] - exact["rate"]) < max(0.01 * exact["rate"], 0.01) + 4 * rate["stderr"]
    assert abs(distortion["value"] - exact["distortion"]) < 0.03 + 4 * distortion["stderr"]
    assert test["active_units"]["value"] == exact["active"]


PLAIN = [[5.3, 3.1, 1.7, 0.9, 0.41, 0.13], [2.0] * 4]


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "eigenvalues"), [(0.4, PLAIN[0]), (10.0, PLAIN[0]), (1.0, PLAIN[1])])
def test_plain_flags_reach_the_water_filling_point(beta: float, eigenvalues: list[float], tmp_path: Path) -> None:
    """A third of the default length; benchmarks/linear.py has the whole of it, on six spectra."""
    flags = {"likelihood": "gaussian", "likelihood_scale": 0.4, "encoder": "linear", "decoder": "linear"}
    config = FitConfig(data="gaussian", gaussian_eigenvalues=eigenvalues, beta=beta, max_epochs=30, **flags)
    config = replace(config, n_test=20_000, val_every=30, wandb="off", run_dir=str(tmp_path))
    record = fit_model(config)
    rate, exact = record.metrics["test"]["rate"], water_filling(eigenvalues, s2=0.16, beta=beta)["rate"]
    assert rate["stderr"] < 0.03
    assert abs(rate["value"] - exact) < max(0.01 * exact, 0.02) + 4 * rate["stderr"]
    assert record.model["beta_warmup"] == 1500
    assert record.model["beta_start"] == pytest.approx(1.1 * max(eigenvalues) / 0.16, rel=0.05), "of 10,000 draws"
    before = np.loadtxt(next(tmp_path.glob("*/history.csv")), delimiter=",", skiprows=1, max_rows=1, usecols=2)
    assert before == pytest.approx(record.model["beta_start"] * (beta / record.model["beta_start"]) ** (100 / 1500))


def test_what_is_said_of_a_warm_up_stays(tmp_path: Path) -> None:
    forecast = Forecast((30.0, 4.0))
    for said in ({"beta_warmup": 0}, {"beta_start": 0.0}, {"beta_warmup": 7}, {"encoder": "mlp"}):
        found = settled(gaussian_config(**said), steps=100, forecast=forecast)
        assert (found.beta_warmup, found.beta_start) == (said.get("beta_warmup", 0), 0.0)
    for beta, none in ((30.0, forecast), (0.0, forecast), (1.0, None)):
        found = settled(gaussian_config(beta=beta), steps=100, forecast=none)
        assert (found.beta_warmup, found.beta_start) == (0, 0.0)


def test_whitening_needs_a_decoder_that_writes_means(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--whiten: the decoder of --likelihood bernoulli"):
        fit_model(FitConfig(whiten=True, run_dir=str(tmp_path / "runs"), wandb="off"))
    assert not (tmp_path / "runs").exists()
