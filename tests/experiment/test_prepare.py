"""Before a run is begun: bad input is exit code 2 and no folder, a fault of the code exit code 1 and error.log."""

import json

import pytest
import torch

import vae_rd
from vae_rd import fit
from vae_rd.config.cli import parse
from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.experiment import build, tables
from vae_rd.experiment.preparing import prepare
from vae_rd.model.nn.mlp import mlp_encoder
from vae_rd.model.nn.whitening import Colour, Offset, Standard, Whiten
from vae_rd.run.record import SPLITS

from helpers.common import TOY
from helpers.members import card


def test_a_network_begins_at_the_best_density_without_z_and_sees_x_less_its_mean():
    config = FitConfig(n_train=512)
    prepared = prepare(config, None, None)
    pixels = prepared.data.pixels["train"].double()
    ones = pixels.sum(0)
    centre, start = prepared.model.encoder.trunk[0], prepared.model.decoder.trunk[1]
    assert torch.allclose(centre(pixels).mean(0), torch.zeros(1, 16, 16).double(), atol=1e-6)
    assert centre.scale == 1, "bits have a unit of their own"
    assert torch.allclose(start.offset.double(), ((ones + 0.5) / (512.5 - ones)).log())
    assert torch.equal(start(torch.zeros(1, 16, 16)), start.offset)


def test_real_values_are_seen_in_one_scale_and_written_in_it():
    config = FitConfig(data="gaussian", likelihood="gaussian_pixel", gaussian_eigenvalues=[9e6, 1e6], n_train=5000)
    prepared = prepare(config, None, None)
    x = prepared.data.pixels["train"]
    centre, start = prepared.model.encoder.trunk[0], prepared.model.decoder.trunk[1]
    assert centre(x).mean().item() == pytest.approx(0, abs=1e-5)
    assert centre(x).var(0, correction=0).mean().item() == pytest.approx(1, rel=1e-5)
    assert start.offset[0].flatten().tolist() == pytest.approx(x.mean(0).flatten().tolist(), rel=1e-4, abs=0.1)
    assert start.offset[1].flatten().tolist() == pytest.approx(
        x.std(0, correction=0).log().flatten().tolist(), rel=1e-5
    )
    assert start.unit.flatten().tolist() == pytest.approx([centre.scale.item(), 1.0])
    moved = start(torch.full((2, 1, 2), 2.0)) - start.offset
    assert moved.flatten().tolist() == pytest.approx([2 * centre.scale.item()] * 2 + [2.0] * 2, rel=1e-4)


def test_the_moments_are_of_examples_from_all_of_a_split_in_order():
    images = {split: torch.arange(40_000.0).reshape(-1, 1, 1, 1) for split in SPLITS}
    config = FitConfig(likelihood="gaussian", encoder="mlp", decoder="mlp")
    prepared = prepare(config, None, DataSet(Source("mine", images, levels=None)))
    assert prepared.model.encoder.trunk[0].mean.item() == pytest.approx(20_000, rel=0.02)


@pytest.mark.parametrize(
    ("flags", "shape", "whitened"),
    [
        ({}, (1, 32, 32), True),
        ({}, (1, 32, 33), False),
        ({"whiten": True}, (1, 32, 33), True),
        ({"whiten": False}, (1, 2, 2), False),
        ({"encoder": "mlp"}, (1, 2, 2), False),
        ({"decoder": "conv"}, (1, 2, 2), False),
        ({"likelihood": "gaussian_pixel"}, (1, 2, 2), False),
    ],
)
def test_linear_networks_see_whitened_pixels_of_small_images(flags, shape, whitened):
    config = FitConfig(**{"encoder": "linear", "decoder": "linear", "likelihood": "gaussian", **flags})
    model = build.build_model(config, card("real", shape))
    assert any(isinstance(module, Whiten) for module in model.modules()) is whitened
    assert any(isinstance(module, Standard) for module in model.modules()) is not whitened


def test_images_that_do_not_vary_are_seen_less_their_mean_alone():
    config = FitConfig(encoder="linear", decoder="linear", likelihood="gaussian", latent_dim=2, batch_size=8)
    images = dict.fromkeys(SPLITS, torch.full((20, 1, 2, 2), 0.3))
    prepared = prepare(config, None, DataSet(Source("grey", images, levels=None, support="real")))
    whiten, colour = (only(prepared.model, kind) for kind in (Whiten, Colour))
    x = prepared.data.examples("train", torch.arange(20))
    assert torch.equal(whiten(x), torch.zeros_like(x))
    assert torch.equal(colour(whiten(x)), x)
    torch.testing.assert_close(whiten(x + 1).square().sum((1, 2, 3)), torch.full((20,), 4.0))


