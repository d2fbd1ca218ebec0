"""Before a run is begun: bad input is exit code 2 and no folder, a fault of the code exit code 1 and error.log."""

import json

import pytest
import torch

import vae_rd
from vae_rd import fit
from vae_rd.experiment import tables
from vae_rd.model.nn.mlp import mlp_encoder

from helpers.common import TOY


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
