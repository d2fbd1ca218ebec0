"""The ways a command ends early that it can explain; entry points turn each into one line and an exit code."""

from __future__ import annotations


class InputError(Exception):
    """Bad input: the message says what, where and what to do. Exit code 2, nothing written.

    It is one line whatever input it quotes: line ends and control characters are escaped.

    Example:
        >>> print(InputError("a\\nb.png: not a whole image"))
        a\\nb.png: not a whole image
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in message))


class Diverged(FloatingPointError):
    """Training has left the finite numbers: the message says which step and term, and what to change. Exit code 1."""


class OutOfMemory(MemoryError):
    """Memory ran out: the message says which flags to lower. Exit code 1."""


class Interrupted(BaseException):
    """A signal asked the run to stop. Exit code 128 + signal number, the run stays resumable.

    No Exception, as KeyboardInterrupt is none: whoever handles failures on the way must not take it for one.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.signum = signum


class LostProcess(Exception):
    """Another process of the same run failed; the message says which and why."""
