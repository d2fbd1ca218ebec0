"""Files of one's own through the command: what is said first, what is refused and the remedy taken, and old runs."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vae_rd
from vae_rd import evaluate, fit
from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.run.record import SPLITS, RunRecord

from helpers.common import ROOT

TINY = ["--hidden=[4]", "--latent_dim=2", "--batch_size=16", "--max_epochs=1", "--wandb=off", "--data=npz"]
NOISE = np.random.default_rng(0).normal(size=(60, 4, 4)).astype(np.float32)
DIGITS = np.arange(60 * 16).reshape(60, 4, 4) * 7919 % 1009 % 17
FIT = ["--name=r", "--data_file=own.npz"]


@pytest.fixture
def fitted(tmp_path, monkeypatch, capsys):
    """Fit an array by flags, where nothing has been fitted: the exit code, what is printed, and what is refused."""
    monkeypatch.chdir(tmp_path)

    def run(images, *flags):
        np.savez("own.npz", images=images)
        code = fit.main([*TINY, *FIT, "--overwrite", *flags])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_the_start_line_comes_first_and_once(fitted):
    code, out, _ = fitted(DIGITS, "--binarization=dynamic")
    assert code == 0
    line = "npz: 60 grey images 4 x 4, values 0..16 read as 17 levels, binarised anew at every use with P(1) = k/16, "
    assert out.startswith(line)
    assert out.count("npz: 60") == 1
    data = RunRecord.read(Path("runs/r")).data
    assert (data["levels"], data["params"]["file"]) == (17, "own.npz")


@pytest.mark.parametrize("images", [DIGITS / 16, DIGITS / 8 - 1, DIGITS.astype("f2"), DIGITS.astype(">u2")])
@pytest.mark.parametrize("binarization", ["static", "dynamic", "threshold"])
def test_digits_are_the_same_data_in_every_guise(tmp_path, images, binarization):
    """Drawn from or cut, all x are those of k of 0..16."""
    found = []
    for name, array in (("guise", images), ("plain", DIGITS)):
        np.savez(tmp_path / f"{name}.npz", images=array)
        config = FitConfig(data="npz", data_file=str(tmp_path / f"{name}.npz"), binarization=binarization)
        data = build.build_data(config)
        found.append((data.card.content, data.card.support, data.evaluation_chunk("train", 0)))
    assert found[0][:2] == found[1][:2]
    assert torch.equal(found[0][2], found[1][2])


def test_digits_are_drawn_by_their_share_of_the_highest_level(fitted):
    """D of a Bernoulli of every pixel is that of P(1) = k / 16, not of a nearly black image."""
    assert fitted(DIGITS / 16, "--binarization=static", "--beta=1000", "--lr=0.05", "--max_epochs=30")[0] == 0
    p = DIGITS.mean(0) / 16
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p)).sum()
    found = RunRecord.read(Path("runs/r")).metrics["train"]["distortion"]["value"]
    assert found == pytest.approx(entropy, rel=0.05)


LARGE = np.arange(60 * 30).reshape(60, 1, 6, 5) * 7919 % 1009 / 1009
ODD = DIGITS * 0.73 + 0.1
MASKED = np.where(np.arange(4) < 2, np.float32(0), NOISE)
WALK = [  # Data and flags; words of the refusal; its remedy.
    (DIGITS / 16, [], "add --binarization dynamic, static or threshold", (DIGITS / 16, ["--binarization=dynamic"])),
    (DIGITS / 16, [], "choose gaussian", (DIGITS / 16, ["--likelihood=gaussian"])),
    (DIGITS / 8 - 1, ["--likelihood=gaussian_shared"], "add --dequantize uniform", (
        DIGITS / 8 - 1, ["--likelihood=gaussian_shared", "--dequantize=uniform"])),
    (ODD, [], "choose gaussian", (ODD, ["--likelihood=gaussian"])),
    (ODD, [], "store the values as whole numbers from 0, and add --binarization dynamic", (
        DIGITS, ["--binarization=dynamic"])),
    (ODD, ["--binarization=static"], "leave it out, with --likelihood gaussian", (ODD, ["--likelihood=gaussian"])),
    (NOISE, ["--dequantize=uniform"], "leave it out, with --likelihood gaussian", (NOISE, ["--likelihood=gaussian"])),
    (DIGITS % 2, ["--dequantize=uniform", "--likelihood=gaussian"], "leave it out, with --likelihood bernoulli", (
        DIGITS % 2, ["--likelihood=bernoulli"])),
    (NOISE, ["--levels=256", "--likelihood=gaussian"], "leave out --levels", (NOISE, ["--likelihood=gaussian"])),
    (DIGITS % 2 + 1, [], "subtract 1", (DIGITS % 2, [])),
    (DIGITS % 2 + 1, ["--binarization=static"], "add --levels 3", (
        DIGITS % 2 + 1, ["--binarization=static", "--levels=3"])),
    (DIGITS - 3, ["--likelihood=gaussian"], "add 3", (DIGITS, ["--likelihood=gaussian"])),
    (MASKED, ["--likelihood=gaussian_pixel"], "8 of its 16 pixels never change", (
        MASKED, ["--likelihood=gaussian_shared"])),
    (NOISE.clip(0), ["--likelihood=gaussian_pixel"], "come back to the same values", (
        NOISE.clip(0), ["--likelihood=gaussian_optimal"])),
    (np.repeat(NOISE[:1], 60, 0), ["--likelihood=gaussian_shared"], "choose gaussian", (
        np.repeat(NOISE[:1], 60, 0), ["--likelihood=gaussian"])),
    (LARGE, ["--likelihood=gaussian"], "add --layout channels_first", (
        LARGE, ["--likelihood=gaussian", "--layout=channels_first"])),
    (NOISE[..., None, None], ["--likelihood=gaussian"], "add --layout channels_first", (
        NOISE[..., None, None], ["--likelihood=gaussian", "--layout=channels_first"])),
]  # fmt: skip


@pytest.mark.parametrize(("images", "flags", "words", "mended"), WALK)
def test_every_remedy_helps(fitted, images, flags, words, mended):
    code, out, err = fitted(images, *flags)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert not Path("runs").exists()
    assert fitted(mended[0], *mended[1])[0] == 0


@pytest.mark.parametrize("likelihood", ["gaussian_shared", "gaussian_optimal", "gaussian"])
def test_one_scale_for_all_pixels_stands_a_masked_background(fitted, likelihood):
    assert fitted(MASKED, f"--likelihood={likelihood}")[0] == 0


def test_a_masked_background_from_python_is_refused_too(toy):
    images = torch.tensor(MASKED)[:, None]
    data = DataSet(Source("mine", dict.fromkeys(SPLITS, images), levels=None))
    config = toy(likelihood="gaussian_pixel", n_train=None, batch_size=20)
    with pytest.raises(InputError, match="8 of its 16 pixels never change"):
        vae_rd.fit_model(config, data=data)


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (["--data=npz", "--data_file=absent.npz"], "--data_file absent.npz: no such file; give its path from "),
        (["--data=image_folder", "--data_file=absent"], "--data_file absent: no such folder; give its path from "),
        (["--data=npz", "--data_file=."], "--data_file .: is a folder; add --data image_folder"),
        (["--data=image_folder", "--data_file=file"], "--data_file file: is no folder; give the one that the images"),
    ],
)
def test_a_file_that_is_not_there_is_said_before_torch_is_imported(tmp_path, flags, fault):
    (tmp_path / "file").write_text("")
    script = f"import sys, vae_rd.fit as f; c = f.main({flags!r}); print('torch' in sys.modules, c)"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert time.monotonic() - began < 2.0
    assert done.stdout == "False 2\n"
    assert fault in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_finished_run_whose_file_has_moved_is_still_finished(fitted, capsys):
    assert fitted(DIGITS, "--likelihood=gaussian")[0] == 0
    Path("own.npz").unlink()
    assert fit.main([*TINY, *FIT, "--likelihood=gaussian", "--resume=auto"]) == 0
    assert "finished already" in capsys.readouterr().out


def test_runs_that_read_as_version_1_did_are_loaded_evaluated_and_not_refused(fitted):
    """Such a run keeps its reading, and what would now be refused."""
    first = ["--defaults_version=1", "--likelihood=gaussian_pixel"]
    assert fitted(MASKED, *first)[0] == 0
    vae_rd.load("runs/r")
    assert evaluate.main(["runs/r"]) == 0
    assert fitted(DIGITS.astype(np.uint8), "--defaults_version=1", "--binarization=dynamic")[0] == 0
    assert RunRecord.read(Path("runs/r")).data["levels"] == 256


def test_a_folder_is_read_as_version_1_did_where_a_run_was_begun_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for split, n in (("train", 30), ("test", 10)):
        (tmp_path / "folder" / split).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(DIGITS[i].astype(np.uint8) * 15).save(tmp_path / "folder" / split / f"{i}.png")
    flags = [*TINY, "--data=image_folder", "--data_file=folder", "--likelihood=gaussian", "--name=r", "--overwrite"]
    assert fit.main([*flags, "--batch_size=8"]) == 0
    assert RunRecord.read(Path("runs/r")).data["n"] == {"train": 27, "val": 3, "test": 10}
    assert fit.main([*flags, "--batch_size=8", "--defaults_version=1"]) == 0
    assert RunRecord.read(Path("runs/r")).data["n"] == {"train": 32, "val": 4, "test": 4}
    assert evaluate.main(["runs/r"]) == 0
    assert capsys.readouterr().err == ""
