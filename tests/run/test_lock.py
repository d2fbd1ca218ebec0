"""One process at a time in a run: the lock is held, freed however its holder ends, and never a race."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vae_rd import evaluate, fit
from vae_rd.config.cli import parse
from vae_rd.config.fields import FitConfig
from vae_rd.errors import InputError
from vae_rd.run import lock as locks
from vae_rd.run.folder import PREVIOUS, claim
from vae_rd.run.lock import lock_file, locked
from vae_rd.run.record import RunRecord

from helpers.runs import record_of


def test_a_second_process_is_refused_in_one_line_that_names_the_first(tmp_path, holder):
    with pytest.raises(InputError) as refused, locked(tmp_path / "mine"):
        pass
    message = str(refused.value)
    assert message.startswith(f"{tmp_path / 'mine'}: another process (pid {holder.pid} on ")
    assert message.endswith("is working on this run; wait for it or choose another --name")
    assert "\n" not in message


def test_other_runs_of_the_folder_are_free(tmp_path, holder):
    with locked(tmp_path / "other"):
        pass


def test_a_holder_that_ends_leaves_no_file(tmp_path, holder):
    holder.communicate()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_is_free_however_its_holder_dies(tmp_path, holder, signum):
    holder.send_signal(signum)
    holder.wait()
    with locked(tmp_path / "mine"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_within_frees_the_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "mine"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_program_started_within_does_not_inherit_the_lock(tmp_path):
    with locked(tmp_path / "mine"):
        service = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    with service:
        with locked(tmp_path / "mine"):
            pass
        service.communicate(b"\n")


def test_a_lock_file_removed_just_before_it_was_locked_is_none(tmp_path, monkeypatch):
    """A waiter may have opened the file that the holder then unlinks: a lock on that would be nobody's."""
    flock, path = locks.fcntl.flock, lock_file(tmp_path / "mine")
    removals = iter([True, True])

    def after_removal(descriptor: int, operation: int) -> None:
        if next(removals, False):
            path.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(locks.fcntl, "flock", after_removal)
    refused = pytest.raises(InputError, match=f"pid {os.getpid()} on ")
    with locked(tmp_path / "mine"), refused, locked(tmp_path / "mine"):
        pass


def _count(folder: Path, entries: Path, turns: int) -> None:
    while turns:
        try:
            with locked(folder):
                number = int(entries.read_text())  # Two at once would read the same number.
                entries.write_text(str(number + 1))
            turns -= 1
        except InputError:
            continue


def test_no_two_of_many_processes_are_ever_inside_at_once(tmp_path):
    entries, context = tmp_path / "entries", multiprocessing.get_context("fork")
    entries.write_text("0")
    processes = [context.Process(target=_count, args=(tmp_path / "mine", entries, 100)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert entries.read_text() == "400"
    assert [path.name for path in tmp_path.iterdir()] == ["entries"]


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("thesis")
    lock_file(tmp_path / "mine").symlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match="cannot be written beside it"), locked(tmp_path / "mine"):
        pass
    assert (tmp_path / "precious").read_text() == "thesis"


@pytest.mark.parametrize("missing", ["system", "file system"])
def test_without_locks_a_warning_is_all(tmp_path, monkeypatch, capsys, missing):
    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    if missing == "system":
        monkeypatch.setattr(locks, "fcntl", None)
    else:
        monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    with locked(tmp_path / "mine"):
        pass
    shown = capsys.readouterr().err
    assert "no lock" in shown
    assert shown.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_overwrite_removes_nothing_that_another_process_works_on(config, tmp_path, holder):
    with pytest.raises(InputError, match=f"pid {holder.pid} "), claim(config).taken(config):
        pass
    assert (tmp_path / "mine" / "record.json").is_file()


def test_of_two_starters_the_later_finds_out_that_it_is_late(tmp_path):
    config = FitConfig(run_dir=str(tmp_path / "runs"), name="mine")
    first, second = claim(config), claim(config)
    assert first == second
    with first.taken(config) as folder:
        RunRecord("mine", "", {}, {}).write(folder)
    with pytest.raises(InputError, match="this run exists"), second.taken(config):
        pass
    assert (folder / "record.json").is_file()


def test_what_was_decided_on_is_still_there_when_the_lock_is_held(tmp_path):
    config = FitConfig(run_dir=str(tmp_path), name="mine", resume="auto")
    started = claim(config)
    (tmp_path / "mine").mkdir()
    record = record_of(config, "mine")
    record.write(tmp_path / "mine")
    with pytest.raises(InputError, match="has just worked on this run"), started.taken(config):
        pass


@pytest.mark.parametrize("command", [fit.main, evaluate.main])
def test_a_command_on_a_run_at_work_is_one_line_and_exit_2(command, config, tmp_path, holder, capsys):
    toy = ["--run_dir", str(tmp_path), "--name=mine", "--resume=auto", "--hidden=[8]", "--max_steps=1", "--wandb=off"]
    record_of(parse(toy).config, "mine").write(tmp_path / "mine")
    before = sorted(tmp_path.rglob("*"))
    assert command(toy if command is fit.main else [str(tmp_path / "mine")]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"another process (pid {holder.pid} on " in shown.err
    assert shown.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_kill_between_two_moves_of_checkpoints_starts_nothing_afresh(config, tmp_path):
    """The last checkpoint has just become the one before it, and the new one is not there yet."""
    asked = FitConfig(run_dir=str(tmp_path), name="mine", resume="auto")
    record_of(asked, "mine").write(tmp_path / "mine")
    assert claim(asked).action == "start"
    (tmp_path / "mine" / PREVIOUS).touch()
    assert claim(asked).action == "continue"


def test_what_a_killed_writer_left_behind_is_removed(config, tmp_path):
    left = [tmp_path / "mine" / name for name in (".record.json.7.tmp", "checkpoints/last.ckpt.7.tmp")]
    for path in left:
        path.touch()
    asked = FitConfig(run_dir=str(tmp_path), name="mine", resume="auto")
    record_of(asked, "mine").write(tmp_path / "mine")
    (tmp_path / "mine" / PREVIOUS).touch()
    with claim(asked).taken(asked) as folder:
        assert [path for path in left if path.exists()] == []
        assert (folder / PREVIOUS).exists()


def test_what_a_signal_leaves_before_the_first_record_is_no_run(tmp_path):
    config = FitConfig(run_dir=str(tmp_path), name="mine", resume="auto")
    (tmp_path / "mine" / "checkpoints").mkdir(parents=True)
    (tmp_path / "mine" / ".record.json.7.tmp").write_text("{")
    assert claim(config).action == "start"
    (tmp_path / "mine" / "notes.txt").write_text("somebody's")
    with pytest.raises(InputError, match="holds files but no record"):
        claim(config)
