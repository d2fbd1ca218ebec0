"""Where output goes nowhere: the work is done all the same, text that was all one asked for is not silently lost."""

import contextlib
import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vae_rd
from vae_rd import evaluate, fit, sweep
from vae_rd.experiment import build
from vae_rd.process.command import Text, run_command
from vae_rd.process.signals import SignalGuard
from vae_rd.process.terminal import LastingStream, lasting_output
from vae_rd.run.record import RunRecord

from helpers.common import ROOT, TOY

FIT = [*TOY, "--max_epochs=2", "--name=mine"]
WORDS = " ".join(FIT).replace("[", "'[").replace("]", "]'")  # As a shell takes them.
FULL = "standard output takes nothing more (No space left on device)"


@contextlib.contextmanager
def sink(kind: str):
    """A stream of one line's buffer that takes nothing: of a pipe without a reader, a full disk, a lost terminal."""
    if kind == "pipe":
        reader, writer = os.pipe()
        os.close(reader)
    elif kind == "full":
        writer = os.open("/dev/full", os.O_WRONLY)
    else:
        terminal, writer = os.openpty()
        os.close(terminal)
    stream = io.TextIOWrapper(os.fdopen(writer, "wb"), encoding="utf-8")
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):
            stream.close()


ERRNO = {"pipe": errno.EPIPE, "full": errno.ENOSPC, "terminal": errno.EIO}


@pytest.mark.parametrize("kind", ERRNO)
def test_a_stream_drops_what_is_refused_and_remembers_why(kind):
    with sink(kind) as stream:
        lasting = LastingStream(stream)
        for _ in range(3):
            print("a line", file=lasting, flush=True)
        lasting.writelines(["another", "\n"])
        assert lasting.fault.errno == ERRNO[kind]
        assert lasting.encoding == "utf-8"


def test_a_character_that_the_encoding_lacks_is_escaped():
    buffer = io.BytesIO()
    lasting = LastingStream(io.TextIOWrapper(buffer, encoding="ascii"))
    print("D 1.0 ± 0.1", file=lasting, flush=True)
    assert buffer.getvalue() == b"D 1.0 \\xb1 0.1\n"
    assert lasting.fault is None


def test_the_streams_are_the_old_ones_afterwards_unless_someone_has_put_others_there(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)  # As where it was closed before Python began.
    with lasting_output():
        print("to nobody")
        sys.stderr = another = io.StringIO()
    assert sys.stdout is None
    assert sys.stderr is another


