"""Whose turn it is in a pack, by works that train nothing."""

import sys
import threading
import time
from pathlib import Path

from vae_rd.process.signals import SignalGuard
from vae_rd.process.waiting import waiting_for_disk
from vae_rd.training.packed import Pack


def results(*works, **of_each):
    with SignalGuard() as guard:
        return Pack(guard).run(works, **of_each)


def test_others_work_while_a_member_waits_for_the_disk():
    has_worked = threading.Event()

    def waits(seat):
        with waiting_for_disk():
            return has_worked.wait(10)

    assert results(waits, lambda seat: has_worked.set()) == [True, None]


def test_after_a_wait_one_member_works_at_a_time():
    at_work, seen = [], []

    def works(seat):
        for turn in range(20):
            at_work.append(turn)
            time.sleep(0.001)
            seen.append(len(at_work))
            at_work.pop()
            with waiting_for_disk():
                time.sleep(0.0005 * (turn % 4))

    assert results(works, works, works) == [None] * 3
    assert seen == [1] * 60


def test_what_a_wait_raises_is_the_member_s_own():
    full = OSError("no space is left")

    def fails(seat):
        with waiting_for_disk():
            raise full

    assert results(fails, lambda seat: "done", fails) == [full, "done", full]


def test_a_member_s_seconds_have_its_wait_for_the_disk_and_not_that_for_its_turn():
    waited = []

    def waits(seat):
        with waiting_for_disk():
            time.sleep(0.1)
        waited.append(seat.waited)

    results(waits, lambda seat: time.sleep(0.4))
    assert 0.25 < waited[0] < 0.39


def test_at_each_turn_a_member_finds_its_own_command_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", [*sys.argv])

    def reads(seat):
        seen = [sys.argv[1:]]
        with waiting_for_disk():
            pass
        return [*seen, sys.argv[1:], seat.in_main_thread(lambda: sys.argv[1:])]

    words = [["--beta=1"], ["--beta=2", "--seed=1"]]
    assert results(reads, reads, commands=words) == [[own] * 3 for own in words]


def test_a_log_that_takes_nothing_costs_no_member_its_result(tmp_path, capsys):
    (tmp_path / "file").touch()
    logs = [Path("/dev/full"), tmp_path, tmp_path / "file/log", tmp_path / "logs/own"]
    assert results(*[lambda seat: print("a line", flush=True)] * 4, logs=logs) == [None] * 4
    assert logs[-1].read_text() == "a line\n"
    assert capsys.readouterr().out == "a line\n" * 2  # Of logs that are no files.
