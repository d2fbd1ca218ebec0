"""`rate_distortion` of callables: against evaluate_split, closed forms and enumeration, and its words at wrong use."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, OneHotCategorical
from torch.utils.data import DataLoader, TensorDataset

import vae_rd
from analysis import load_runs, plane, table
from analysis.rows.groups import group_runs
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.foreign.modules import modules_of
from vae_rd.metrics.split import evaluate_split
from vae_rd.run.record import RunRecord

SAME = (
    *("distortion", "distortion_monte_carlo", "rate", "rate_monte_carlo", "elbo", "objective", "decoder_kl"),
    *("mutual_information_lower", "mutual_information_leave_one_out", "mutual_information_upper", "active_units"),
    *("marginal_kl_lower", "marginal_kl_upper", "rate_per_dim", "variance_per_dim", "mean_variance_per_dim"),
)
X = (torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(0)) < 0.5).float()


class Net(nn.Module):
    """A stranger's model: conv encoder with dropout, spatial z."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.drop, self.back = nn.Conv2d(1, 4, 2, 2), nn.Dropout(), nn.ConvTranspose2d(2, 1, 2, 2)

    def encode(self, x):
        mu, log_var = self.drop(self.conv(x)).chunk(2, 1)
        return Independent(Normal(mu, (0.5 * log_var).exp()), 3)

    def decode(self, z):
        return Independent(Bernoulli(logits=self.back(z)), 3)


def of_net(loader, net=None, **given):
    net = net or Net()
    return vae_rd.rate_distortion(loader, encoder=net.encode, decoder=net.decode, **given)


@pytest.fixture(scope="module")
def result():
    torch.manual_seed(0)
    return of_net(X)


def test_our_own_model_as_callables_has_the_numbers_of_evaluate_split(toy, float64):
    config = toy(n_train=None, latent_dim=3)
    data = build.build_data(config)
    model = build.build_model(config, data.card).eval()
    for weight in model.parameters():
        weight.data.mul_(4)  # So that units are active.
    chunks = [data.evaluation_chunk("test", chunk) for chunk in range(data.chunks("test"))]
    found = vae_rd.rate_distortion(
        chunks,
        encoder=lambda x: Independent(Normal(model.encoder(x).mu, model.encoder(x).variance.sqrt()), 1),
        decoder=lambda z: Independent(Bernoulli(logits=model.decoder(z).logits), 3),
        population=True,
        beta=4.0,
        information_examples=None,
        seed=3,
        data="toys",
    )
    assert found.card.name == "toys"
    exact = evaluate_split(model, data, "test", slope=4.0, seed=3)
    for name in SAME:
        for key in ("value", "stderr"):
            assert np.allclose(
                *(np.array(e[name][key], float) for e in (found, exact)), rtol=1e-9, atol=1e-9, equal_nan=True
            ), name
    assert found["mutual_information_upper"]["method"] == exact["mutual_information_upper"]["method"]
    assert found.card.entropy["test"].value == pytest.approx(data.card.entropy["test"].value, abs=1e-12)
    rises = [entries["shuffle_rise"] for entries in (found, exact)]  # Of other random examples.
    assert abs(rises[0]["value"] - rises[1]["value"]) < 5 * math.hypot(*(rise["stderr"] for rise in rises))


def test_linear_gaussian_in_closed_form():
    """p(x|z) = N(z, 1), q = N(x / 2, 1 / 2), m = N(0, 1): D = E (x^2 / 8 + 1 / 4 + ln 2 pi / 2) with a draw of z."""
    x = torch.randn(4000, 1, dtype=torch.float64) * math.sqrt(2)
    found = vae_rd.rate_distortion(
        DataLoader(TensorDataset(x, x), batch_size=256),
        encoder=lambda x: Independent(Normal(x / 2, 0.5**0.5), 1),
        decoder=lambda z: Independent(Normal(z, 1.0), 1),
        entropy=0.5 * math.log(2 * math.pi * math.e * 2),
        information_examples=1000,
    )
    square = x.square().mean().item()
    exact = {"distortion": square / 8 + 0.25 + 0.5 * math.log(2 * math.pi)}
    exact |= {"rate": 0.5 * (square / 4 + 0.5 - 1 + math.log(2)), "mutual_information_lower": 0.5 * math.log(2)}
    for name, value in exact.items():
        assert abs(found[name]["value"] - value) < 4 * found[name]["stderr"] + 1e-9, name
    assert found["active_units"]["value"] == 1
    assert found.card.entropy["test"].measure == "differential"
    assert "H = 1.7655 nats (given)" in repr(found)


