"""What the README shows in Python runs as it stands."""

import math
import re

import pytest

from helpers.common import ROOT

README = ROOT / "README.md"


def test_the_readme_s_python_runs(tmp_path, monkeypatch, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(block, str(README), "exec"), names)
    shown = capsys.readouterr().out
    assert "'n': 3584, 'resampled': 'z'" in shown
    assert names["q"].mean.shape == (1, 2)
    assert (tmp_path / "runs" / "mine" / "record.json").is_file()


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
