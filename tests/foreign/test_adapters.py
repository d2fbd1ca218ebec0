"""Adapters of other libraries' models against densities and KLs by hand, on stand-ins with these libraries' interfaces.

The real classes are compared with the libraries' own functions by benchmarks/adapters.py.
"""

import json
import math
import sys
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from vae_rd import adapters
from vae_rd.errors import InputError
from vae_rd.foreign.adapters.from_scvi import seed_of
from vae_rd.functional.seeding import generator, own_stream

from helpers.foreign_models import CellLoader, CellModel, CellModule, Codec, KLAutoencoder, PythaeModel

BITS = (torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) < 0.5).double()
COLOURS = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
COUNTS = torch.arange(30, dtype=torch.float64).reshape(6, 5) % 7 + 1
CLOSE = 1e-10

pytestmark = pytest.mark.filterwarnings("ignore:.*grad")


def noise(n: int, dim: int) -> Tensor:
    """Of the one batch of a loader."""
    return torch.randn(1, n, dim, generator=generator("cpu", 0, "evaluation", "test", 0), dtype=torch.float64)[0]


def value(result, name: str) -> float:
    return result[name]["value"]


def moments(net: PythaeModel) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, standard deviation and a draw of each q(z|x)."""
    found = net.encoder(BITS)
    sigma = (0.5 * found.log_covariance).exp()
    return found.embedding, sigma, found.embedding + sigma * noise(12, 3)


@pytest.mark.parametrize("loss", ["bce", "mse"])
@torch.no_grad()
def test_losses_of_pythae_with_their_constants(loss):
    net = PythaeModel("BetaVAEConfig", loss, beta=4.0)
    mu, sigma, z = moments(net)
    mean = net.decoder(z)["reconstruction"]
    d = {
        "bce": lambda: F.binary_cross_entropy(mean, BITS, reduction="sum"),
        "mse": lambda: 0.5 * F.mse_loss(mean, BITS, reduction="sum") + 0.5 * BITS.numel() * math.log(2 * math.pi),
    }[loss]()
    r = 0.5 * (mu**2 + sigma**2 - 1 - 2 * sigma.log()).sum()
    result = adapters.pythae(net, BITS)
    assert value(result, "distortion") == pytest.approx(d.item() / 12, rel=CLOSE)
    assert value(result, "rate") == pytest.approx(r.item() / 12, rel=CLOSE)
    assert (result.beta, result.distortion["family"]) == (4.0, {"bce": "Bernoulli", "mse": "Normal"}[loss])
    assert adapters.pythae(net, BITS, beta=2.0).beta == 2.0


@torch.no_grad()
def test_a_vamp_pays_for_its_mixture():
    net = PythaeModel("VAMPConfig")
    mu, sigma, z = moments(net)
    found = net.encoder(net.pseudo_inputs(net.idle_input).reshape(-1, 1, 4, 4))
    parts = Normal(found.embedding, (0.5 * found.log_covariance).exp()).log_prob(z[:, None]).sum(-1)
    r = Normal(mu, sigma).log_prob(z).sum(-1) - parts.logsumexp(1) + math.log(5)
    result = adapters.pythae(net, BITS)
    assert value(result, "rate") == pytest.approx(r.mean().item(), rel=CLOSE)
    assert result.is_rate_analytic is False


def test_grey_pixels_have_no_bernoulli_in_pythae_either():
    with pytest.raises(InputError, match="grey pixels is no likelihood"):
        adapters.pythae(PythaeModel(), BITS / 2)


def test_a_folder_of_pythae_is_read_as_data(tmp_path, monkeypatch):
    """The library builds the network, and the file's weights are put in."""
    saved = PythaeModel()
    torch.save({"model_state_dict": saved.state_dict()}, tmp_path / "model.pt")
    (tmp_path / "model_config.json").write_text(json.dumps({"name": "VAEConfig"}))
    other = PythaeModel()
    for weight in other.parameters():
        weight.data.zero_()
    auto = SimpleNamespace(AutoConfig=SimpleNamespace(from_json_file=lambda _: None))
    models = SimpleNamespace(auto_model=auto, VAE=lambda _: other)
    monkeypatch.setitem(sys.modules, "pythae", SimpleNamespace(models=models))
    read, given = adapters.pythae(tmp_path, BITS), adapters.pythae(saved, BITS)
    assert value(read, "rate") == value(given, "rate")
    assert value(read, "distortion") == value(given, "distortion")


@torch.no_grad()
def test_spatial_latents_and_a_stated_density():
    vae = KLAutoencoder()
    q = vae.encode(COLOURS).latent_dist
    z = q.mean + q.std * noise(6, 8).view_as(q.mean)
    error = (vae.decode(z).sample - COLOURS).abs().sum()
    r = 0.5 * (q.mean**2 + q.std**2 - 1 - q.logvar).sum()
    result = adapters.diffusers(vae, COLOURS, likelihood="laplace", scale=0.05)
    assert value(result, "distortion") == pytest.approx(error.item() / 6 / 0.05 + 48 * math.log(0.1), rel=CLOSE)
    assert value(result, "rate") == pytest.approx(r.item() / 6, rel=CLOSE)
    assert result.latent_dim == 8


