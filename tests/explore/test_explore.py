"""`python -m vae_rd.explore`: files of every exploration that applies, a reason for every one that does not."""

import csv
import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from vae_rd import FitConfig, explore_run, fit_model
from vae_rd.config.explorations import EXPLORATIONS
from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted
from vae_rd.experiment import build
from vae_rd.experiment.exploring import other_data
from vae_rd.explore import __main__ as explore
from vae_rd.explore import inference, interpolation, ood, regularity
from vae_rd.explore.base import Asked
from vae_rd.explore.kinds import KINDS

from helpers.common import ROOT

SMALL = {"hidden": [8], "batch_size": 64, "max_steps": 20, "wandb": "off", "media_every": 0}
DIGITS = {"data": "digits", "binarization": "threshold", "n_train": 300, "latent_dim": 2}


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    for module, name, value in [
        (inference, "EXAMPLES", 16),
        (inference, "TEMPERATURES", 20),
        (inference, "STEPS", 20),
        (interpolation, "PAIRS", 4),
        (regularity, "DRAWS", 100),
        (ood, "MOST", 100),
    ]:
        monkeypatch.setattr(module, name, value)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A VAE, an autoencoder and a GAN of digits, and a VAE of vectors that never end."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    kinds = {
        "vae": DIGITS,
        "ae": {**DIGITS, "posterior": "deterministic", "beta": 0.0},
        "gan": {**DIGITS, "model": "gan"},
        "vectors": {"data": "gaussian", "likelihood": "gaussian", "n_test": 64, "latent_dim": 2},
    }
    for name, flags in kinds.items():
        fit_model(FitConfig(name=name, run_dir=str(folder), **SMALL, **flags))
    return folder


def test_every_word_has_a_row():
    assert list(KINDS) == list(EXPLORATIONS)


def test_each_run_gets_what_applies_to_it_and_a_reason_for_the_rest(runs, capsys):
    assert explore.main([str(runs)]) == 0
    said = capsys.readouterr().out
    for name in ("ae", "gan", "vae", "vectors"):
        lines = said.split(f"{runs / name}:\n")[1].splitlines()[: len(EXPLORATIONS)]
        for word, line in zip(EXPLORATIONS, lines, strict=True):
            assert line.startswith(f"  {word} ")
            files = sorted(path.suffix for path in (runs / name / "explore").glob(f"{word}.*"))
            if "does not apply: " in line:
                assert not files
                continue
            content = json.loads((runs / name / "explore" / f"{word}.json").read_text())
            assert line.endswith(content["line"])
            assert files == ([".csv", ".json"] if name == "vectors" else [".csv", ".json", ".png"])
            assert len(list(csv.DictReader((runs / name / "explore" / f"{word}.csv").open()))) > 0
            if name != "vectors":
                page = Image.open(runs / name / "explore" / f"{word}.png")
                columns = content["picture"]["columns"]
                assert page.size[0] == 4 * (9 * columns - 1)
                assert page.size[1] == 4 * (9 * -(-content["picture"]["n"] // columns) - 1)
    assert "samples        does not apply: every training batch is fresh" in said


def test_the_page_says_the_rows_of_each_picture(runs):
    page = (ROOT / "docs/explore.md").read_text(encoding="utf-8").replace("\\|", "|")
    (table,) = re.findall(r"\| word \| rows \|\n(.*?)\n\n", page, re.DOTALL)
    said = [line.removeprefix("| ").partition(" | ") for line in table.splitlines()[1:]]
    assert [word for word, *_ in said] == [f"`{word}`" for word in EXPLORATIONS]
    for (*_, rows), found in zip(said, explore_run(runs / "vae").values(), strict=True):
        assert found["picture"]["of"] in rows


def test_from_python_it_says_what_the_files_say_and_the_seed_decides_all(runs):
    first, again, other = (explore_run(runs / "vae", "samples", seed=seed)["samples"] for seed in (0, 0, 1))
    assert first == again
    assert first["numbers"] != other["numbers"]
    assert explore_run(runs / "vectors", "samples")["samples"].keys() == {"why_not"}


def test_a_population_whose_images_are_all_trained_on_has_nothing_to_hold_copies_against(tmp_path):
    fit_model(FitConfig(name="a", run_dir=str(tmp_path), **SMALL, **{**DIGITS, "n_train": None}))
    found = explore_run(tmp_path / "a", "samples")["samples"]
    assert found["numbers"]["prior, x"]["verdict"] is None
    assert "copies cannot be told" in found["line"]


@pytest.mark.parametrize("word", ["csv", "hf", "image_folder", "npy", "npz", "parquet"])
def test_data_whose_place_would_have_to_be_said_cannot_be_ranked(word, tmp_path, capsys):
    assert explore.main([str(tmp_path), "--against", word]) == 2
    assert f"argument --against: invalid choice: '{word}'" in capsys.readouterr().err
    with pytest.raises(InputError, match=f"^explore_run: {word} is no data set of `against`; choose one of sprites"):
        explore_run(tmp_path, "ood", against=[word])


def test_what_runs_of_the_same_data_are_held_against_is_in_memory_once():
    held, found = {}, []
    for flags in ({}, {"beta": 2.0}, {"data_seed": 1}):
        config = FitConfig(n_train=64, n_test=64, **flags)
        run = Fitted(Path("none"), config, None, build.build_data(config), None)
        found.append(other_data(run, Asked(), ["scenes"], held=held)["scenes"])
    first, of_beta, of_seed = found
    assert of_beta is first
    assert of_seed is not first


def test_a_folder_without_a_run_is_named_as_that_and_nothing_is_written(tmp_path):
    with pytest.raises(InputError, match=r"no run record can be read there .*; give the folder of a run$"):
        explore_run(tmp_path / "typo" / "x", "samples")
    assert list(tmp_path.iterdir()) == []
