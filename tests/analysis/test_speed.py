"""How long `python -m analysis` takes, in seconds of its own work, and what it imports."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

from helpers.common import ROOT
from helpers.fake_records import sprites_sweep


def seconds_of(*words):
    """CPU seconds of a command; other work on the machine is not counted."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([sys.executable, "-m", "analysis", *words], cwd=ROOT, check=True, capture_output=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def copies(root, n):
    """A record n times, each with another beta and R."""
    [folder] = sprites_sweep(root / "first", betas=[1.0])
    record = json.loads((folder / "record.json").read_text())
    for i in range(n):
        record["name"], record["model"]["slope"] = f"run{i}", 0.5 + i / n
        record["config"]["seed"] = i
        for metrics in record["metrics"].values():
            metrics["rate"]["value"] = 8.0 - 4 * i / n
            metrics["distortion"]["value"] = 1.0 + 5 * (i / n) ** 2
        (root / "runs" / f"run{i}").mkdir(parents=True)
        (root / "runs" / f"run{i}" / "record.json").write_text(json.dumps(record))
    return str(root / "runs")


def test_help_takes_half_a_second():
    assert seconds_of("--help") < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("n", "most"), [(200, 3.0), (2000, 20.0)])
def test_a_plane_of_many_runs_is_drawn_in_seconds(tmp_path, n, most):
    assert seconds_of("plane", copies(tmp_path, n), "-o", str(tmp_path / "plane.pdf")) < most


def test_drawing_a_plane_imports_neither_torch_nor_scipy(tmp_path):
    sprites_sweep(tmp_path / "runs", betas=[1.0])
    words = ["plane", str(tmp_path / "runs"), "-o", str(tmp_path / "plane.png")]
    code = f"import sys; from analysis.__main__ import main; main({words}); "
    code += "print([m for m in ('torch', 'lightning', 'wandb', 'scipy') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
