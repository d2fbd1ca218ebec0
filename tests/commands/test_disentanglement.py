"""`python -m vae_rd.evaluate RUN --disentanglement`: its table in the record, whose codes meet whose labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from vae_rd import evaluate, fit
from vae_rd.data.base import EVAL_CHUNK
from vae_rd.estimates import disentanglement as estimates
from vae_rd.estimates.base import Settings
from vae_rd.estimators import disentanglement as estimators
from vae_rd.experiment.loading import open_run
from vae_rd.run.record import RunRecord

from helpers.common import TOY

SCORES = {"mig", "sap", "modularity", "factor_vae", "disentanglement", "completeness", "informativeness"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    for owner, name, few in ((estimates, "REPEATS", 2), (estimators, "VOTES", 60), (estimators, "TREES", 3)):
        monkeypatch.setattr(owner, name, few)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    assert fit.main([*TOY[1:], "--max_steps=5", f"--run_dir={folder}", "--name=run"]) == 0
    return folder / "run"


def entry_of(folder: Path) -> dict[str, Any]:
    (entry,) = [e for e in RunRecord.read(folder).estimates if e["kind"] == "disentanglement"]
    return entry


def test_all_scores_of_the_mean_and_of_a_draw_join_the_record(run, capsys):
    assert evaluate.main([str(run), "--disentanglement", "--examples=700"]) == 0
    entry = entry_of(run)
    assert [row["features"] for row in entry["table"]] == ["mean", "draw"]
    for row in entry["table"]:
        assert set(row) - {"features"} == SCORES
        for name in SCORES:
            assert 0 <= row[name]["value"] <= 1
            assert row[name]["stderr"] >= 0
            assert row[name]["n"] == 700
    assert entry["value"] == entry["table"][0]["mig"]["value"]
    assert entry["factors"] == ["rotation", "scale", "shape", "x", "y"]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 + len(SCORES)
    assert f"{entry['value']:.4f} ± {entry['stderr']:.4f}" in next(line for line in lines if "MIG" in line)


def test_codes_that_are_the_labels_are_perfect_whatever_the_order_of_the_file(run, monkeypatch):
    """The first factor varies slowest in the file, so that one half of it would lack the classes of the other."""
    opened, parts = open_run(run), []

    def labels_of(run, x, noise):
        columns = run.data.labels["test"]
        first = EVAL_CHUNK * len(parts)
        parts.append(len(x))
        rows = np.stack([columns[name][first : first + len(x)] for name in sorted(columns)], 1)
        return {"mean": torch.from_numpy(rows).double()}

    monkeypatch.setattr(estimates, "codes", labels_of)
    (row,) = estimates.disentanglement(opened, Settings())["table"]
    assert sum(parts) == 3584
    for name in ("disentanglement", "informativeness"):
        assert row[name]["value"] > 0.97
    # Shape and rotation depend on each other, a square having two rotations, so that the second unit says something.
    of = [opened.data.labels["test"][name] for name in sorted(opened.data.labels["test"])]
    shared = np.array([[mutual_info_score(a, b) for a in of] for b in of])
    best = np.sort(shared, 0)
    assert row["mig"]["value"] == pytest.approx(((best[-1] - best[-2]) / best[-1]).mean(), abs=1e-9)
