"""Kills and signals at random moments of a fit, each time resumed by the same command: nothing may be lost.

    OMP_NUM_THREADS=1 python benchmarks/kills.py [--kills 30] [--signals 20] [--seed 0]

Fits of the embedded source are killed (SIGKILL) over and over until one gets to its end: at random moments, while a
checkpoint is being written, and with TMPDIR on another file system. Then SIGTERM, SIGINT and SIGUSR1 come at random
moments, to fits that are forked with all imports done and to `python -m vae_rd.fit` from the start of the interpreter.
Afterwards history.csv, both checkpoints and the record's metrics must be those of a fit that nothing happened to, bit
for bit, and no other file may be left. Ends with 1 where one is not.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from breaking.forks import ForkedFit
from breaking.runs import FIT, RUN, Bench, ended, status_of
from breaking.servers import broken_servers, preempted, tracked_kills

ARGV = [*FIT, "--wandb=off"]
OTHER_FILE_SYSTEM = Path("/dev/shm")  # Memory, on Linux.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
REAL_SECONDS = (
    0.05,
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    4.0,
    6.0,
    8.0,
)  # From the interpreter's start through torch's to the fit.

Moment = Callable[[ForkedFit, Bench], None]


def anywhere(fit: ForkedFit, bench: Bench) -> None:
    """Wait for a random moment of the fit."""
    time.sleep(bench.moment())


def in_checkpoint(fit: ForkedFit, bench: Bench) -> None:
    """Wait until a checkpoint is being written, one of the next few."""
    checkpoints = fit.output.parent / RUN / "checkpoints"
    for number in range(bench.moments.randint(1, 5)):
        if number:
            time.sleep(bench.seconds / 40)
        while fit.is_running and not list(checkpoints.glob("*.tmp")):
            pass
    time.sleep(bench.moments.uniform(0, 0.005))


def kills(bench: Bench, fault: str, moment: Moment, *, count: int, environment: dict[str, str] | None = None) -> None:
    """Kill fits, each over and over until it gets to its end or `count` is reached."""
    done = 0
    while done < count:
        folder, before, code = bench.folder(), done, -signal.SIGKILL
        while code == -signal.SIGKILL:
            fit = ForkedFit(ARGV, folder, environment=environment)
            if done < count:
                moment(fit, bench)
                fit.send(signal.SIGKILL)
            code = fit.code()
            done += code == -signal.SIGKILL
        problems = list(bench.wrong_with(folder)) if code == 0 else [ended(code, fit.printed)]
        for _ in range(done - before):
            bench.tally.add(fault, problems)


def after_signal(folder: Path, signum: int, code: int, printed: str) -> Iterator[str]:
    """What is wrong with a fit that was sent a signal: its exit code, its lines, its record."""
    if code not in (128 + signum, 0) or "Traceback" in printed:
        yield ended(code, printed)
    status = status_of(folder)
    if status not in ((None, "interrupted", "finished") if code else ("finished",)):
        yield f"exit code {code}, record {status}"


def forked_signals(bench: Bench, *, count: int) -> None:
    """Each signal at `count` random moments of fits whose imports are done."""
    for signum in SIGNALS:
        while len(bench.tally.problems[signum.name]) < count:
            folder = bench.folder()
            fit = ForkedFit(ARGV, folder)
            anywhere(fit, bench)
            if fit.send(signum):
                problems = [*after_signal(folder, signum, fit.code(), fit.printed), *bench.resumed(folder, ARGV)]
                bench.tally.add(signum.name, problems)


def real_signals(bench: Bench) -> None:
    """Each signal in turn, to whole commands from the start of the interpreter on."""
    for number, seconds in enumerate(REAL_SECONDS):
        signum, folder = SIGNALS[number % len(SIGNALS)], bench.folder()
        command = [sys.executable, "-m", "vae_rd.fit", *ARGV]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(seconds)
        process.send_signal(signum)
        printed, _ = process.communicate(timeout=120)
        # Until our handlers stand the signal itself ends the process, which a shell shows as 128 + signum, too.
        code = 128 - process.returncode if process.returncode < 0 else process.returncode
        problems = [*after_signal(folder, signum, code, printed), *bench.resumed(folder, ARGV)]
        bench.tally.add(f"{signum.name} {seconds:g} s into python -m", problems)


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--signals", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as top, tempfile.TemporaryDirectory(dir=OTHER_FILE_SYSTEM) as elsewhere:
        bench = Bench.set_up(Path(top), seed=options.seed)
        kills(bench, "SIGKILL", anywhere, count=options.kills)
        kills(bench, "SIGKILL in a checkpoint", in_checkpoint, count=options.kills)
        kills(bench, "SIGKILL, TMPDIR elsewhere", anywhere, count=options.kills, environment={"TMPDIR": elsewhere})
        if left := [path.name for path in Path(elsewhere).iterdir()]:
            bench.tally.add("TMPDIR afterwards", [f"{elsewhere} holds {left}"])
        forked_signals(bench, count=options.signals)
        real_signals(bench)
        tracked_kills(bench, count=options.kills)
        preempted(bench)
        broken_servers(bench, repeats=options.repeats)
    return bench.tally.report()


if __name__ == "__main__":
    sys.exit(main())
