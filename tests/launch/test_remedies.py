"""Every refusal of a sweep file says what to do, and whoever does it is not refused again: a part of tests/walk."""

import pytest

from vae_rd.errors import InputError

from walk.sweep_files import STEPS


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_the_remedy_helps(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    step = STEPS[number]
    step.before()
    with pytest.raises(InputError) as line:
        step.refused()
    assert step.says in str(line.value)
    for remedied in step.remedies:
        remedied()
