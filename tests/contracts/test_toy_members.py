"""A member of each kind from outside the package, as one object and one row, through every command."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from vae_rd.launch.points.sweep_file import COMMAND

from helpers.common import ROOT

SCRIPT = Path(__file__).with_name("toy_members.py")
MEMBERS = {
    "data": "stripes",
    "encoder": "tanh",
    "decoder": "tanh",
    "posterior": "logistic",
    "prior": "laplace",
    "likelihood": "probit",
    "objective": "squared_rate",
    "gradient": "halved",
}
SIZES = {"latent_dim": 2, "batch_size": 8, "max_epochs": 3, "wandb": "off", "lr": 0.02}
FLAGS = [f"--{name}={value}" for name, value in (MEMBERS | SIZES).items()]


def carried_out(folder: Path) -> None:
    """Fit, evaluate, sweep and draw the members in a folder."""
    sweep = {"program": "vae_rd/fit.py", "command": COMMAND, "method": "grid"}
    parameters = {name: {"value": value} for name, value in (MEMBERS | SIZES).items()} | {"seed": {"values": [0, 1]}}
    (folder / "seeds.yaml").write_text(yaml.safe_dump(sweep | {"parameters": parameters}))
    commands = [
        ["fit", *FLAGS, "--name=mine"],
        ["evaluate", "runs/mine", "--norm", "--nll=importance", "--samples=10"],
        ["sweep", "seeds.yaml", "--jobs=1"],
        ["analysis", "scatter", "runs/seeds", "-o", "scatter.png"],
        ["analysis", "plane", "runs/seeds", "-o", "plane.png"],
    ]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), json.dumps(commands)],
        cwd=folder, capture_output=True, text=True, timeout=200, check=False,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout, done.stderr)


def check_record(folder: Path) -> None:
    record = json.loads((folder / "runs/mine/record.json").read_text())
    assert record["status"] == "finished"
    assert {name: record["config"][name] for name in MEMBERS} == MEMBERS
    assert record["identity"].items() >= MEMBERS.items()
    assert record["data"]["entropy"]["test"]["value"] == pytest.approx(2.772589)
    assert record["model"]["slope"] is None
    assert record["model"]["distortion"]["family"] == "probit"
    assert record["verdicts"].keys() == {"collapse", "fit", "training", "busy"}
    test = record["metrics"]["test"]
    assert test["rate"]["value"] == test["rate_monte_carlo"]["value"]  # No closed form.
    assert test["objective"]["value"] is None
    assert test["mutual_information_lower"]["kind"] == "exact"
    assert test["mutual_information_lower"]["value"] < 2.7726


def check_history(folder: Path) -> None:
    with (folder / "runs/mine/history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["steps_seen"]) for row in rows] == [2.0, 4.0, 6.0]
    assert all(row["val/objective"] == "" for row in rows)


def check_estimates(folder: Path) -> None:
    entries = json.loads((folder / "runs/mine/record.json").read_text())["estimates"]
    assert [entry["kind"] for entry in entries] == ["importance", "norm"]
    assert entries[1]["value"] > 0


def check_sweep(folder: Path) -> None:
    records = [json.loads(path.read_text()) for path in (folder / "runs/seeds").glob("*/record.json")]
    assert sorted(record["config"]["seed"] for record in records) == [0, 1]
    assert {record["status"] for record in records} == {"finished"}
    assert (folder / "scatter.png").stat().st_size > 1000
    assert "rate" in (folder / "scatter.csv").read_text()
    assert (folder / "plane.png").stat().st_size > 1000


@pytest.mark.slow
def test_every_kind_of_member_goes_through_every_command(tmp_path):
    carried_out(tmp_path)
    check_record(tmp_path)
    check_history(tmp_path)
    check_estimates(tmp_path)
    check_sweep(tmp_path)
