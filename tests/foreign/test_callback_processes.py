"""RateDistortionCallback under DDP: two gloo processes have the numbers of one."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vae_rd.run.record import RunRecord

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
import torch
from vae_rd import RateDistortionCallback
from helpers.users import Functional, fitted, functional_terms, loader

class Still(Functional):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.0)

processes, folder = int(sys.argv[1]), sys.argv[2]
rd = RateDistortionCallback(functional_terms, folder=folder, train_examples=100)
several = {"devices": processes, "strategy": "ddp"} if processes > 1 else {"devices": 1}
# 621 examples: the sampler of two processes repeats one, in the second of two chunks of noise.
fitted(Still(), rd, epochs=2, loaders=[loader(256, 0), loader(621, 1)], **several)
"""


def test_two_processes_have_the_numbers_of_one_to_the_last_bit(tmp_path: Path) -> None:
    script = tmp_path / "fit.py"
    script.write_text(SCRIPT, encoding="utf-8")
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    rows, records = [], []
    for processes in (1, 2):
        folder = tmp_path / f"of{processes}"
        subprocess.run([sys.executable, script, str(processes), folder], env=environment, check=True, timeout=300)
        with (folder / "history.csv").open(newline="", encoding="utf-8") as stream:
            rows.append([{k: v for k, v in row.items() if k != "step"} for row in csv.DictReader(stream)])
        records.append(RunRecord.read(folder))
    assert rows[0] == rows[1]
    assert records[0].metrics == records[1].metrics
    assert records[0].data == records[1].data
    assert records[0].metrics["val"]["distortion"]["n"] == 621