def test_a_density_is_not_held_to_the_counted_entropy():
    found = vae_rd.rate_distortion(
        torch.arange(8.0)[:, None],
        encoder=lambda x: Independent(Normal(x, 0.1), 1),
        decoder=lambda z: Independent(Normal(z, 0.1), 1),
        population=True,
    )
    assert "H = 2.0794 nats (ln N), counted; D is of a density, so that H - D bounds nothing" in repr(found)
    assert "<= I" not in repr(found)


def test_states_are_summed_over_and_repeats_counted():
    x = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    q = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    found = vae_rd.rate_distortion(
        x,
        encoder=lambda x: OneHotCategorical(probs=q[x[:, 0].long()]),
        decoder=lambda z: Independent(Bernoulli(probs=0.2 + 0.6 * z), 1),
        prior=OneHotCategorical(probs=torch.tensor([0.5, 0.5])),
        population=True,
    )
    mean = q[[0, 1, 1, 1]].mean(0)
    information = sum(p * math.log(p / mean[k]) for row in q[[0, 1, 1, 1]].tolist() for k, p in enumerate(row)) / 4
    assert found["mutual_information_lower"]["value"] == pytest.approx(information, abs=1e-6)
    assert found["distortion"]["stderr"] == pytest.approx(0, abs=1e-9)
    assert found.card.entropy["test"].value == pytest.approx(1.5 * math.log(2))


def test_any_loader_gives_the_same(result):
    torch.manual_seed(0)
    net = Net()
    rows = [X[:16], X[16:]]
    of_rows = of_net(rows, net)
    loaders = {
        "with labels": DataLoader(TensorDataset(X, torch.arange(40)), batch_size=16, shuffle=False),
        "dicts": [{"label": torch.zeros(len(x)), "image": x} for x in rows],
    }
    assert of_net(loaders["dicts"], net, key="image").metrics == of_rows.metrics
    for whole in (X, X.numpy(), TensorDataset(X, X)):
        assert of_net(whole, net).metrics == result.metrics
    by_sixteen = of_net(loaders["with labels"], net)
    assert by_sixteen["rate"]["value"] == pytest.approx(result["rate"]["value"], rel=1e-6)
    assert by_sixteen.card == result.card


def test_modules_are_measured_in_eval_mode_and_left_as_they_were():
    net = Net()
    net.conv.eval()
    before = [part.training for part in net.modules()]
    torch.manual_seed(1)
    first, second = of_net(X, net), of_net(X, net)
    assert first.metrics == second.metrics
    assert [part.training for part in net.modules()] == before
    assert modules_of(lambda x: net.encode(x), net.decode) == [net]


def test_draws_are_kept_per_example_and_are_what_means_are_of():
    found = of_net(X, samples=3)
    values = found.values_per_example
    assert values.distortion.shape == values.rate.shape == (3, 40)
    assert values.distortion.mean().item() == pytest.approx(found["distortion"]["value"])


def test_it_prints_saves_and_draws(result, tmp_path):
    shown = repr(result)
    assert all(
        words in shown for words in ("distortion", "I lower", "R is the KL, in closed form", "of 8 units active")
    )
    path = result.save(tmp_path / "runs" / "mine", beta=2.0, name="theirs")
    record = RunRecord.read(path.parent)
    assert (record.name, record.model["slope"], record.status) == ("theirs", 2.0, "finished")
    d, r = (result[name]["value"] for name in ("distortion", "rate"))
    assert record.metrics["test"]["objective"]["value"] == pytest.approx(d + 2 * r)
    result.save(tmp_path / "runs" / "other")
    rows = load_runs([str(tmp_path / "runs")])
    assert rows["card"].nunique() == 1
    assert "theirs" in table(rows)
    assert result.plane() is not None
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["record.json"]


def shaken(x):
    return Independent(Normal(F.dropout(x.flatten(1)[:, :2]), 1.0), 1)


def bits(z):
    return Independent(Bernoulli(logits=z.sum(1)[:, None, None, None].expand(-1, 1, 4, 4)), 3)


