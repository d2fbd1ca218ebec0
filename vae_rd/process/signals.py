"""Ctrl-C, SIGTERM, SIGUSR1 and SIGHUP as one exception, raised where it is safe: at the end of a step in training."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from vae_rd.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


def heard() -> tuple[signal.Signals, ...]:
    """SIGNALS, without the end of the terminal where `nohup` keeps that away, and what a host of Python has taken."""
    kept_away = {s for s in SIGNALS if signal.getsignal(s) is None}  # Python could not put such a handler back.
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        kept_away.add(signal.SIGHUP)
    return tuple(s for s in SIGNALS if s not in kept_away)


class SignalGuard:
    """While entered, the first of SIGNALS raises `Interrupted`: at once, or when `check` is called after `hold`.

    A second signal always raises at once. A library may swallow what is raised in it and fail later, so that any
    failure after a signal counts as its consequence. Outside the main thread, where Python allows no handlers, the
    guard does nothing.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._holding = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> SignalGuard:
        if threading.current_thread() is threading.main_thread():
            self._previous = {s: signal.signal(s, self._handle) for s in heard()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        if self.received is not None and isinstance(error, Exception):
            raise Interrupted(self.received) from error

    def hold(self) -> None:
        """From now on a signal waits for `check`, whoever has put a handler in front of ours meanwhile.

        Lightning does: its handler of SIGTERM talks to the other processes, which may be waiting for this one.
        """
        self._holding = True
        for signum in self._previous:
            signal.signal(signum, self._handle)

    def release(self) -> None:
        """From now on a signal raises at once."""
        self._holding = False

    def check(self) -> None:
        """Raise `Interrupted` if a signal has come."""
        if self.received is not None:
            self._holding = False
            raise Interrupted(self.received)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        repeated, self.received = self.received is not None, signum
        if repeated or not self._holding:
            raise Interrupted(signum)


class SeatGuard(SignalGuard):
    """The guard of a thread of its own, where no signal raises but at a check.

    Args:
        of: the main thread's, to which signals come.
    """

    def __init__(self, of: SignalGuard) -> None:
        super().__init__()
        self._of = of

    def check(self) -> None:
        """Raise `Interrupted` if a signal has come there."""
        self.received = self._of.received
        super().check()
