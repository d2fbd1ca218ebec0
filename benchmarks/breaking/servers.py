"""A W&B server on the loopback interface that breaks while fits log to it, and what must have reached it in the end."""

from __future__ import annotations

import csv
import itertools
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from breaking.forks import ForkedFit
from breaking.runs import FIT, RUN, Bench, ended, settled
from vae_rd.training import wandb_runs
from vae_rd.training.history import HistoryWriter

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
from helpers.wandb_server import WandbServer

ONLINE = [*FIT, "--wandb=online"]
EPOCHS = 60
TIMED = [
    *("--n_train=2000", "--hidden=[200]", "--latent_dim=4", "--batch_size=50", f"--max_epochs={EPOCHS}"),
    *("--eval_samples=2", "--name=mine"),
]
CLOCK = "epochs.txt"
Fault = Literal["stopped", "slow", "error", "silence"]
FAULTS: tuple[Fault, ...] = ("stopped", "slow", "error", "silence")


def served_wrongly(history: list[dict[str, Any]], run: Path) -> Iterator[str]:
    """In what the history that a server has of a run is not history.csv, row by row, in order, each row once.

    A finished run has one row more, its point on the chart of all runs.
    """
    history = [line for line in history if "rate_distortion_table" not in line]
    with (run / "history.csv").open() as stream:
        rows = [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(stream)]
    steps, expected = [line["_step"] for line in history], [row["step"] for row in rows]
    if steps != expected:
        yield f"W&B has the steps {steps}, history.csv {expected}"
        return
    for line, row in zip(history, rows, strict=True):
        row["trainer/global_step"], row["train/lr"] = row.pop("step"), row.pop("lr")
        if {name: value for name, value in line.items() if not name.startswith(("_", "plane/"))} != row:
            yield f"W&B has another row at step {line['_step']}"


def tracked_kills(bench: Bench, *, count: int) -> None:
    """Kill online fits over and over: each stays one W&B run on one step axis."""
    done = 0
    while done < count:
        folder, before, code = bench.folder(), done, -signal.SIGKILL
        with WandbServer() as server:
            while code == -signal.SIGKILL:
                fit = ForkedFit(ONLINE, folder, environment=server.environment())
                if done < count:
                    time.sleep(bench.moment())
                    fit.send(signal.SIGKILL)
                code = fit.code()
                done += code == -signal.SIGKILL
            problems = [] if code == 0 else [ended(code, fit.printed)]
            problems += [*bench.wrong_with(folder), *wrong_on(server, folder)]
        for _ in range(done - before):
            bench.tally.add("SIGKILL, W&B online", problems)


def wrong_on(server: WandbServer, folder: Path, *, synced: bool = False) -> Iterator[str]:
    """What is wrong with the one run that a server should know, finished.

    `wandb sync` sends every row once more where some had arrived: then it is the last of a step that counts.
    """
    runs = [run for run in server.runs.values() if run.history]  # A kill before its id was noted leaves an empty one.
    if len(runs) != 1:
        yield f"W&B has the runs {list(server.runs)}"
        return
    if runs[0].exit_code != 0:
        yield f"W&B's exit code is {runs[0].exit_code}"
    history = runs[0].history
    yield from served_wrongly(
        list({line["_step"]: line for line in history}.values()) if synced else history, folder / RUN
    )


def preempted(bench: Bench) -> None:
    """SIGUSR1 in training marks the W&B run as preempting, and the same command goes on with it."""
    folder = bench.folder()
    with WandbServer() as server:
        fit = ForkedFit(ONLINE, folder, environment=server.environment())
        while fit.is_running and not (folder / RUN / "checkpoints" / "last.ckpt").is_file():
            time.sleep(0.01)
        fit.send(signal.SIGUSR1)
        code = fit.code()
        problems = [] if code == 128 + signal.SIGUSR1 else [ended(code, fit.printed)]
        problems += [] if any(run.preempting for run in server.runs.values()) else ["W&B was not told"]
        again = ForkedFit(ONLINE, folder, environment=server.environment())
        problems += [] if again.code() == 0 else [again.printed]
        problems += [*bench.wrong_with(folder), *wrong_on(server, folder)]
    bench.tally.add("SIGUSR1, W&B online", problems)


def broken_servers(bench: Bench, *, repeats: int) -> None:
    """Each fault of a server in the middle of a fit, beside a fit that logs offline."""
    for fault in FAULTS:
        ratios = [slowed_down(bench, fault) for _ in range(repeats)]
        ratio, spread = statistics.median(ratios), max(ratios) - min(ratios)
        print(f"server {fault}: {ratio:.3f} x the epoch of an offline fit (median of {repeats}, range {spread:.3f})")
        bench.tally.add(f"step time, server {fault}", [f"{ratio:.3f} x offline"] if ratio > 1.1 else [])


def slowed_down(bench: Bench, fault: Fault) -> float:
    """How much longer an epoch takes while the server has the fault; the fit must end well and be synced later, whole.

    The fits run at the same time: a shared machine changes its pace within seconds.
    """
    offline, online = bench.folder(), bench.folder()
    with WandbServer() as server:
        beside = ForkedFit([*TIMED, "--wandb=offline"], offline, prelude=prepare)
        fit = ForkedFit([*TIMED, "--wandb=online"], online, environment=server.environment(), prelude=prepare)
        while fit.is_running and len(epochs(online)) < EPOCHS // 4:
            time.sleep(0.01)
        broke = time.monotonic()
        if fault == "stopped":
            server.stop()
        else:
            server.fault = fault
        problems = [ended(code, of.printed) for of in (fit, beside) if (code := of.code()) != 0]
    settled(online)
    bench.tally.add(f"server {fault}, then sync", [*problems, *wrong_after_sync(online, server)])
    return pace(online, since=broke) / pace(offline, since=broke)


def wrong_after_sync(folder: Path, broken: WandbServer) -> Iterator[str]:
    """What W&B lacks once its server has been mended and `wandb sync` has sent what the client left in the folder."""
    parts = [str(path) for path in sorted((folder / RUN / "wandb").glob("*run-*"))]
    with WandbServer() as mended:
        mended.backend.runs |= broken.runs
        environment = {**os.environ, **mended.environment(), "HOME": str(folder)}
        command = [sys.executable, "-m", "wandb", "sync", "--include-online", *parts]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            yield f"wandb sync: {done.stdout} {done.stderr}"
        yield from wrong_on(mended, folder, synced=True)


def prepare() -> None:
    """Write down when each epoch ends, and wait less at the end of a fit for a server that is broken."""
    whole: Any = HistoryWriter.on_train_epoch_end

    def with_clock(*arguments: Any) -> None:
        whole(*arguments)
        with Path(CLOCK).open("a") as stream:
            stream.write(f"{time.monotonic()}\n")

    HistoryWriter.on_train_epoch_end = with_clock  # type: ignore[assignment,method-assign]
    wandb_runs.FINISH_SECONDS = 5.0


def epochs(folder: Path) -> list[float]:
    """When the epochs so far ended, on the clock that all processes of a machine share."""
    path = folder / CLOCK
    return (
        [float(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        if path.is_file()
        else []
    )


def pace(folder: Path, *, since: float) -> float:
    """Median seconds of the epochs that began after a moment."""
    ends = [end for end in epochs(folder) if end > since]
    return statistics.median(end - begin for begin, end in itertools.pairwise(ends))
