"""Media of fits: in the folder and at W&B, without a trace in training."""

import signal

import numpy as np
import pytest
import torch
from matplotlib.image import imread

import vae_rd
from vae_rd.config.names import run_name
from vae_rd.errors import Interrupted
from vae_rd.experiment import build
from vae_rd.explore.media.files import read_index
from vae_rd.run.folder import KEPT
from vae_rd.training import media

from helpers.runs import only_run


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in (folder / "media").iterdir()}


def test_training_with_media_is_training_without_bit_for_bit(toy, tmp_path):
    some, none = (toy(run_dir=str(tmp_path / str(every)), media_every=every) for every in (1, 0))
    assert run_name(some) == run_name(none) == run_name(toy())
    found = [vae_rd.fit_model(config) for config in (some, none)]
    folders = [only_run(config) for config in (some, none)]
    assert found[0].metrics == found[1].metrics
    assert found[0].identity == found[1].identity
    assert (folders[0] / "history.csv").read_bytes() == (folders[1] / "history.csv").read_bytes()
    ours, theirs = (torch.load(folder / KEPT, weights_only=True)["state_dict"] for folder in folders)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert [entry["epoch"] for entry in read_index(folders[0])] == [0] * 3 + [1] * 3 + [2] * 3
    assert not (folders[1] / "media").exists()
    assert not (folders[1] / "latents.npz").exists()


def test_a_fit_leaves_the_pictures_and_latents_of_what_it_kept(toy):
    config = toy(max_epochs=1)
    vae_rd.fit_model(config)
    folder = only_run(config)
    (first, *_) = read_index(folder)
    page = imread(folder / "media" / "reconstructions_0000.png")[::2, ::2]  # Enlarged to be seen.
    x = build.build_data(config).evaluation_chunk
    for column, example in enumerate(first["examples"]):
        tile = page[:16, 17 * column : 17 * column + 16]
        assert (tile == x("val", example // 500)[example % 500, 0].numpy()).all()
    model = vae_rd.load(folder)
    with np.load(folder / "latents.npz") as arrays, torch.no_grad():
        q = model.encoder(build.build_data(config).examples("val", torch.as_tensor(arrays["index"])))
        assert np.allclose(arrays["mu"], q.mean, atol=1e-5)
        assert np.allclose(arrays["log_var"], q.variance.log(), atol=1e-4)


def test_a_resumed_run_shows_what_an_uninterrupted_one_does(toy, tmp_path, interrupt):
    whole = toy(run_dir=str(tmp_path / "whole"), media_every=2, max_epochs=4)
    vae_rd.fit_model(whole)
    parts = toy(media_every=2, max_epochs=4, resume="auto")
    interrupt(3 * 4 + 2, signal.SIGTERM)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(parts)
    folder = only_run(parts)
    assert [entry["epoch"] for entry in read_index(folder)] == [1, 1, 1]
    later = folder / "media" / "samples_0003.png"  # As if the kill had come between the picture and the checkpoint.
    later.write_bytes(b"")
    interrupt(0, signal.SIGTERM)
    vae_rd.fit_model(parts)
    assert bytes_of(folder) == bytes_of(only_run(whole))


def test_a_picture_that_cannot_be_made_costs_a_line_and_no_fit(toy, monkeypatch, capsys):
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(media, "write_pictures", lambda *args, **named: fail())
    assert vae_rd.fit_model(toy(max_epochs=1, media_every=1)).status == "finished"
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(lines) == 2
    assert all("No space left on device; the fit goes on" in line for line in lines)
    assert (only_run(toy()) / "latents.npz").is_file()


def test_data_without_images_have_latents_alone_and_no_word(toy, capsys):
    vae_rd.fit_model(
        toy(data="gaussian", likelihood="gaussian_shared", max_epochs=1, max_steps=5, media_every=1, n_test=300)
    )
    (folder,) = [only_run(toy())]
    assert not (folder / "media").exists()
    assert (folder / "latents.npz").is_file()
    assert "warning" not in capsys.readouterr().err
