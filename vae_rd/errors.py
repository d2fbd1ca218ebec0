"""The two ways a command ends early on purpose; entry points turn each into one line and an exit code."""

from __future__ import annotations


class InputError(Exception):
    """Bad input: the message says what, where and what to do. Exit code 2, nothing written."""


class Interrupted(BaseException):
    """A signal asked the run to stop. Exit code 128 + signal number, the run stays resumable.

    No Exception, as KeyboardInterrupt is none: whoever handles failures on the way must not take it for one.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.signum = signum
