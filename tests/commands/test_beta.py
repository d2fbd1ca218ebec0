"""What a loss means: its gradients against those of D + beta R, and every number of docs/beta.md and adapters.md."""

import itertools
import math
import re
import shlex

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Laplace, Normal, kl_divergence

from vae_rd import beta
from vae_rd.config.fields import FIELDS
from vae_rd.errors import InputError
from vae_rd.model.likelihoods.bernoulli import BernoulliImage
from vae_rd.model.likelihoods.gaussian import GaussianImage
from vae_rd.theory.linear_vae import optimum
from vae_rd.units import LEAST_SCALE, LOSSES, REDUCTIONS, beta_of

from helpers.common import ROOT

DOCUMENT, ADAPTERS = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("beta.md", "adapters.md"))
SHAPE, UNITS, BATCH = (2, 3, 4), 5, 6
CHOICES = [dict(zip(("over_pixels", "over_units", "loss_over_batch", "kl_over_batch"), words, strict=True))
           for words in itertools.product(REDUCTIONS, repeat=4)]  # fmt: skip


class Toy:
    """A linear VAE of one batch, with its noise: parameters, and both terms by example, before any reduction."""

    def __init__(self) -> None:
        self.x = torch.rand(BATCH, *SHAPE).round()
        self.mu, self.log_var = torch.randn(BATCH, UNITS), torch.randn(BATCH, UNITS)
        self.weights = torch.randn(math.prod(SHAPE), UNITS)
        self.eps = torch.randn(BATCH, UNITS)
        self.parameters = [value.requires_grad_() for value in (self.mu, self.log_var, self.weights)]

    def outputs(self) -> torch.Tensor:
        z = self.mu + (0.5 * self.log_var).exp() * self.eps
        return (z @ self.weights.T).unflatten(1, SHAPE)

    def kl(self) -> torch.Tensor:
        """[B, units]."""
        return kl_divergence(Normal(self.mu, (0.5 * self.log_var).exp()), Normal(0.0, 1.0))

    def gradient(self, loss: torch.Tensor) -> torch.Tensor:
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss, self.parameters)])


def as_written(toy, loss, *, weight, loss_weight, over_pixels, over_units, loss_over_batch, kl_over_batch):
    """The loss as somebody's training script computes it."""
    errors = {
        "mse": lambda: F.mse_loss(toy.outputs(), toy.x, reduction="none"),
        "l1": lambda: F.l1_loss(toy.outputs(), toy.x, reduction="none"),
        "bce": lambda: F.binary_cross_entropy_with_logits(toy.outputs(), toy.x, reduction="none"),
        "nll": lambda: -Normal(toy.outputs(), 0.7).log_prob(toy.x),
    }[loss]()
    reconstruction = getattr(getattr(errors.flatten(1), over_pixels)(1), loss_over_batch)()
    rate = getattr(getattr(toy.kl(), over_units)(1), kl_over_batch)()
    return loss_weight * reconstruction + weight * rate


def distortion(toy: Toy, loss: str, scale: float | None) -> torch.Tensor:
    """D by densities, a mean over examples."""
    mean = toy.outputs()
    density = {
        "mse": lambda: GaussianImage(mean, torch.full_like(mean, scale)).log_prob(toy.x),
        "l1": lambda: Laplace(mean, scale).log_prob(toy.x).flatten(1).sum(1),
        "bce": lambda: BernoulliImage(mean).log_prob(toy.x),
        "nll": lambda: GaussianImage(mean, torch.full_like(mean, 0.7)).log_prob(toy.x),
    }[loss]
    return -density().mean()


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("choices", CHOICES, ids=lambda words: "-".join(words.values()))
def test_the_loss_as_written_has_the_gradient_of_d_plus_beta_r(loss, choices):
    toy, weights = Toy(), {"weight": 0.37, "loss_weight": 1.7}
    found = beta_of(loss, **weights, **choices, shape=SHAPE, latent_dim=UNITS, batch_size=BATCH)
    theirs = toy.gradient(as_written(toy, loss, **weights, **choices))
    pairs = [(None, found.beta())] if found.scale is None else [(found.scale, 1.0), (0.3, found.beta(0.3))]
    for scale, weight in pairs:
        ours = toy.gradient(distortion(toy, loss, scale) + weight * toy.kl().sum(1).mean())
        factor = (theirs @ ours) / (ours @ ours)
        torch.testing.assert_close(theirs, factor * ours, rtol=1e-10, atol=1e-12 * float(theirs.abs().max()))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_a_scale_of_other_units_is_that_of_the_same_model(loss):
    """x in -1..1 is 2 x - 1: the loss of the stretched x, and D + R of x at the scale of its own units."""
    toy = Toy()
    kl = toy.kl().sum(1).mean()
    stretched = 2**2 if loss == "mse" else 2
    errors = (toy.outputs() - toy.x).abs() ** (2 if loss == "mse" else 1)
    theirs = toy.gradient(stretched * errors.flatten(1).sum(1).mean() + 3.0 * kl)
    scale = beta_of(loss, weight=3.0).per(2.0).scale
    ours = toy.gradient(distortion(toy, loss, scale) + toy.kl().sum(1).mean())
    torch.testing.assert_close(theirs / theirs.norm(), ours / ours.norm())


def test_the_weight_between_two_means_is_the_normalised_beta_of_higgins():
    found = beta_of("nll", weight=0.02, over_pixels="mean", over_units="mean", shape=(64, 64), latent_dim=10)
    assert found.beta() * 10 / 64**2 == pytest.approx(0.02, rel=1e-12)