def only(model, kind):
    (found,) = (module for module in model.modules() if isinstance(module, kind))
    return found


def test_the_bound_on_log_variances_is_that_of_the_flag():
    for bound, most in ((2.0, 2.0), (None, 1e3)):
        model = build.build_model(FitConfig(log_var_bound=bound), card())
        with torch.no_grad():
            model.encoder.posterior.head.bias.fill_(1e3)
        assert model.encoder(torch.zeros(1, 1, 1, 3)).log_var.max().item() == pytest.approx(most, rel=1e-2)
        pixels = build.build_model(FitConfig(log_var_bound=bound, likelihood="gaussian_pixel"), card("real"))
        assert pixels.decoder.likelihood.bound == bound


def test_by_version_2_of_the_defaults_there_are_no_maps():
    model = prepare(parse(["--defaults_version=2"]).config, None, None).model
    assert not any(isinstance(module, Standard | Offset | Whiten) for module in model.modules())


@pytest.fixture
def broken(monkeypatch):
    """Give the linear trunk an encoder whose constructor raises."""

    def arm(error: Exception) -> None:
        def raising(shape, widths, activation):
            raise error

        monkeypatch.setitem(tables.TRUNKS, "linear", tables.TRUNKS["linear"]._replace(encoder=raising))

    return arm


def test_a_fault_of_a_constructor_is_exit_code_1_with_its_traceback(broken, tmp_path, capsys):
    broken(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    flags = ["--encoder=linear", *TOY, f"--run_dir={tmp_path}", "--name=mine"]
    assert fit.main(flags) == 1
    said = capsys.readouterr().err
    assert said.startswith("failed: RuntimeError: mat1 and mat2 shapes cannot be multiplied; the traceback is in ")
    assert said.count("\n") == 1
    assert "in raising" in (tmp_path / "mine" / "error.log").read_text()
    record = json.loads((tmp_path / "mine" / "record.json").read_text())
    assert (record["status"], record["error"]) == ("failed", "RuntimeError: mat1 and mat2 shapes cannot be multiplied")


def test_after_the_fault_is_mended_the_run_goes_on(broken, tmp_path, monkeypatch):
    broken(RuntimeError("out of ideas"))
    flags = ["--encoder=linear", *TOY, f"--run_dir={tmp_path}", "--name=mine", "--resume=auto", "--max_steps=2"]
    assert fit.main(flags) == 1
    monkeypatch.setitem(tables.TRUNKS, "linear", tables.TRUNKS["linear"]._replace(encoder=mlp_encoder))
    assert fit.main(flags) == 0


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: no")])
def test_memory_that_runs_out_is_bad_input(broken, error, tmp_path, capsys):
    broken(error)
    assert fit.main(["--encoder=linear", *TOY, f"--run_dir={tmp_path}", "--name=mine"]) == 2
    assert capsys.readouterr().err == "error: --hidden [8] --latent_dim 2: too large for memory; give smaller ones\n"
    assert list(tmp_path.iterdir()) == []


def test_several_configs_are_fitted_one_after_another(toy):
    first, second = vae_rd.fit_models([toy(max_steps=2, seed=seed) for seed in (0, 1)])
    assert (first.config["seed"], second.config["seed"]) == (0, 1)
    assert first.metrics != second.metrics


def test_every_public_name_is_there_and_listed():
    for name in vae_rd.__all__:
        assert getattr(vae_rd, name) is not None
        assert name in dir(vae_rd)
    assert issubclass(vae_rd.VAE, torch.nn.Module)


@pytest.mark.parametrize("flag", ["--overwrite", "--resume=auto"])
def test_a_fault_leaves_the_run_that_is_there_as_it_was(flag, broken, tmp_path):
    assert fit.main([*TOY, f"--run_dir={tmp_path}", "--name=mine", "--max_steps=2"]) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    broken(RuntimeError("out of ideas"))
    again = ["--encoder=linear"] if flag == "--overwrite" else ["--encoder=linear", "--name=mine2"]
    fit.main([*TOY, f"--run_dir={tmp_path}", "--name=mine", "--max_steps=2", *again, flag])
    assert {path: path.read_bytes() for path in before} == before
