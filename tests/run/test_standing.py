"""How it stands with a run: of a record that says "running", its lock knows whether that is so."""

import socket
import threading
from pathlib import Path

import pytest

from vae_rd import evaluate
from vae_rd.errors import InputError
from vae_rd.experiment.loading import open_run
from vae_rd.run import lock as locks
from vae_rd.run.lock import lock_file, locked
from vae_rd.run.record import RunRecord

LEFT_BEHIND = {
    "no lock": (None, "was killed"),
    "a free lock of this machine": (f"pid 7 on {socket.gethostname()}", "was killed"),
    "a free lock, killed before it said whose": ("", "was killed"),
    "a free lock of another machine, which may not see ours": ("pid 7 on elsewhere", "is running or was killed"),
}


@pytest.mark.parametrize("case", LEFT_BEHIND)
def test_a_record_that_says_running_with_a_free_lock_is_of_a_killed_run(tmp_path, case):
    left, words = LEFT_BEHIND[case]
    if left is not None:
        lock_file(tmp_path / "mine").write_text(left)
    record = RunRecord("mine", "", {}, {})
    assert record.standing(tmp_path / "mine") == words
    assert record.status == "running", "the record stays as it is"
    assert lock_file(tmp_path / "mine").exists() == (left is not None), "and so does the lock"


def test_a_record_that_says_running_under_a_held_lock_is_of_a_run_at_work(tmp_path, holder):
    record = RunRecord("mine", "", {}, {})
    here = socket.gethostname()
    assert record.standing(tmp_path / "mine") == f"is running in another process (pid {holder.pid} on {here})"
    holder.kill()
    holder.wait()
    assert record.standing(tmp_path / "mine") == "was killed"
    record.status = "interrupted"
    assert record.standing(tmp_path / "mine") == "was interrupted"


@pytest.mark.parametrize("missing", ["system", "file system", "permission"])
def test_where_locks_cannot_be_asked_nothing_is_claimed(tmp_path, monkeypatch, missing):
    lock_file(tmp_path / "mine").touch()

    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    if missing == "system":
        monkeypatch.setattr(locks, "fcntl", None)
    elif missing == "file system":
        monkeypatch.setattr(locks.fcntl, "flock", refuse)
    else:
        monkeypatch.setattr(Path, "open", lambda *_: refuse())
    assert RunRecord("mine", "", {}, {}).standing(tmp_path / "mine") == "is running or was killed"


def test_a_look_at_a_lock_refuses_nobody(tmp_path):
    """A look takes a moment's shared lock; whoever starts in that moment tries again."""
    lock_file(tmp_path / "mine").touch()
    with lock_file(tmp_path / "mine").open("rb") as looked_at:
        locks.fcntl.flock(looked_at, locks.fcntl.LOCK_SH)
        end = threading.Timer(0.05, lambda: locks.fcntl.flock(looked_at, locks.fcntl.LOCK_UN))
        end.start()
        with locked(tmp_path / "mine"):
            pass
        end.join()


def test_a_killed_run_is_said_to_be_one_where_it_is_opened(config, tmp_path, capsys):
    """And to be at work while it is."""
    assert evaluate.main([str(tmp_path / "mine")]) == 2
    refused = f"error: {tmp_path / 'mine'}: this run was killed; finish it with --resume auto\n"
    assert capsys.readouterr().err == refused
    with locked(tmp_path / "mine"), pytest.raises(InputError, match=r"is running in another .*; wait for its end$"):
        open_run(tmp_path / "mine")