@pytest.mark.parametrize(
    ("terms", "counts", "message"),
    [
        ({"over_pixels": "mean"}, {}, "a mean over pixels takes their number: give shape"),
        ({"over_pixels": "mean"}, {"shape": (28, 0)}, "give shape"),
        ({"over_units": "mean"}, {}, "a mean over units takes their number: give latent_dim"),
        ({"kl_over_batch": "sum"}, {}, "a mean over examples takes their number: give batch_size"),
        ({"weight": math.inf}, {}, "weight inf"),
        ({"loss_weight": 0.0}, {}, "loss_weight 0"),
        ({"over_pixels": "max"}, {}, "max: choose one of sum, mean"),
    ],
)
def test_what_cannot_be_is_refused(terms, counts, message):
    with pytest.raises(InputError, match=re.escape(message)):
        beta_of("mse", **terms, **counts)


def test_a_density_has_no_other_scale_and_an_error_needs_one():
    with pytest.raises(InputError, match="leave it out"):
        beta_of("bce").beta(1.0)
    for scale in (None, 0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="give one above 0"):
            beta_of("mse").beta(scale)


def test_the_command_answers_and_refuses_in_one_line(capsys):
    assert beta.main(["l1", "--weight=1e-6", "--over_pixels=mean", "--shape=256x256x3"]) == 0
    assert "beta = 1 at b = 0.1966 of Laplace pixels, x in 0..1\n" in capsys.readouterr().out
    for words in (["mse", "--shape", "28xx"], ["huber"], ["mse", "--range", "1", "0"], ["mse", "--weight", "x"], []):
        assert beta.main(words) == 2
        shown = capsys.readouterr()
        assert (shown.out, shown.err.count("\n")) == ("", 1), words
        assert shown.err.startswith("error: ")


def test_a_loss_without_a_weight_on_the_rate_is_an_autoencoder():
    assert list(beta_of("mse", weight=0).words())[1:] == [
        "beta = 0 whatever the noise scale: an autoencoder, whose rate costs nothing"
    ]


def cells(heading: str, document: str = DOCUMENT) -> list[list[str]]:
    """The rows of the document's table with this heading."""
    _, _, rest = document.partition(heading)
    lines = itertools.takewhile(lambda line: line.startswith("|"), rest.splitlines()[2:])
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


CODES = "| code | its loss | command | beta = 1 at | beta |"
TRANSLATED = cells(CODES) + cells(CODES, ADAPTERS)


def test_the_document_translates_at_least_six_codes():
    assert len([row for row in TRANSLATED if "github.com" in row[0]]) >= 6


@pytest.mark.parametrize("row", TRANSLATED, ids=lambda row: re.sub(r"\W+", "-", row[0])[:40])
def test_a_row_of_the_document_is_what_its_command_prints(row, capsys):
    _, _, words, scale, stated = row
    assert beta.main(shlex.split(words.strip("`"))) == 0
    shown = capsys.readouterr().out
    assert (f"beta = 1 at {scale} of" in shown) == bool(scale)
    assert re.search(rf"^beta = {re.escape(stated)}(?:,| of) ", shown, re.MULTILINE)


def test_the_document_s_example_is_what_its_command_prints(capsys):
    ((words, said),) = re.findall(r"^    \$ python -m vae_rd\.beta (.*)\n((?:    .*\n)+)", DOCUMENT, re.MULTILINE)
    assert beta.main(shlex.split(words)) == 0
    assert capsys.readouterr().out == re.sub(r"^    ", "", said, flags=re.MULTILINE)


@pytest.mark.parametrize("row", cells("| beta | units in use | R | D | D + R |"), ids=lambda row: row[0])
def test_the_document_s_gaussian_source(row):
    best = optimum([8, 4, 2, 1, 0.5, 0.25], s2=1.0, beta=float(row[0]), latent_dim=6)
    values = (best.rate, best.distortion, best.rate + best.distortion)
    assert row[1:] == [str(best.active_modes), *(f"{value:.4f}" for value in values)]


def test_the_document_s_digits_collapse_at_pythae_s_scale():
    pixels = pytest.importorskip("sklearn.datasets").load_digits().data / 16
    largest = np.linalg.eigvalsh(np.cov(pixels.T, bias=True)).max()
    assert f"{largest:.3f}" == "0.699"
    assert "is 0.699, below s^2 = 1" in re.sub(r"\s+", " ", DOCUMENT)
    assert beta_of("mse", loss_weight=0.5).scale ** 2 > largest


def test_the_document_s_negative_distortion():
    mean, scale = torch.zeros(1, 28, 28, dtype=torch.float64), 0.05
    found = -GaussianImage(mean, torch.full_like(mean, scale)).log_prob(mean + scale).item()
    assert f"D = {found:.1f} nats, which is {found / (784 * math.log(2)) + 8:.2f} bits" in re.sub(r"\s+", " ", DOCUMENT)


def test_the_flags_here_are_said_of_each_loss_that_has_a_scale_they_take():
    here = [list(beta_of(loss, weight=0.5).words())[-1] for loss in ("mse", "l1")]
    assert [line.partition("--likelihood ")[2] for line in here] == [
        "gaussian --likelihood_scale 0.5 --beta 1",
        "laplace --laplace_scale 0.5 --beta 1",
    ]
    assert not any(line.startswith("here") for line in beta_of("l1", weight=1e-7).words())
    assert {FIELDS[name].metadata["least"] for name in ("likelihood_scale", "laplace_scale")} == {LEAST_SCALE}