@pytest.mark.parametrize("kind", ["pipe", *(pytest.param(k, marks=pytest.mark.slow) for k in ("full", "terminal"))])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_fit_goes_on_without_its_output(kind, stream, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for command in (lambda: fit.main(FIT), lambda: evaluate.main(["runs/mine"])):
        with sink(kind) as broken, monkeypatch.context() as patched:
            patched.setattr(sys, stream, broken)
            assert command() == 0
    records = [RunRecord.read(tmp_path / "runs/mine")]
    shown = capfd.readouterr()
    assert shown.err.count("\n") == (2 if (stream, kind) in (("stdout", "full"), ("stdout", "terminal")) else 0)
    assert fit.main([*FIT[:-1], "--name=whole"]) == 0
    records.append(RunRecord.read(tmp_path / "runs/whole"))
    assert records[0].status == "finished"
    assert records[0].metrics == records[1].metrics


def test_a_fit_from_python_goes_on_and_leaves_the_streams_alone(toy, monkeypatch):
    config = toy(name="mine", max_epochs=2)
    with sink("pipe") as broken, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", broken)
        assert vae_rd.fit_model(config).status == "finished"
        assert sys.stdout is broken
        with pytest.raises(BrokenPipeError):  # What the user's own script prints is the script's affair.
            print("x", flush=True)


COMMANDS = {
    "fit --help": (fit.main, ["--help"]),
    "fit --version": (fit.main, ["--version"]),
    "fit --print_config": (fit.main, ["--print_config"]),
    "evaluate --help": (evaluate.main, ["--help"]),
    "sweep --help": (sweep.main, ["--help"]),
    "sweep --dry_run": (sweep.main, [str(ROOT / "sweeps/beta.yaml"), "--dry_run"]),
}


@pytest.mark.parametrize("kind", ERRNO)
@pytest.mark.parametrize("command", COMMANDS)
def test_text_that_is_not_taken_is_a_failure_unless_its_reader_left(command, kind, monkeypatch, capfd):
    main, arguments = COMMANDS[command]
    with sink(kind) as broken, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", broken)
        assert main(arguments) == (0 if kind == "pipe" else 1)
    reason = "" if kind == "pipe" else os.strerror(ERRNO[kind])
    assert capfd.readouterr().err == (
        f"failed: standard output takes nothing more ({reason}); send it elsewhere\n" if reason else ""
    )


def test_text_that_nobody_reads_is_not_made_to_its_end(monkeypatch):
    made = []

    def lines():
        for number in range(1000):
            made.append(number)
            yield "x"

    with sink("pipe") as broken, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", broken)
        assert run_command(lambda: Text(lines()), goes_on="-") == 0
    assert made == [0]


@pytest.mark.parametrize(
    ("flags", "sink", "code", "said"),
    [
        ("--help", "> /dev/full", 1, f"failed: {FULL}; send it elsewhere\n"),
        ("--help", "2> /dev/full | true", 0, ""),
        ("--beta -1", "2> /dev/full", 2, ""),
        ("--beta -1", "> /dev/full 2>&1", 2, ""),
        pytest.param(WORDS, "| head -1 > first", 0, "", marks=pytest.mark.slow),
        pytest.param(WORDS, ">&- 2>&-", 0, "", marks=pytest.mark.slow),
    ],
)
def test_the_interpreter_exits_without_a_word_of_its_own(flags, sink, code, said, tmp_path):
    """Python writes what is left in its buffers as it exits: exit code 120 where that fails."""
    script = f"set -o pipefail; {sys.executable} -m vae_rd.fit {flags} {sink}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (code, said)
    if "head" in sink:
        assert (tmp_path / "first").read_text().startswith("sprites: 3,584 binary images 16 x 16, ")
    if "mine" in flags:
        assert RunRecord.read(tmp_path / "runs/mine").status == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("ignored", [False, True])
def test_the_end_of_the_terminal_is_a_signal_unless_nohup_keeps_it_away(ignored):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        with SignalGuard() as guard:
            guard.hold()
            signal.raise_signal(signal.SIGHUP)
            assert guard.received == (None if ignored else signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


SWEEP = """
command: ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"]
method: grid
parameters:
  beta: {values: [1.0, 4.0]}
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["reader leaves", "terminal ends"])
def test_a_sweep_without_its_terminal(way, tmp_path):
    """The end of a terminal comes to its whole foreground group: the launcher, and the server that forks the fits."""
    (tmp_path / "two.yaml").write_text(SWEEP)
    ends = way == "terminal ends"
    words = [sys.executable, "-m", "vae_rd.sweep", "two.yaml", *TOY, f"--max_epochs={4000 if ends else 2}", "--jobs=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        words,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    if ends:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("runs/two/*/checkpoints/last.ckpt"))) < 2:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGHUP)
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait(60) == (129 if ends else 0), said
    assert said.startswith("interrupted by signal 1; " if ends else "")
    assert said.count("\n") == ends
    records = [RunRecord.read(path.parent) for path in (tmp_path / "runs/two").glob("*/record.json")]
    expected = ("interrupted", signal.SIGHUP) if ends else ("finished", None)
    assert [(record.status, record.stopped_by) for record in records] == [expected] * 2


def exit_from_afar(module, inputs):
    if inputs[0].shape[1] > 2:  # Not when it is tried with two examples, before anything is written.
        raise SystemExit(3)


def test_a_network_that_ends_the_program_leaves_no_run_that_runs(toy):
    """No Exception: it passes whoever handles failures."""
    config = toy(name="mine")
    model = build.build_model(config, build.build_data(config).card)
    model.decoder.register_forward_pre_hook(exit_from_afar)
    with pytest.raises(SystemExit):
        vae_rd.fit_model(config, model=model)
    record = RunRecord.read(Path(config.run_dir) / "mine")
    assert (record.status, record.error) == ("failed", "SystemExit: 3")
