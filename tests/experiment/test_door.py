"""What Python hands over is looked at before anything is written: one line names what was given and what is wanted."""

import math
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Beta, Independent, Normal

import vae_rd
from vae_rd import VAE, DiagonalNormal, Encoder, LazyDistribution, StandardNormalPrior
from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.errors import InputError
from vae_rd.experiment.door import check_model
from vae_rd.model.likelihoods.gaussian import GaussianLikelihood
from vae_rd.model.likelihoods.optimal_gaussian import OptimalGaussianLikelihood
from vae_rd.model.posteriors.categorical import CategoricalPosterior
from vae_rd.model.priors.categorical import CategoricalPrior
from vae_rd.model.priors.mixture import MixturePrior

from helpers.own import GENERATOR, OwnEncoder, bits, data_of, own_vae


@pytest.fixture
def fitted(tmp_path: Path):
    """Fit what is given, in an epoch."""

    def fit(config: object = None, **given: object) -> object:
        settings = {"run_dir": str(tmp_path / "runs"), "wandb": "off", "max_epochs": 1}
        config = FitConfig(**settings, batch_size=16) if config is None else config
        return vae_rd.fit_model(config, **given)

    return fit


class Given(LazyDistribution):
    """A part that returns whatever `make` makes of its context."""

    def __init__(self, make) -> None:
        super().__init__()
        self.make = make
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, context=None):
        return self.make(context)


def vae(**parts) -> VAE:
    model = own_vae()
    return VAE(
        parts.get("encoder", model.encoder),
        parts.get("decoder", model.decoder),
        parts.get("prior", model.prior),
        latent_dim=parts.get("latent_dim", 2),
        noise_dim=parts.get("noise_dim"),
    )


def logits(*shape: int):
    """A decoder of Bernoulli pixels of this shape, whatever x is."""
    return Given(lambda z: Independent(Bernoulli(logits=torch.zeros(*z.shape[:-1], *shape)), len(shape)))


def torch_normal(x):
    return Independent(Normal(torch.zeros(len(x), 2), 1.0), 1)


WRONG_NETWORKS = {
    "three channels": (
        {"decoder": logits(3, 4, 4)},
        "event shape of p(x|z) is [3, 4, 4], wanted [C, H, W] = [1, 4, 4]",
    ),
    "one pixel": ({"decoder": logits(1, 1, 1)}, "event shape of p(x|z) is [1, 1, 1], wanted [C, H, W] = [1, 4, 4]"),
    "flat pixels": ({"decoder": logits(16)}, "event shape of p(x|z) is [16], wanted [C, H, W] = [1, 4, 4]"),
    "pixels that are not summed": (
        {"decoder": Given(lambda z: Bernoulli(logits=torch.zeros(*z.shape[:-1], 1, 4, 4)))},
        "event shape of p(x|z) is [], wanted",
    ),
    "draws in the place of examples": (
        {"decoder": Given(lambda z: Independent(Bernoulli(logits=torch.zeros(2, 1, 4, 4)), 3))},
        "batch shape of p(x|z) is [2], wanted [S, B] = [1, 2]",
    ),
    "a tensor for p": ({"decoder": Given(lambda z: torch.zeros(1, 2, 1, 4, 4))}, "decoder(z) returns a Tensor; return"),
    "a prior of another dimension": (
        {"prior": StandardNormalPrior(3)},
        "event shape of m(z) is [3], wanted [latent_dim] = [2]",
    ),
    "a torch prior": ({"prior": Given(lambda _: Normal(0.0, 1.0))}, "prior() returns a Normal; return a vae_rd.Prior"),
    "another latent_dim": ({"latent_dim": 3}, "event shape of q(z|x) is [2], wanted [latent_dim] = [3]"),
    "a torch Normal for q": (
        {"encoder": Given(torch_normal)},
        "encoder(x) returns a Independent; return a vae_rd.Post",
    ),
    "a tuple for q": ({"encoder": Given(lambda x: (x, x))}, "encoder(x) returns a tuple; return a vae_rd.Posterior"),
    "another noise_dim": ({"noise_dim": 5}, "takes 2 numbers of noise, the model gives 5; give VAE(..., noise_dim=2)"),
    "layers that do not fit": (
        {"encoder": OwnEncoder(99, 4, nn.Tanh)},
        "encoder(x) in eval mode, x [2, 1, 4, 4]: RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    ),
    "one posterior for all x": (
        {"encoder": Given(lambda x: DiagonalNormal(torch.zeros(1, 2), torch.zeros(1, 2)))},
        "batch shape of q(z|x) is [1], wanted [B] = [2]",
    ),
    "a density at bits": (
        {"decoder": Given(lambda z: Independent(Normal(torch.zeros(*z.shape[:-1], 1, 4, 4), 0.1), 3))},
        "Normal has a density, and x of mine is binary",
    ),
    "our own density at bits": (
        {"decoder": own_vae(likelihood=GaussianLikelihood(0.1)).decoder},
        "GaussianLikelihood is for real or grey x; that of mine is binary",
    ),
}


@pytest.mark.parametrize("name", WRONG_NETWORKS)
def test_a_network_that_is_no_vae_of_these_images_is_refused(name, fitted, tmp_path):
    parts, words = WRONG_NETWORKS[name]
    with pytest.raises(InputError, match=re.escape(words)) as refusal:
        fitted(model=vae(**parts), data=data_of(bits(40, 1, 4, 4)))
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "runs").exists()


