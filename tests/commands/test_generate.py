"""`python -m vae_rd.generate`: draws of a run's own prior and of one that was fitted to it afterwards."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from vae_rd import evaluate, fit, generate
from vae_rd.estimates import marginal

from helpers.common import TOY


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    assert fit.main([*TOY, "--max_steps=20", "--wandb=off", f"--run_dir={folder}", "--name=run"]) == 0
    return folder / "run"


def draws(run: Path, out: Path, *flags: str) -> dict[str, np.ndarray]:
    assert generate.main([str(run), "-n", "2000", "-o", str(out), *flags]) == 0
    with np.load(out) as archive:
        return dict(archive)


def test_z_is_of_the_prior_and_x_of_the_data_and_the_seed_decides_both(run, tmp_path):
    first, again, other = (draws(run, tmp_path / "a.npz", f"--seed={seed}") for seed in (0, 0, 1))
    assert first["images"].shape == (2000, 16, 16)
    assert set(np.unique(first["images"])) == {0.0, 1.0}
    assert np.abs(first["z"].mean(0)).max() < 4 / np.sqrt(2000)
    assert np.abs(first["z"].var(0) - 1).max() < 4 * np.sqrt(2 / 2000)
    assert all((first[name] == again[name]).all() for name in first)
    assert not any((first[name] == other[name]).all() for name in first)


def test_z_is_of_the_fitted_prior_where_that_is_asked_for(run, tmp_path, monkeypatch):
    monkeypatch.setattr(marginal, "STEPS", 40)
    assert evaluate.main([str(run), "--fit_marginal=mixture", "--components=1"]) == 0
    path = run / "marginal_mixture.pt"
    content = torch.load(path, weights_only=True)
    shape = content["state"]["mean"].shape
    state = {**content["state"], "mean": torch.full(shape, 3.0), "log_var": torch.full(shape, -2.0)}
    torch.save({**content, "state": state}, path)
    z = draws(run, tmp_path / "a.npz", "--marginal=mixture")["z"]
    assert np.abs(z.mean(0) - 3).max() < 4 * np.exp(-1) / np.sqrt(2000)
    assert np.abs(z.std(0) / np.exp(-1) - 1).max() < 4 / np.sqrt(4000)


def test_a_picture_holds_the_images_in_rows(run, tmp_path):
    arrays = draws(run, tmp_path / "a.npz", "-n", "5")["images"]
    assert generate.main([str(run), "-n", "5", "-o", str(tmp_path / "a.png")]) == 0
    picture = imread(tmp_path / "a.png")
    assert picture.shape == (2 * 17 - 1, 3 * 17 - 1)
    assert (picture[17:, 17:33] == arrays[4]).all()


def test_a_run_of_a_gpu_is_opened_where_there_is_none(run, tmp_path, monkeypatch):
    folder = shutil.copytree(run, tmp_path / "run")
    record = json.loads((folder / "record.json").read_text())
    record["config"]["accelerator"] = "gpu"
    (folder / "record.json").write_text(json.dumps(record))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name, array in draws(run, tmp_path / "cpu.npz").items():
        assert (draws(folder, tmp_path / "gpu.npz")[name] == array).all()
    assert evaluate.main([str(folder), "--split=test"]) == 0


def test_without_a_fitted_prior_it_names_the_command_that_fits_one(run, tmp_path, capsys):
    assert generate.main([str(run), "--marginal=spline", "-o", str(tmp_path / "a.npz")]) == 2
    assert f"first run python -m vae_rd.evaluate {run} --fit_marginal spline" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