def plain(x):
    return Independent(Normal(x.flatten(1)[:, :2], 1.0), 1)


WRONG = {
    "encoder: q(z|x) of the same examples is another one": lambda: of(X, encoder=shaken),
    "decoder: p(x|z) of the same examples is another one": lambda: of(X, decoder=lambda z: bits(F.dropout(z))),
    "cross-entropy of grey pixels is no likelihood": lambda: of(X / 2),
    "decoder: it returned a tensor of shape": lambda: of(X, decoder=lambda z: z),
    "wrap it: Independent(..., 3)": lambda: of(X, decoder=lambda z: bits(z).base_dist),
    "encoder: it returned of type tuple": lambda: of(X, encoder=lambda x: (x, x)),
    "encoder: q(z|x) is of 1 examples": lambda: of(X, encoder=lambda x: plain(x[:1])),
    "loader: it has no examples": lambda: of([]),
    "loader: it is of type int": lambda: of(3),
    "a batch of the loader has": lambda: of([("a", 1)]),
    "samples: 0": lambda: of(X, samples=0),
    "entropy: nan": lambda: of(X, entropy=math.nan),
    "beta: -1": lambda: of(X, beta=-1),
    "split: 'all'": lambda: of(X, split="all"),
}


def of(loader, **given):
    return vae_rd.rate_distortion(loader, **{"encoder": plain, "decoder": bits, **given})


@pytest.mark.parametrize("words", WRONG)
def test_wrong_use_gets_words(words):
    with pytest.raises(InputError) as refused:
        WRONG[words]()
    assert words in str(refused.value)


def test_models_are_told_apart_by_their_names_and_joined_over_their_betas(result, tmp_path):
    for name in ("mine", "theirs"):
        for beta in (1.0, 4.0):
            result.save(tmp_path / f"{name}_{beta}", beta=beta, name=name)
    groups = group_runs(load_runs([tmp_path]))
    assert groups.labels == ("model mine", "model theirs")
    assert groups.connected


def test_the_plane_names_models_without_a_beta_beside_those_with_one(result, tmp_path):
    for name, beta in (("aimless", None), ("mine", 1.0), ("theirs", None)):
        result.save(tmp_path / name, beta=beta, name=name)
    figure = plane(load_runs([tmp_path]))
    figure.canvas.draw()
    shown = "\n".join(text.get_text() for text in figure.findobj(Text))
    assert all(shown.count(f"model {name}") == 1 for name in ("aimless", "mine", "theirs"))


@pytest.mark.parametrize("given", [{}, {"entropy": 5.0}, {"population": True}, {"split": "val"}])
def test_it_is_drawn_on_axes_of_ones_own(given):
    ax, result = Figure().subplots(), of_net(X, **given)
    assert result.plane(ax) is ax
    low, high = ax.dataLim.intervaly
    assert low <= result["distortion"]["value"] <= high
    explained = ax.get_legend_handles_labels()[1]
    assert any("$I$" in words for words in explained)
    assert ("$H - D \\leq I \\leq R$" in explained) == ("entropy" in given or "population" in given)


def test_the_plane_holds_the_error_bars_of_a_lone_point():
    few = of_net(X[:3])
    found, (ax,) = few["distortion"], few.plane().axes
    low, high = ax.get_ylim()
    assert low <= found["value"] - 2 * found["stderr"]
    assert found["value"] + 2 * found["stderr"] <= high


def test_a_record_that_is_there_stays(result, tmp_path):
    result.save(tmp_path / "a")
    with pytest.raises(InputError, match="overwrite=True"):
        result.save(tmp_path / "a")
    result.save(tmp_path / "a", overwrite=True)


@pytest.mark.parametrize("is_variance", [False, True])
def test_a_variance_fed_as_a_scale_is_noted(is_variance):
    """The exact encoder of x = z + noise of variance 1/9: q = N(0.9 x, 0.1)."""
    x = torch.randn(1000, 4) * math.sqrt(1 + 1 / 9)
    sigma = 0.1 if is_variance else 0.1**0.5
    found = vae_rd.rate_distortion(
        x,
        encoder=lambda x: Independent(Normal(0.9 * x, sigma), 1),
        decoder=lambda z: Independent(Normal(z, 1 / 3), 1),
    )
    assert any("looks like a variance" in note for note in found.notes) == is_variance