def test_a_distribution_whose_support_x_leaves_is_refused(fitted):
    x = torch.randn(40, 1, 4, 4, generator=GENERATOR)
    beta = Given(lambda z: Independent(Beta(torch.ones(*z.shape[:-1], 1, 4, 4), 1.0), 3))
    with pytest.raises(InputError, match="Beta has no density at some x of mine"):
        fitted(model=vae(decoder=beta), data=data_of(x, None))
    with pytest.raises(InputError, match="Bernoulli has probabilities of whole numbers, and x of mine is real"):
        fitted(model=vae(decoder=logits(1, 4, 4)), data=data_of(x, None))


def test_a_network_that_fails_in_train_mode_alone_is_refused(fitted):
    class Fails(nn.Module):
        def forward(self, x):
            if self.training:
                raise ValueError("no batch statistics")
            return x

    model = own_vae()
    model.encoder.net.append(Fails())
    with pytest.raises(InputError, match=r"encoder\(x\) in train mode, .* no batch statistics; mend the network"):
        fitted(model=model, data=data_of(bits(40, 1, 4, 4)))


def test_a_scale_of_draws_that_have_no_gradient_is_refused(fitted, tmp_path):
    encoder = Encoder(nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), CategoricalPosterior(4, latent_dim=2))
    decoder = own_vae(likelihood=OptimalGaussianLikelihood()).decoder
    x = torch.randn(40, 1, 4, 4, generator=GENERATOR)
    with pytest.raises(InputError, match=r"OptimalGaussianLikelihood takes .* gradient CategoricalLatent does not"):
        fitted(model=vae(encoder=encoder, decoder=decoder, prior=CategoricalPrior(2)), data=data_of(x, None))
    assert not (tmp_path / "runs").exists()


def test_an_allowance_by_units_of_a_rate_without_them_is_refused(fitted, tmp_path):
    config = FitConfig(objective="free_bits", run_dir=str(tmp_path / "runs"), wandb="off", max_steps=1, batch_size=16)
    says = (
        "--objective free_bits: R of DiagonalNormal and Mixture has no closed form by units; add --free_bits_per total"
    )
    with pytest.raises(InputError, match=says):
        fitted(config, model=vae(prior=MixturePrior(2, components=3)), data=data_of(bits(40, 1, 4, 4)))
    assert not (tmp_path / "runs").exists()


def test_the_look_leaves_no_trace():
    model = own_vae()
    model.encoder.net.insert(1, nn.BatchNorm1d(16))
    model.encoder.net.append(nn.Dropout(0.5))
    model.decoder.eval()
    before, stream = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    check_model(model, data_of(bits(40, 1, 4, 4)))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), stream)
    assert model.encoder.training
    assert not model.decoder.training


@pytest.mark.parametrize("log_var", [lambda h: h[:, 2:3], lambda h: h.new_tensor(0.5)])
def test_one_variance_for_all_units_is_that_of_each(log_var, fitted):
    """And not found to be of another shape once the run has been trained."""

    class Round(OwnEncoder):
        def forward(self, context):
            h = self.net(context)
            return DiagonalNormal(h[:, :2], log_var(h))

    model = vae(encoder=Round(16, 8, nn.Tanh))
    data = data_of(bits(40, 1, 4, 4))
    record = fitted(model=model, data=data)
    h = model.encoder.net(data.evaluation_chunk("test", 0)).detach()
    s = log_var(h).expand(40, 2)
    by_hand = 0.5 * (h[:, :2] ** 2 + s.exp() - 1 - s).sum(-1).mean().item()
    assert record.metrics["test"]["rate"]["value"] == pytest.approx(by_hand, rel=1e-5)


def test_a_network_in_another_precision_than_its_images_is_refused_and_made_double_with_them(fitted, tmp_path):
    data = data_of(bits(40, 1, 4, 4))
    with pytest.raises(InputError, match=r"encoder\(x\) in eval mode.* RuntimeError: .*[dD]ouble"):
        fitted(model=own_vae().double(), data=data)
    settings = {"run_dir": str(tmp_path), "wandb": "off", "max_epochs": 1, "batch_size": 16}
    for model in (own_vae(), own_vae().double()):
        config = FitConfig(**settings, precision="64", name=str(next(model.parameters()).dtype)[6:])
        assert vae_rd.fit_model(config, model=model, data=data).status == "finished"


