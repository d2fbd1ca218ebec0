"""What may happen to a fit: each function lets one fit run into one fault, and says what was wrong with its end.

The fit need not have reached its end then; the same command must take it there.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from torch import Tensor

from breaking.forks import ForkedFit
from breaking.runs import FIT, RUN, Bench, ended, status_of
from vae_rd.model.terms import Terms
from vae_rd.objectives.beta import BetaObjective
from vae_rd.training import wandb_runs

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
from helpers.wandb_server import WandbServer

Fault = Callable[[Bench, Path, list[str]], Iterator[str]]
BAD_STEP = 21
SMALL_FILE = 100_000  # Bytes: history and record fit, no checkpoint does.


def none(bench: Bench, folder: Path, argv: list[str]) -> Iterator[str]:
    """Nothing happens."""
    yield from wrong_end(ForkedFit(argv, folder), {0})


def killed(bench: Bench, folder: Path, argv: list[str]) -> Iterator[str]:
    """SIGKILL."""
    yield from signalled(bench, folder, argv, signum=signal.SIGKILL, codes={0, -signal.SIGKILL})


def stopped(bench: Bench, folder: Path, argv: list[str], *, signum: signal.Signals) -> Iterator[str]:
    """A signal that asks the fit to end; the record must say so."""
    yield from signalled(bench, folder, argv, signum=signum, codes={0, 128 + signum})
    if (status := status_of(folder)) not in (None, "interrupted", "finished"):
        yield f"after {signum.name} the record says {status}"


def disk_full(bench: Bench, folder: Path, argv: list[str]) -> Iterator[str]:
    """From a random moment on no checkpoint can be written."""
    fit = ForkedFit(argv, folder)
    time.sleep(bench.moment())
    fit.fill_disk(SMALL_FILE)
    yield from wrong_end(fit, {0, 1})


def infinite_loss(bench: Bench, folder: Path, argv: list[str]) -> Iterator[str]:
    """A loss is infinite once, as after a bit flip."""
    fit = ForkedFit(argv, folder, prelude=poison)
    yield from wrong_end(fit, {1})
    if status_of(folder) != "failed" or f"step {BAD_STEP}" not in fit.printed:
        yield f"record {status_of(folder)}, step not named: {fit.printed}"


def server_errors(bench: Bench, folder: Path, argv: list[str]) -> Iterator[str]:
    """The W&B server answers errors from a random moment on."""
    with WandbServer() as server:
        fit = ForkedFit([*FIT, "--wandb=online"], folder, environment=server.environment(), prelude=hurry)
        time.sleep(bench.moment())
        server.fault = "error"
        yield from wrong_end(fit, {0})


def two_at_once(bench: Bench, folder: Path, argv: list[str]) -> Iterator[str]:
    """The same command a second time while the first is at work: it is refused."""
    fit = ForkedFit(argv, folder)
    time.sleep(bench.moment())
    was_running = status_of(folder) == "running" and fit.is_running
    second = ForkedFit(argv, folder)
    code = second.code()
    if was_running and fit.is_running and code != 2:
        yield f"a second fit was let in: {ended(code, second.printed)}"
    yield from wrong_end(fit, {0, 2})


def damaged(bench: Bench, folder: Path, argv: list[str]) -> Iterator[str]:
    """A kill, and the last checkpoint lacks its second half; the first of all has none before it to fall back to."""
    yield from killed(bench, folder, argv)
    last, previous = (folder / RUN / "checkpoints" / name for name in ("last.ckpt", "last.previous.ckpt"))
    if last.is_file() and previous.is_file() and status_of(folder) != "finished":
        last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "none": none,
        "SIGKILL": killed,
        **{signum.name: partial(stopped, signum=signum) for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)},
        "full disk": disk_full,
        "infinite loss": infinite_loss,
        "W&B server errors": server_errors,
        "two at once": two_at_once,
        "damaged last checkpoint": damaged,
    }
)


def signalled(bench: Bench, folder: Path, argv: list[str], *, signum: int, codes: set[int]) -> Iterator[str]:
    """A signal at a random moment."""
    fit = ForkedFit(argv, folder)
    time.sleep(bench.moment())
    fit.send(signum)
    yield from wrong_end(fit, codes)


def wrong_end(fit: ForkedFit, codes: set[int]) -> Iterator[str]:
    """What is wrong with how a fit ends: its exit code, or a traceback."""
    if (code := fit.code()) not in codes or "Traceback" in fit.printed:
        yield ended(code, fit.printed)


def poison() -> None:
    """Make the loss of one step infinite."""
    whole = BetaObjective.forward

    def forward(objective: BetaObjective, terms: Terms, step: int) -> Tensor:
        loss = whole(objective, terms, step)
        return loss + float("inf") if step == BAD_STEP - 1 and objective.training else loss

    BetaObjective.forward = forward  # type: ignore[assignment,method-assign]


def hurry() -> None:
    """Wait less for a W&B server that is broken."""
    wandb_runs.FINISH_SECONDS = 2.0
    wandb_runs.INIT_SECONDS = 2.0
