"""What the README shows in Python runs as it stands."""

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


def test_the_readme_s_python_runs(tmp_path, monkeypatch, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(block, str(README), "exec"), names)
    shown = capsys.readouterr().out
    assert "'n': 3584, 'resampled': 'z'" in shown
    assert names["q"].mean.shape == (1, 2)
    assert (tmp_path / "runs" / "mine" / "record.json").is_file()


@pytest.mark.parametrize("marker", ["<!-- begin: python benchmarks/sprites.py --readme -->", "<!-- end -->"])
def test_the_table_of_the_sprites_benchmark_has_its_place(marker):
    assert README.read_text(encoding="utf-8").count(marker) == 1
