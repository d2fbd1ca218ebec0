"""What the README and its pages show in Python runs as it stands."""

import math
import re
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from vae_rd.run.record import RunRecord

from helpers.common import ROOT

README = ROOT / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)


class Strange(nn.Module):
    """A reader's network."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.dec = nn.Linear(16, 4), nn.Linear(2, 16)

    def encode(self, x):
        mu, log_var = self.enc(x.flatten(1)).chunk(2, 1)
        return mu, (0.5 * log_var).exp()

    def decode(self, z):
        return self.dec(z).view(-1, 1, 4, 4)


def test_the_lines_for_a_reader_s_own_model_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x = (torch.rand(60, 1, 4, 4) < 0.5).float()
    exec(
        compile(BLOCKS[0], str(README), "exec"), {"net": Strange(), "test_loader": DataLoader(TensorDataset(x, x), 20)}
    )
    assert "of 2 units active" in capsys.readouterr().out
    assert RunRecord.read(tmp_path / "runs" / "mine").metrics["test"]["distortion"]["n"] == 60


def test_the_readme_s_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(BLOCKS[1], str(README), "exec"), names)
    shown = capsys.readouterr().out
    assert "'n': 3584, 'resampled': 'z'" in shown
    assert names["q"].mean.shape == (1, 2)
    assert (tmp_path / "runs" / "my_vae" / "record.json").is_file()


def test_the_lines_for_a_reader_s_own_trainer_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "your_trainer.md"
    (block,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    names: dict[str, Any] = {}
    exec(compile(block, str(page), "exec"), names)
    assert sum(len(part["mu"]) for part in names["found"]) == 512
    assert re.search(r"^tensor\(\S+\) tensor\(\S+\)$", capsys.readouterr().out, re.M)


@pytest.mark.parametrize(("data", "entropy", "last"), [("sprites", math.log(3584), "1000"), ("digits", 7.443336, "30")])
def test_the_table_of_the_bounds_is_whole(data, entropy, last):
    text = README.read_text(encoding="utf-8")
    (block,) = re.findall(rf"<!-- begin: python benchmarks/{data}.py --readme -->\n(.*?)<!-- end -->", text, re.DOTALL)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines() if line.startswith("|")][2:]
    assert len(rows) == 7
    for _, distortion, rate, below, information, *_ in rows:
        d, i, error = float(distortion.split()[0]), float(information.split()[0]), float(information.split()[2])
        assert float(below) == pytest.approx(max(0.0, entropy - d), abs=1e-4)
        assert float(below) - 4 * error <= i + 1e-4 <= float(rate) + 4 * error + 2e-4
    assert rows[-1][0] == last
    assert rows[-1][-1] == "yes"
