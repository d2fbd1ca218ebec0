"""Fits in processes that start at once: forked from one that has already imported all that a fit imports.

A `python -m vae_rd.fit` of its own spends five seconds on imports, in which nothing of ours can break.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["vae_rd.fit", "vae_rd.experiment.fitting", "wandb"])
LIMIT_SECONDS = 120.0  # No fit of a benchmark takes a tenth of it: one that does hangs.
OUTPUT = "output.txt"

Prelude = Callable[[], None]


class ForkedFit:
    """One `python -m vae_rd.fit`, running in a folder; what it prints is appended to `output.txt` there.

    Args:
        argv: the command's arguments.
        folder: the working directory.
        environment: variables beside those of this process.
        prelude: called first in the new process, to put a fault in; a function of a module.
    """

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        prelude: Prelude | None = None,
    ) -> None:
        self.output = folder / OUTPUT
        self._printed_before = len(self._output_text())
        ready, entered = CONTEXT.Pipe(duplex=False)
        arguments = (list(argv), folder, dict(environment or {}), prelude, entered)
        self.process = CONTEXT.Process(target=_run, args=arguments)
        self.process.start()
        entered.close()
        ready.recv()
        ready.close()
        self.began = time.monotonic()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.is_alive()

    @property
    def printed(self) -> str:
        """What it has printed, both streams."""
        return self._output_text()[self._printed_before :]

    def send(self, signum: int) -> bool:
        """Send a signal; False where the fit had ended."""
        if self.is_running and self.process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signum)
                return True
        return False

    def fill_disk(self, largest: int) -> bool:
        """From now on no file of it may grow beyond `largest` bytes; False where the fit had ended."""
        if self.is_running and self.process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (largest, largest))
                return True
        return False

    def code(self) -> int:
        """Wait for the end; the exit code, or less than 0 for a signal.

        Raises:
            TimeoutError: when it hangs.
        """
        self.process.join(LIMIT_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise TimeoutError(f"a fit hung; it printed: {self.printed}")
        return self.process.exitcode

    def _output_text(self) -> str:
        return self.output.read_text(encoding="utf-8") if self.output.is_file() else ""


def _run(
    argv: list[str], folder: Path, environment: dict[str, str], prelude: Prelude | None, entered: Connection
) -> None:
    """What the new process does: the command, with its streams in a file."""
    os.chdir(folder)
    os.environ.update(environment)
    tempfile.tempdir = None  # TMPDIR may have changed.
    with open(OUTPUT, "a", encoding="utf-8") as stream:  # noqa: PTH123
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    entered.send(None)
    if prelude is not None:
        prelude()
    from vae_rd.fit import main

    code = main(argv)
    _close_client()
    sys.exit(code)


def _close_client() -> None:
    """What W&B does at a process's exit; multiprocessing leaves exit handlers out."""
    with contextlib.suppress(Exception):
        import wandb

        wandb.teardown()
