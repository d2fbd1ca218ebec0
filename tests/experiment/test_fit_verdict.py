"""The verdict on training of real fits made to do each, and of a run that is judged again by its history."""

import json
from pathlib import Path

import pytest

import vae_rd
from vae_rd.run.files import HISTORY_FILE, csv_text
from vae_rd.run.folder import folder_of
from vae_rd.run.record import RunRecord
from vae_rd.run.summary import summary_lines
from vae_rd.training.history import ERRORS
from vae_rd.training.tracking import summary_of

from helpers.runs import history


def judged_again(folder: Path) -> dict:
    """The verdict after `evaluate`, of a record that had none."""
    record = RunRecord.read(folder)
    record.verdicts["fit"] = None
    record.write(folder)
    return vae_rd.evaluate_run(folder).verdicts["fit"]


def test_a_run_is_judged_again_by_its_history_and_says_the_same(toy):
    """Also by one from before there were standard errors; without any the record stays as it was."""
    config = toy(lr_schedule="constant", max_epochs=6)
    record = vae_rd.fit_model(config)
    verdict = json.loads(json.dumps(record.verdicts["fit"]))
    assert verdict["verdict"] == "still falling"
    assert verdict["falling"]["stderr"] > 0
    line = next(line for line in summary_lines(record, folder_of(config)) if line.startswith("still falling: "))
    assert summary_of(record) | {"fit": "still falling", "fit/text": line} == summary_of(record)
    folder = folder_of(config)
    assert judged_again(folder) == verdict
    rows = [{name: cell for name, cell in row.items() if name not in ERRORS} for row in history(folder)]
    (folder / HISTORY_FILE).write_text(csv_text(list(rows[0]), rows), encoding="utf-8")
    record = RunRecord.read(folder)
    record.files = {}
    record.write(folder)
    assert judged_again(folder)["verdict"] == "still falling"
    (folder / HISTORY_FILE).unlink()
    assert judged_again(folder) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "verdict"),
    [
        ({"latent_dim": 2, "max_epochs": 60}, "underfitting"),
        ({"hidden": [2], "max_epochs": 30}, "underfitting"),
        ({"lr": 0.1, "lr_schedule": "constant", "max_epochs": 30}, "KL unstable"),
    ],
)
def test_fits_of_digits_made_to_do_each(flags, verdict, tmp_path):
    known = {"data": "digits", "binarization": "threshold", "wandb": "off", "run_dir": str(tmp_path)}
    record = vae_rd.fit_model(vae_rd.FitConfig(**known | flags))
    assert record.verdicts["fit"]["verdict"] == verdict
