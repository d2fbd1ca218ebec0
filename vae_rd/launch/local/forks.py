"""Fits in processes that start at once, forked from a server that has imported all that a fit imports.

A `python -m vae_rd.fit` of its own spends three seconds on imports. What runs in the fork is that command: its exit
code, its output, its record.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from vae_rd.process.signals import heard

# A server that forks needs POSIX; elsewhere every fit pays for its imports.
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
CONTEXT: Any = multiprocessing.get_context(METHOD)
IMPORTED = ("vae_rd.experiment.preloaded", "vae_rd.fit", "omegaconf")
NVML = "PYTORCH_NVML_BASED_CUDA_CHECK"  # Asking whether there is a GPU must not open CUDA in a process that forks.


@contextlib.contextmanager
def server(environment: Mapping[str, str], *, tracked: bool) -> Iterator[None]:
    """Have a process that fits are forked from within the block; the first fit waits for its imports.

    Args:
        environment: of the server, hence of all its fits; OpenMP reads its number of threads once.
        tracked: whether fits will need the W&B client as well.
    """
    # Should the server die, the next fit starts another one: of this environment, so it stays for the whole block.
    own = dict(os.environ)
    os.environ.update({NVML: "1", **environment})
    try:
        if METHOD == "forkserver":
            CONTEXT.set_forkserver_preload([*IMPORTED, *(["wandb"] if tracked else [])])
            _start_server()
        yield
    finally:
        os.environ.clear()
        os.environ.update(own)


def _start_server() -> None:
    """A terminal's Ctrl-C and its end come to the server too: it ignores them from its first moment, imports too."""
    from multiprocessing import forkserver

    own = {signum: signal.signal(signum, signal.SIG_IGN) for signum in (signal.SIGINT, signal.SIGHUP)}
    try:
        forkserver.ensure_running()
    finally:
        for signum, handler in own.items():
            signal.signal(signum, handler)


class ForkedFit:
    """One `python -m vae_rd.fit`, running.

    It has no terminal: Ctrl-C comes to the process that started it, which decides. When that one dies, the fit is
    asked to end as by SIGTERM.

    Args:
        argv: the flags, or what else the work takes.
        log: a file that all it prints is appended to.
        environment: variables beside those of the server.
        work: what is done with `argv` in the new process, and gives its exit code; a fit by default.
    """

    def __init__(
        self,
        argv: Sequence[Any],
        *,
        log: Path,
        environment: Mapping[str, str],
        work: Callable[[list[Any]], int] | None = None,
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        hears = signal.SIGHUP in heard()
        given = (work or run_fit, list(argv), str(log), dict(environment), hears)
        self.process = CONTEXT.Process(target=_begun, args=given)
        self.process.start()

    @property
    def sentinel(self) -> int:
        """What `multiprocessing.connection.wait` takes."""
        return int(self.process.sentinel)

    @property
    def code(self) -> int | None:
        """The exit code, less than 0 for a signal; None while it runs."""
        exitcode: int | None = self.process.exitcode
        return exitcode

    def send(self, signum: int) -> None:
        """Send a signal, unless it has ended."""
        if self.code is None and self.process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signum)


def _begun(
    work: Callable[[list[Any]], int], argv: list[Any], log: str, environment: Mapping[str, str], hears_sighup: bool
) -> None:
    """What the new process does."""
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # The server ignores it, and SIGHUP.
    signal.signal(signal.SIGHUP, signal.SIG_DFL if hears_sighup else signal.SIG_IGN)
    os.environ.update(environment)
    with open(log, "a", encoding="utf-8") as stream:  # noqa: PTH123
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    for written in (sys.stdout, sys.stderr):
        if isinstance(written, io.TextIOWrapper):
            written.reconfigure(encoding="utf-8")  # It is a file now, whatever the terminal's encoding.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    code = work(argv)
    _close_client()
    sys.exit(code)


def run_fit(argv: list[str]) -> int:
    """`python -m vae_rd.fit` with these flags in the process that is there."""
    return as_fit(argv).main(argv)


def as_fit(argv: Sequence[str]) -> Any:
    """The module of that command, which is what this process now is: records hold their command."""
    from vae_rd import fit

    sys.argv, sys.modules["__main__"] = ["fit", *argv], fit
    return fit


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _close_client() -> None:
    """What W&B does at a process's exit, which a fork does not come to."""
    if "wandb" in sys.modules:
        with contextlib.suppress(Exception):
            sys.modules["wandb"].teardown()
