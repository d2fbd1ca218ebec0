"""A run is known by what its data and its network are, wherever they lie and whatever they are called."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import vae_rd
from vae_rd import evaluate, fit, sweep
from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Entropy, Source, UnlimitedSource
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment.loading import open_run
from vae_rd.experiment.matching import network_of
from vae_rd.model.likelihoods.gaussian import GaussianLikelihood
from vae_rd.run.record import SPLITS, RunRecord

from helpers.own import own_vae

SHORT = ["--hidden=[4]", "--latent_dim=2", "--batch_size=16", "--max_epochs=2", "--wandb=off", "--lr_schedule=constant"]


def bits(seed: int, n: int = 60, side: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(2, size=(n, side, side), dtype=np.uint8)


def own_data(seed: int, *, name: str = "mine") -> DataSet:
    images = {split: torch.from_numpy(bits(seed + i)[:, None]) for i, split in enumerate(SPLITS)}
    return DataSet(Source(name, images, levels=2))


def config(tmp_path: Path, **fields) -> FitConfig:
    return FitConfig(
        **{"run_dir": str(tmp_path / "runs"), "name": "a", "resume": "auto", "wandb": "off", "max_epochs": 2}
        | {"batch_size": 16, "lr_schedule": "constant"}
        | fields
    )


@pytest.fixture
def npz_run(tmp_path: Path) -> tuple[Path, Path]:
    """The folder of a finished run on an npz file, and the file."""
    file = tmp_path / "own.npz"
    np.savez(file, images=bits(0))
    assert fit.main(["--data=npz", f"--data_file={file}", *SHORT, f"--run_dir={tmp_path / 'runs'}", "--name=a"]) == 0
    return tmp_path / "runs" / "a", file


def again(folder: Path, file: Path, *flags: str) -> int:
    where = [f"--run_dir={folder.parent}", f"--name={folder.name}", "--resume=auto"]
    return fit.main(["--data=npz", f"--data_file={file}", *SHORT, *where, *flags])


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> None:
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    for word in words:
        assert word in said


def test_a_finished_run_is_not_that_of_other_pixels_in_the_same_file(npz_run, capsys):
    folder, file = npz_run
    before = (folder / "record.json").read_bytes()
    np.savez(file, images=bits(1))
    capsys.readouterr()
    assert again(folder, file) == 2
    refused(capsys, "other pixels", "choose another --name")
    assert (folder / "record.json").read_bytes() == before


def test_a_file_written_anew_with_the_same_pixels_is_the_same_data(npz_run, capsys):
    folder, file = npz_run
    np.savez_compressed(file, images=bits(0), further=np.zeros(3))
    assert again(folder, file) == 0
    assert "finished already" in capsys.readouterr().out


def test_data_that_moved_are_evaluated_where_they_are_now(npz_run, tmp_path, capsys):
    folder, file = npz_run
    before = RunRecord.read(folder).metrics
    moved = file.rename(tmp_path / "elsewhere.npz")
    assert evaluate.main([str(folder)]) == 2
    refused(capsys, str(file))
    assert evaluate.main([str(folder), f"--data_file={moved}"]) == 0
    assert RunRecord.read(folder).metrics == before
    assert again(folder, moved) == 0


def test_an_interrupted_run_goes_on_with_its_data_where_they_are_now(npz_run, tmp_path, capsys):
    folder, file = npz_run
    path = folder / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "interrupted"}))
    moved = file.rename(tmp_path / "elsewhere.npz")
    capsys.readouterr()
    assert again(folder, moved, "--max_epochs=3") == 0
    assert "epoch 3/3" in (said := capsys.readouterr().out)
    assert "epoch 1/3" not in said
    assert evaluate.main([str(folder)]) == 0, "its checkpoints are its own still"


def test_evaluate_takes_no_other_pixels(npz_run, tmp_path, capsys):
    folder, _ = npz_run
    np.savez(tmp_path / "other.npz", images=bits(1))
    capsys.readouterr()
    assert evaluate.main([str(folder), f"--data_file={tmp_path / 'other.npz'}"]) == 2
    refused(capsys, "other pixels")


def test_evaluate_takes_folders_of_runs_and_globs(npz_run, tmp_path, capsys):
    folder, file = npz_run
    assert again(folder.with_name("b"), file, "--seed=1") == 0
    shutil.copytree(folder, folder.with_name("c"))
    record = json.loads((folder.with_name("c") / "record.json").read_text())
    (folder.with_name("c") / "record.json").write_text(json.dumps(record | {"status": "interrupted"}))
    for entry in (folder.parent, folder.parent / "*"):
        capsys.readouterr()
        assert evaluate.main([str(entry), "--split=val"]) == 0
        said = capsys.readouterr().out
        assert f"left out, not finished: {folder.with_name('c')} (was interrupted)" in said
        assert f"{folder}:" in said
        assert f"{folder.with_name('b')}:" in said
    for named in ([str(folder.with_name("c"))], [str(folder), str(folder.with_name("c"))]):
        capsys.readouterr()
        assert evaluate.main(named) == 2
        refused(capsys, f"{folder.with_name('c')}: this run was interrupted", "--resume auto")


def test_a_run_on_files_without_any_takes_no_data_file(tmp_path, capsys):
    assert fit.main([*SHORT, "--n_train=64", f"--run_dir={tmp_path}", "--name=a"]) == 0
    capsys.readouterr()
    assert evaluate.main([str(tmp_path / "a"), "--data_file=x.npz"]) == 2
    refused(capsys, "--data_file x.npz", "sprites", "leave it out")


def sweep_file(tmp_path: Path, file: Path) -> Path:
    flags = {"data": "npz", "data_file": str(file), "wandb": "off", "run_dir": str(tmp_path / "swept")}
    lines = [f"  {name}: {{value: {json.dumps(value)}}}" for name, value in flags.items()]
    lines += ["  hidden: {value: [4]}", "  latent_dim: {value: 2}", "  batch_size: {value: 16}"]
    lines += ["  max_epochs: {value: 1}", "  beta: {values: [1, 4]}"]
    path = tmp_path / "s.yaml"
    command = ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"]
    path.write_text("method: grid\nparameters:\n" + "\n".join(lines) + f"\ncommand: {json.dumps(command)}\n")
    return path


def test_a_sweep_over_an_edited_file_does_not_take_the_old_runs_for_its_own(tmp_path, capsys):
    file = tmp_path / "own.npz"
    np.savez(file, images=bits(0))
    asked = [str(sweep_file(tmp_path, file)), "--jobs=1"]
    assert sweep.main(asked) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "swept").glob("*/record.json")}
    assert len(before) == 2
    assert sweep.main(asked) == 0
    assert "2 runs, 2 finished" in capsys.readouterr().out
    np.savez(file, images=bits(1))
    assert sweep.main(asked) == 1
    assert "2 runs, 2 refused" in (said := capsys.readouterr().out)
    assert "other pixels" in said
    np.savez_compressed(file, images=bits(0))  # Another file with the old pixels.
    assert sweep.main(asked) == 0
    assert {path: path.read_bytes() for path in before} == before


def test_a_finished_run_is_not_that_of_another_network(tmp_path):
    vae_rd.fit_model(config(tmp_path), model=own_vae(), data=own_data(0))
    assert vae_rd.fit_model(config(tmp_path), model=own_vae(), data=own_data(0)).status == "finished"
    with pytest.raises(InputError, match=r"another network, VAE\(.*\) \([0-9a-f]{6}\), not VAE"):
        vae_rd.fit_model(config(tmp_path), model=own_vae(hidden=9), data=own_data(0))
    with pytest.raises(InputError, match="another network"):
        vae_rd.fit_model(config(tmp_path), model=own_vae(activation=nn.ReLU), data=own_data(0))
    with pytest.raises(InputError, match="was given from Python, not by flags; give it as model="):
        vae_rd.fit_model(config(tmp_path), data=own_data(0))


def test_a_setting_of_a_layer_sets_networks_apart_and_a_counter_does_not():
    a, b = own_vae(likelihood=GaussianLikelihood(0.5)), own_vae(likelihood=GaussianLikelihood(0.1))
    assert network_of(a) != network_of(b)
    assert network_of(nn.Dropout(0.1)) != network_of(nn.Dropout(0.2))
    assert network_of(nn.Conv2d(1, 1, 3)) != network_of(nn.Conv2d(1, 1, 3, padding=1))
    before = network_of(a)
    a.encoder.calls = 7
    assert network_of(a.eval()) == before


def test_a_finished_run_is_not_that_of_other_data(tmp_path):
    vae_rd.fit_model(config(tmp_path), data=own_data(0))
    with pytest.raises(InputError, match=r"data= is not what this run was fitted to: other pixels \(checksum"):
        vae_rd.fit_model(config(tmp_path), data=own_data(7))
    with pytest.raises(InputError, match=r"its data \(mine\) were given from Python"):
        vae_rd.fit_model(config(tmp_path))


def test_what_is_drawn_from_the_same_pixels_is_compared_too(tmp_path):
    grey = torch.from_numpy(np.arange(960, dtype=np.uint16).reshape(60, 1, 4, 4) % 256)
    source = Source("mine", dict.fromkeys(SPLITS, grey), levels=256)
    vae_rd.fit_model(config(tmp_path), data=DataSet(source, binarization="dynamic"))
    for other, words in (({"binarization": "static"}, "other pixels"), ({"data_seed": 3}, "data seed 3, was null")):
        with pytest.raises(InputError, match=words):
            vae_rd.fit_model(config(tmp_path), data=DataSet(source, **{"binarization": "dynamic"} | other))


def test_an_interrupted_run_does_not_go_on_with_other_data_or_another_network(tmp_path):
    vae_rd.fit_model(config(tmp_path), model=own_vae(), data=own_data(0))
    path = tmp_path / "runs" / "a" / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "interrupted"}))
    longer = config(tmp_path, max_epochs=3)
    with pytest.raises(InputError, match="other pixels"):
        vae_rd.fit_model(longer, model=own_vae(), data=own_data(7))
    with pytest.raises(InputError, match="another network"):
        vae_rd.fit_model(longer, model=own_vae(activation=nn.ReLU), data=own_data(0))
    assert vae_rd.fit_model(longer, model=own_vae(), data=own_data(0)).status == "finished"


def test_a_run_on_data_from_python_is_evaluated_from_python(tmp_path, capsys):
    before = vae_rd.fit_model(config(tmp_path), model=own_vae(), data=own_data(0))
    folder = tmp_path / "runs" / "a"
    assert evaluate.main([str(folder)]) == 2
    refused(capsys, "given from Python", "model=")
    record = vae_rd.evaluate_run(folder, model=own_vae(), data=own_data(0))
    assert record.metrics == before.metrics
    record = vae_rd.evaluate_run(folder, "importance", model=own_vae(), data=own_data(0), samples=10, split="val")
    assert [(entry["kind"], entry["split"]) for entry in record.estimates] == [("importance", "val")]
    with pytest.raises(InputError, match="another network"):
        vae_rd.load(folder, model=own_vae(activation=nn.ReLU))
    with pytest.raises(InputError, match="magic is no kind"):
        vae_rd.evaluate_run(folder, "magic", model=own_vae(), data=own_data(0))
    with pytest.raises(InputError, match="draws is no setting"):
        vae_rd.evaluate_run(folder, "importance", model=own_vae(), data=own_data(0), draws=3)


def draws(scale: float) -> UnlimitedSource:
    return UnlimitedSource(
        "mine", "real", lambda n, noise: scale * torch.randn(n, 1, 1, 4, generator=noise), entropy=Entropy(1.0, 0.0)
    )


def test_sources_without_end_are_told_apart_by_their_draws_and_not_by_their_last_digits():
    card, close, other = (DataSet(draws(scale)).card for scale in (1.0, 1.0 + 3e-7, 1.1))
    assert card.content == close.content
    assert card.content != other.content


def test_a_label_or_the_order_of_splits_is_no_content_but_each_pixel_is():
    a = own_data(0)
    assert own_data(0, name="other").card.content == a.card.content
    for split in SPLITS:
        images = {name: pixels.clone() for name, pixels in a.pixels.items()}
        images[split][5, 0, 1, 2] ^= 1
        assert DataSet(Source("mine", images, levels=2)).card.content != a.card.content


def test_an_older_record_knows_neither_content_nor_network(tmp_path):
    vae_rd.fit_model(config(tmp_path), model=own_vae(), data=own_data(0))
    path = tmp_path / "runs" / "a" / "record.json"
    content = json.loads(path.read_text())
    for part, name in (("data", "content"), ("data", "is_own"), ("data", "file_sha256"), ("model", "network")):
        del content[part][name]
    path.write_text(json.dumps(content))
    assert vae_rd.fit_model(config(tmp_path), model=own_vae(), data=own_data(0)).status == "finished"
    assert vae_rd.evaluate_run(tmp_path / "runs" / "a", model=own_vae(), data=own_data(0)).status == "finished"
    with pytest.raises(InputError, match=r"its data \(mine\) were given from Python"):
        vae_rd.evaluate_run(tmp_path / "runs" / "a", model=own_vae())


@pytest.mark.parametrize(
    ("flags", "likelihood", "entropy"),
    [
        ({"binarization": "dynamic"}, "bernoulli", None),
        ({}, "gaussian", "discrete"),
        ({"dequantize": "uniform"}, "gaussian", None),
    ],
)
def test_a_run_on_a_population_from_before_it_was_known_better_goes_on(tmp_path, flags, likelihood, entropy):
    """Once x drawn anew from a population was called one, and H of its grey images was known of val and test alone."""
    pixels = torch.arange(60 * 16).reshape(60, 1, 4, 4) * 7919 % 1009 % 17
    data = DataSet(Source("mine", {"train": pixels}, levels=17, population=True), **flags)
    settings = config(tmp_path, hidden=[4], latent_dim=2, max_steps=2, likelihood=likelihood)
    record = vae_rd.fit_model(settings, data=data)
    folder = tmp_path / "runs" / "a"
    content = json.loads((folder / "record.json").read_text())
    content["data"]["population"] = dict.fromkeys(SPLITS, True)
    content["data"]["entropy"]["train"] = {**vars(Entropy(measure="differential" if entropy else "discrete"))}
    (folder / "record.json").write_text(json.dumps(content))
    assert vae_rd.fit_model(settings, data=data).metrics == record.metrics
    vae_rd.evaluate_run(folder, data=data)
    cut = DataSet(Source("mine", {"train": pixels}, levels=17, population=True), n_train=32, **flags)
    with pytest.raises(InputError, match="not what this run was fitted to"):
        vae_rd.fit_model(settings, data=cut)


def test_runs_of_the_same_data_have_them_in_memory_once(tmp_path):
    file = tmp_path / "own.npz"
    np.savez(file, images=bits(0))
    of_a = ["--data=npz", f"--data_file={file}", *SHORT, f"--run_dir={tmp_path}"]
    asked = {"a": [], "b": ["--beta=2", "--seed=1", "--latent_dim=3"], "fewer": ["--n_train=20"]}
    for name, flags in asked.items():
        assert fit.main([*of_a, f"--name={name}", *flags]) == 0
    opened = []
    for name in asked:
        opened.append(open_run(tmp_path / name, opened=opened))
    a, b, fewer = (run.data for run in opened)
    assert b is a
    assert fewer is not a
    assert len(fewer.pixels["train"]) == 20
    np.savez(file, images=bits(1))
    with pytest.raises(InputError, match="other pixels"):
        open_run(tmp_path / "a")
