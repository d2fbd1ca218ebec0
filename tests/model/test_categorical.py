"""Latents of finitely many states against torch's own categorical, sums by hand, and a source of known entropy."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.distributions import OneHotCategorical, kl_divergence

from vae_rd.config.cli import parse
from vae_rd.config.fields import FitConfig
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.experiment.fitting import fit_model
from vae_rd.functional.information import categorical_information
from vae_rd.model.closed_forms import rate_per_dim
from vae_rd.model.posteriors.categorical import CategoricalLatent
from vae_rd.model.priors.categorical import CategoricalMarginal
from vae_rd.model.vae import VAE

from helpers.common import ROOT

pytestmark = pytest.mark.usefixtures("float64")

CATEGORICAL = {"posterior": "categorical", "prior": "categorical", "latent_dim": 4, "hidden": [8]}


def model_and_images(**flags: object) -> tuple[VAE, Tensor]:
    config = FitConfig(**(CATEGORICAL | flags))  # type: ignore[arg-type]
    data = build.build_data(config)
    model = build.build_model(config, data.card).eval()
    torch.nn.init.normal_(next(model.prior.parameters()))
    return model, data.evaluation_chunk("test", 0)[:5].double()


def test_densities_moments_and_divergence_are_those_of_torch() -> None:
    logits, prior_logits, z = torch.randn(5, 4), torch.randn(4), torch.eye(4)
    q, m = CategoricalLatent(logits.log_softmax(-1)), CategoricalMarginal(prior_logits)
    theirs, their_m = OneHotCategorical(logits=logits), OneHotCategorical(logits=prior_logits)
    torch.testing.assert_close(q.log_prob(z[:, None]), theirs.log_prob(z[:, None]))
    torch.testing.assert_close(m.log_prob(z), their_m.log_prob(z))
    torch.testing.assert_close(q.mean, theirs.mean)
    torch.testing.assert_close(q.variance, theirs.variance)
    kl = rate_per_dim(q, m)
    assert kl is not None
    torch.testing.assert_close(kl.sum(-1), kl_divergence(theirs, their_m))
    assert m.log_prob(z).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_states_come_as_often_as_their_probabilities() -> None:
    q, m, n = CategoricalLatent(torch.randn(3, 4).log_softmax(-1)), CategoricalMarginal(torch.randn(4)), 40_000
    for draws, p in (
        (q.from_noise(torch.randn(n, 3, 4)).z, q.log_q.exp()),
        (m.sample((n,), generator=torch.Generator()), m.log_p.exp()),
    ):
        assert bool((draws.sum(-1) == 1).all())
        stderr = (p * (1 - p) / n).sqrt()
        assert stderr.max() < 0.003
        assert bool(((draws.mean(0) - p).abs() < 4 * stderr).all())


@pytest.mark.parametrize(("data", "likelihood"), [("sprites", "bernoulli"), ("gaussian", "gaussian")])
def test_distortion_and_rate_are_the_means_of_their_draws(data: str, likelihood: str) -> None:
    model, x = model_and_images(data=data, likelihood=likelihood)
    n = 20_000
    with torch.no_grad():
        terms = model.terms(x, torch.randn(n, 5, 4))
        draws = ((terms.distortion, -terms.log_px_z), (terms.rate, terms.log_qz - terms.log_mz))
    for exact, drawn in draws:
        stderr = drawn.std(0) / math.sqrt(n)
        assert stderr.max() < 0.1
        assert bool(((exact[0] - drawn.mean(0)).abs() <= 4 * stderr).all())


def test_gradients_reach_the_encoder_through_the_sum_over_states() -> None:
    model, x = model_and_images()
    terms = model.terms(x, torch.randn(1, 5, 4))
    terms.distortion.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.encoder.parameters())


def test_information_is_that_of_the_joint_table() -> None:
    q = torch.randn(6, 3).softmax(-1)
    sides = categorical_information(q, draws=2)
    joint = q / 6
    expected = sum(
        (joint[i, k] * (joint[i, k] / (joint[i].sum() * joint[:, k].sum())).log()).item()
        for i in range(6)
        for k in range(3)
    )
    assert sides.lower.shape == (2, 6)
    assert sides.lower.mean().item() == pytest.approx(expected, abs=1e-12)
    for i in range(6):
        others = torch.cat([q[:i], q[i + 1 :]]).mean(0)
        assert sides.leave_one_out[0, i].item() == pytest.approx((q[i] * (q[i] / others).log()).sum().item(), abs=1e-12)


def test_leave_one_out_of_a_state_that_hardly_anyone_else_takes() -> None:
    """Three x keep to states of their own but for 1e-20: of x's own state the mean of the others is 1e-20, too."""
    q = torch.full((3, 3), 1e-20, dtype=torch.float64).fill_diagonal_(1.0)
    found = categorical_information(q, draws=1, index=torch.tensor([0, 2])).leave_one_out
    assert found.tolist() == [pytest.approx([-math.log(1e-20)] * 2)]


@pytest.mark.slow
def test_a_table_for_encoder_and_decoder_attains_the_entropy_of_the_toy_channel(tmp_path: Path) -> None:
    flags = ["--max_epochs=20", "--latent_dim=8", "--n_test=50000", "--wandb=off", f"--run_dir={tmp_path}"]
    record = fit_model(parse(["--config", str(ROOT / "configs" / "toy_channel.yaml"), *flags]).config)
    test, entropy = record.metrics["test"], record.data["entropy"]["test"]["value"]
    slack, stderr = -test["elbo"]["value"] - entropy, test["elbo"]["stderr"]
    assert stderr < 0.005
    assert -3 * stderr < slack < 0.01 + 3 * stderr
    assert 0.5 < test["rate"]["value"] < math.log(8)
    information = test["mutual_information_lower"]
    assert abs(test["rate"]["value"] - information["value"]) < 0.01 + 3 * information["stderr"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"prior": "normal"}, "--posterior categorical --prior normal"),
        ({"posterior": "diagonal"}, "--posterior diagonal --prior categorical"),
        ({"data": "gaussian", "likelihood": "gaussian_optimal"}, "--likelihood: OptimalGaussian"),
    ],
)
def test_combinations_that_mean_nothing_are_refused(flags: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        fit_model(FitConfig(**(CATEGORICAL | flags), run_dir=str(tmp_path)))  # type: ignore[arg-type]
    assert not any(tmp_path.iterdir())