@torch.no_grad()
def test_the_fitted_marginal_of_channels_is_the_best_normal():
    """R against it falls short of R against N(0, I) by what moments say, and rises where a moment is moved."""
    vae = KLAutoencoder()
    q = vae.encode(COLOURS).latent_dist
    by_channel = [part.transpose(0, 1).flatten(1) for part in (q.mean, q.mean**2 + q.std**2)]
    mean, square = (part.mean(1)[:, None, None] for part in by_channel)

    def rate(shift: float = 0.0, stretch: float = 1.0) -> float:
        m = Normal(mean + shift, (square - mean**2).sqrt() * stretch)
        return kl_divergence(Normal(q.mean, q.std), m).sum().item() / 6

    said = {"likelihood": "gaussian", "scale": 0.5}
    fitted = value(adapters.diffusers(vae, COLOURS, **said, prior="fitted"), "rate")
    assert fitted == pytest.approx(rate(), rel=1e-6)
    assert fitted < min(rate(0.01), rate(-0.01), rate(stretch=1.01), rate(stretch=0.99))
    assert fitted < value(adapters.diffusers(vae, COLOURS, **said), "rate")


@torch.no_grad()
def test_a_model_in_half_precision_has_densities_in_single():
    vae, x = KLAutoencoder().bfloat16(), COLOURS.float()
    q = vae.encode(x.bfloat16()).latent_dist
    mean, log_var = q.mean.float(), q.logvar.float()
    std = (0.5 * log_var).exp()
    eps = torch.randn(1, 6, 8, generator=generator("cpu", 0, "evaluation", "test", 0))
    error = vae.decode((mean + std * eps.view_as(mean)).bfloat16()).sample.double() - x.double()
    result = adapters.diffusers(vae, x, likelihood="gaussian", scale=0.5)
    d = error.square().sum().item() / 6 / 0.5 + 24 * math.log(2 * math.pi * 0.25)
    assert value(result, "distortion") == pytest.approx(d, rel=1e-6)
    r = 0.5 * (mean.double() ** 2 + log_var.double().exp() - 1 - log_var).sum().item() / 6
    assert value(result, "rate") == pytest.approx(r, rel=1e-6)


@torch.no_grad()
def test_a_codec_pays_the_length_of_its_code():
    codec, found = Codec(), Codec()(COLOURS)
    nats = -sum(part.log().sum() for part in found["likelihoods"].values())
    error = (found["x_hat"] - COLOURS).square().sum().item() / 6
    result = adapters.compressai(codec, COLOURS, likelihood="gaussian", scale=0.1, beta=1.0)
    assert value(result, "rate") == pytest.approx(nats.item() / 6, rel=CLOSE)
    constant = 24 * math.log(2 * math.pi * 0.01)
    assert value(result, "distortion") == pytest.approx(error / 0.02 + constant, rel=CLOSE)
    assert value(result, "mutual_information_lower") is None
    assert value(result, "mutual_information_upper") == value(result, "rate")
    assert value(result, "active_units") is None
    assert result.distortion["squared_error_weight"] == pytest.approx(50.0)


@pytest.fixture
def scvi(monkeypatch):
    loaders = SimpleNamespace(AnnDataLoader=CellLoader)
    monkeypatch.setitem(sys.modules, "scvi", SimpleNamespace(dataloaders=loaders))
    monkeypatch.setitem(sys.modules, "scvi.dataloaders", loaders)


@pytest.mark.usefixtures("scvi")
@pytest.mark.parametrize("library", [True, False])
@torch.no_grad()
def test_cells_pay_for_every_latent(library):
    module = CellModule(library=library)
    result = adapters.scvi(CellModel(COUNTS, module))
    with own_stream(torch.device("cpu"), seed_of(0, 0)):
        parts, made, _ = module({"X": COUNTS})
    d = -made["px"].log_prob(COUNTS).sum().item() / 6
    pairs = [(parts["qz"], made["pz"])] + ([(parts["ql"], made["pl"])] if library else [])
    r = sum(kl_divergence(q, p).sum().item() for q, p in pairs) / 6
    assert value(result, "distortion") == pytest.approx(d, rel=CLOSE)
    assert value(result, "rate") == pytest.approx(r, rel=CLOSE)
    assert result.latent_dim == (3 if library else 2)
    assert sum(result["rate_per_dim"]["value"]) == pytest.approx(r, rel=1e-6)
    assert value(result, "mutual_information_lower") <= value(result, "mutual_information_upper")


@pytest.mark.usefixtures("scvi")
def test_only_the_cells_that_were_asked_for_in_batches_of_any_size():
    model = CellModel(COUNTS)
    whole, some = adapters.scvi(model), adapters.scvi(model, indices=[0, 3])
    assert (whole["rate"]["n"], some["rate"]["n"]) == (6, 2)
    assert value(adapters.scvi(model, batch_size=4), "rate") == pytest.approx(value(whole, "rate"), rel=CLOSE)
