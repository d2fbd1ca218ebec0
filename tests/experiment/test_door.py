"""What Python hands over is looked at before anything is written: one line names what was given and what is wanted."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Beta, Independent, Normal

import vae_rd
from vae_rd import VAE, DiagonalNormal, LazyDistribution, StandardNormalPrior
from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source, UnlimitedSource
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment.door import check_model
from vae_rd.model.likelihoods.gaussian import GaussianLikelihood
from vae_rd.run.record import SPLITS

from helpers.own import OwnEncoder, own_vae

GENERATOR = torch.Generator().manual_seed(0)


def data_of(pixels: torch.Tensor, levels: int | None = 2) -> DataSet:
    return DataSet(Source("mine", dict.fromkeys(SPLITS, pixels), levels=levels))


def bits(*shape: int) -> torch.Tensor:
    return torch.randint(2, shape, generator=GENERATOR, dtype=torch.uint8)


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


def normal(dims: int):
    return Given(lambda x: DiagonalNormal(torch.zeros(len(x), dims), torch.zeros(len(x), dims)))


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
        ({"data": torch.zeros(9, 1, 4, 4)}, "data is of type Tensor; give a vae_rd.DataSet(vae_rd.Source("),
        ({"data": torch.utils.data.DataLoader(torch.zeros(9, 4))}, "data is of type DataLoader; give a vae_rd.DataSet"),
        ({"data": Source("a", {}, levels=2)}, "data is a Source; give data=vae_rd.DataSet(source)"),
    ],
)
def test_what_is_of_another_type_is_refused(given, words, fitted):
    with pytest.raises(InputError, match=re.escape(words)):
        fitted(**given)


WRONG_SOURCES = {
    "pixels beyond levels": (torch.arange(10).repeat(20, 8).reshape(20, 1, 8, 10), 2, "holds 0 to 9; with levels=2"),
    "negative counts": (-torch.ones(9, 1, 2, 2, dtype=torch.int64), 256, "holds -1 to -1; with levels=256"),
    "real values as counts": (torch.rand(9, 1, 2, 2), 256, "more than whole numbers"),
    "counts without levels": (bits(9, 1, 2, 2), None, "holds uint8; say with levels="),
    "sequences of vectors": (torch.rand(9, 5, 20), None, "is [9, 5, 20]; give [N, C, H, W]"),
    "volumes": (torch.rand(9, 1, 4, 4, 4), None, "is [9, 1, 4, 4, 4]; give [N, C, H, W]"),
    "nothing": (torch.rand(0, 1, 4, 4), None, "is [0, 1, 4, 4]; give [N, C, H, W]"),
    "nan": (torch.full((9, 1, 2, 2), math.nan), None, "nan or infinite"),
    "nan as counts": (torch.full((9, 1, 2, 2), math.nan), 2, "more than whole numbers"),
    "masked values": (
        np.ma.masked_equal(np.arange(36).reshape(9, 1, 2, 2), 5),
        256,
        "has 1 masked values; give each a",
    ),
    "a sparse tensor": (bits(9, 1, 2, 2).to_sparse(), 2, "is a sparse, quantised or meta tensor; give a dense one"),
    "a tensor without data": (bits(9, 1, 2, 2).to("meta"), 2, "is a sparse, quantised or meta tensor"),
    "a list": ([[0, 1]], 2, "is a list; give a tensor or array of numbers"),
    "text": (np.array(["a"]), 2, "is a array of <U1; give a tensor or array of numbers"),
    "levels of 1": (bits(9, 1, 2, 2), 1, "levels is 1; give 2 for binary"),
    "levels as text": (bits(9, 1, 2, 2), "2", "levels is '2'; give 2 for binary"),
    "doubles beyond singles": (torch.full((9, 1, 2, 2), 1e300, dtype=torch.float64), None, "beyond single precision"),
}


@pytest.mark.parametrize("name", WRONG_SOURCES)
def test_pixels_that_are_not_what_they_are_said_to_be_are_refused(name):
    pixels, levels, words = WRONG_SOURCES[name]
    with pytest.raises(InputError, match=re.escape(words)):
        data_of(pixels, levels)


WRONG_FACTS = {
    "a name of no word": (Source("a\nb", {}, levels=2), {}, "give a word"),
    "params that are no JSON": (Source("a", {}, levels=2, params={"x": np.zeros(2)}), {}, "go into a record as JSON"),
    "a split of one image": (Source("a", dict.fromkeys(SPLITS, bits(1, 1, 2, 2)), levels=2), {}, "has 1 image; give 2"),
    "a population of three splits": (
        Source("a", {split: bits(9, 1, 2, 2) for split in SPLITS}, levels=2, population=True),
        {},
        "a population is all in images['train']; leave out val, test",
    ),
    "another binarization": (Source("a", {}, levels=2), {"binarization": "dynamik"}, "choose one of none, static, dyn"),
    "another dequantization": (Source("a", {}, levels=2), {"dequantize": "gaussian"}, "choose one of none, uniform"),
    "both": (Source("a", {}, levels=2), {"dequantize": "uniform", "binarization": "static"}, "no bins to fill"),
    "no images": (Source("a", {}, levels=2), {"n_train": 0}, "n_train is 0; give a whole number from 2 on"),
    "images by halves": (Source("a", {}, levels=2), {"n_test": 9.0}, "n_test is 9.0; give a whole number from 2 on"),
    "a seed below 0": (Source("a", {}, levels=2), {"data_seed": -1}, "data_seed is -1; give a whole number from 0 on"),
    "grey draws": (UnlimitedSource("a", "grey", lambda n, noise: torch.zeros(n, 1, 1, 2)), {}, "support is 'grey'; ch"),
    "entropy as a number": (
        UnlimitedSource("a", "real", lambda n, noise: torch.zeros(n, 1, 1, 2), entropy=3.0),
        {},
        "entropy is 3.0; give vae_rd.data.base.Entropy",
    ),
    "chance of its own": (
        UnlimitedSource("a", "real", lambda n, noise: torch.rand(n, 1, 1, 2)),
        {},
        "two draws from one seed differ",
    ),
}


@pytest.mark.parametrize("name", WRONG_FACTS)
def test_a_source_or_a_setting_that_is_none_is_refused(name):
    source, settings, words = WRONG_FACTS[name]
    with pytest.raises(InputError, match=re.escape(words)) as refusal:
        DataSet(source, **settings)
    assert "\n" not in str(refusal.value)


def test_splits_of_several_shapes_missing_splits_and_wrong_labels_are_refused():
    images = {"train": bits(9, 1, 2, 2), "val": bits(9, 1, 2, 2), "test": bits(9, 1, 2, 3)}
    with pytest.raises(InputError, match="shapes of an image differ"):
        DataSet(Source("mine", images, levels=2))
    with pytest.raises(InputError, match="images has no val; give train, val, test"):
        DataSet(Source("mine", {"train": images["train"], "test": images["val"]}, levels=2))
    with pytest.raises(InputError, match="images has 'validation', which is no split; give train, val, test"):
        DataSet(Source("mine", {**dict.fromkeys(SPLITS, bits(9, 1, 2, 2)), "validation": bits(9, 1, 2, 2)}, levels=2))
    square = dict.fromkeys(SPLITS, bits(9, 1, 2, 2))
    with pytest.raises(InputError, match=re.escape("labels['val']['digit'] has 8 of 9 labels")):
        DataSet(Source("mine", square, levels=2, labels={"val": {"digit": np.zeros(8)}}))
    with pytest.raises(InputError, match="labels has 'valid', which is no split"):
        DataSet(Source("mine", square, levels=2, labels={"valid": {"digit": np.zeros(9)}}))
    with pytest.raises(InputError, match="give labels by split and factor"):
        DataSet(Source("mine", square, levels=2, labels={"val": np.zeros(9)}))


@pytest.mark.parametrize(
    "pixels",
    [
        bits(9, 1, 2, 2).to(torch.int64),
        bits(9, 1, 2, 2).to(torch.bool),
        bits(9, 1, 2, 2).to(torch.float16),
        bits(9, 1, 2, 2).numpy(),
        bits(9, 1, 2, 2).numpy().astype(">u2"),
        bits(9, 1, 2, 2).numpy().astype(np.longdouble),
        np.ma.masked_array(bits(9, 1, 2, 2).numpy()),
    ],
)
def test_whole_numbers_of_any_type_are_counts(pixels):
    data = data_of(pixels)
    assert data.pixels["train"].dtype == torch.uint8
    assert data.card.support == "binary"
    assert np.array_equal(data.evaluation_chunk("train", 0).numpy(), np.asarray(pixels, dtype=np.float32))


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


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (lambda n, noise: torch.randn(n, 4, generator=noise), "gives [10000, 4]; let it give [n, C, H, W]"),
        (lambda n, noise: torch.full((n, 1, 1, 4), math.nan), "nan or infinite"),
    ],
)
def test_draws_that_are_no_images_are_refused(rows, words):
    with pytest.raises(InputError, match=re.escape(words)):
        DataSet(UnlimitedSource("mine", "real", rows), n_test=50)
    with pytest.raises(InputError, match="holds 0 to 2; with levels=2"):
        DataSet(UnlimitedSource("mine", "binary", lambda n, noise: torch.arange(3).repeat(n, 1)[:, None, None]))
