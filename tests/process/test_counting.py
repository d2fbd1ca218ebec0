"""Loops that can take long show a bar on a terminal, where a command asks for it, and nothing elsewhere."""

import io

import pytest
import rich.console

from vae_rd.process import counting
from vae_rd.process.counting import bars, counted


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    """What a terminal gets."""
    shown, console = io.StringIO(), rich.console.Console
    monkeypatch.setattr(rich.console, "Console", lambda: console(file=shown, force_terminal=True))
    monkeypatch.setattr(counting, "WITHOUT", -1.0)
    return shown


def test_a_command_shows_a_bar_on_a_terminal(terminal):
    with bars(shown=True):
        assert list(counted(3, "drawing 2 images")) == [0, 1, 2]
    assert "drawing 2 images" in terminal.getvalue()


def test_a_loop_that_is_left_early_leaves_no_bar(terminal):
    with bars(shown=True):
        for _ in counted(3, "drawing"):
            break
        assert list(counted(2, "more")) == [0, 1]


@pytest.mark.parametrize("shown", [True, False])
def test_elsewhere_nothing_is_shown(shown, capfd):
    with bars(shown=shown):
        assert list(counted(3, "drawing")) == [0, 1, 2]
    assert list(counted(2, "drawing")) == [0, 1]
    assert capfd.readouterr() == ("", "")


def test_no_bar_where_no_command_runs(terminal):
    assert list(counted(3, "drawing")) == [0, 1, 2]
    assert terminal.getvalue() == ""