def test_a_network_without_anything_to_train_is_refused(fitted):
    with pytest.raises(InputError, match="model has no parameter to train"):
        fitted(model=own_vae().requires_grad_(False), data=data_of(bits(40, 1, 4, 4)))


UNREAD = [
    ({"latent_dim": 5, "model": own_vae}, "latent_dim=5 of the config is not read: what was given has 2; leave it out"),
    ({"likelihood": "gaussian", "model": own_vae}, "likelihood='gaussian' of the config is not read: what was given"),
    ({"n_train": 20, "data": lambda: data_of(bits(40, 1, 4, 4))}, "n_train=20 of the config is not read: what was giv"),
    ({"dequantize": "uniform", "data": lambda: data_of(bits(40, 1, 4, 4))}, "dequantize='uniform' of the config is n"),
]


@pytest.mark.parametrize(("fields", "words"), UNREAD)
def test_a_field_that_contradicts_what_python_gives_is_refused(fields, words, fitted, tmp_path):
    given = {name: fields[name]() for name in ("model", "data") if name in fields}
    given = {"data": data_of(bits(40, 1, 4, 4)), **given}
    settings = {"run_dir": str(tmp_path / "runs"), "wandb": "off", "batch_size": 16}
    config = FitConfig(**settings | {k: v for k, v in fields.items() if k not in given})
    with pytest.raises(InputError, match=re.escape(words)):
        fitted(config, **given)
    assert not (tmp_path / "runs").exists()


def test_a_network_that_memory_is_too_short_for_is_refused(fitted):
    model = own_vae()
    model.encoder.net.register_forward_pre_hook(lambda module, inputs: torch.empty(2**50, dtype=torch.uint8))
    with pytest.raises(InputError, match="memory is too short for two examples; give a smaller network"):
        fitted(model=model, data=data_of(bits(40, 1, 4, 4)))


class Centred(nn.Module):
    """Takes the mean over the batch away."""

    def forward(self, x):
        return x - x.mean(0)


@pytest.mark.parametrize(
    ("part", "words"), [("encoder", "encoder(x) of an example"), ("decoder", "decoder(z) of an ex")]
)
def test_a_network_that_looks_at_its_whole_batch_is_refused(part, words, fitted):
    model = own_vae()
    (model.encoder.net if part == "encoder" else model.decoder.trunk).insert(0, Centred())
    with pytest.raises(InputError, match=re.escape(words)):
        fitted(model=model, data=data_of(bits(40, 1, 4, 4)))


def test_layers_without_sizes_are_refused(fitted):
    model = own_vae()
    model.encoder.net[1] = nn.LazyLinear(8)
    with pytest.raises(InputError, match=r"call model\.encoder and model\.decoder once"):
        fitted(model=model, data=data_of(bits(40, 1, 4, 4)))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"config": {"beta": 4.0}}, "config is of type dict; give a FitConfig, such as vae_rd.FitConfig(**config)"),
        ({"config": "beta=4"}, "config is of type str"),
        ({"model": nn.Linear(2, 3)}, "model is of type Linear; give a vae_rd.VAE(encoder, decoder, prior"),
        ({"model": own_vae}, "model is of type function"),
        ({"data": [torch.zeros(9, 1, 4, 4)]}, "data is of type list; give an array, a Dataset, a DataLoader, a dict"),
        ({"data": "mnist"}, "or vae_rd.DataSet(vae_rd.Source(name, "),
        ({"data": Source("a", {}, levels=2)}, "data is a Source; give data=vae_rd.DataSet(source)"),
    ],
)
def test_what_is_of_another_type_is_refused(given, words, fitted):
    with pytest.raises(InputError, match=re.escape(words)):
        fitted(**given)


def test_vectors_simply_work(fitted):
    rows = torch.randn(64, 10, dtype=torch.float64, generator=GENERATOR)
    data = data_of(rows, None)
    assert data.card.shape == (1, 1, 10)
    model = own_vae(shape=(1, 1, 10), likelihood=GaussianLikelihood(1.0))
    record = fitted(model=model, data=data)
    x = rows.float()
    q = model.encoder(x[:, None, None])
    weight, bias = model.decoder.trunk[0].weight, model.decoder.trunk[0].bias
    error = (x - q.mean @ weight.T - bias).square().sum(-1) + (q.variance @ weight.square().T).sum(-1)
    by_hand = (0.5 * error + 5 * math.log(2 * math.pi)).mean().item()
    measured = record.metrics["test"]["distortion"]
    assert measured["value"] == pytest.approx(by_hand, rel=1e-5)
