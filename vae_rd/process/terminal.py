"""Output that nobody takes any more: a command goes on without it, since what it found lies in files.

`... | head -1` closes the pipe (EPIPE), a terminal goes away (EIO), a disk that output is sent to fills up (ENOSPC).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO


class LastingStream:
    """A text stream that drops what the system refuses to take, where others raise.

    A character that its encoding lacks is written as its escape.

    Attributes:
        stream: the one that is written to.
        fault: the first refusal; None as long as all has been taken.

    Example:
        >>> with open("/dev/full", "w") as full:
        ...     stream = LastingStream(full)
        ...     print("a line", file=stream, flush=True)
        ...     discard(stream)
        >>> stream.fault.strerror
        'No space left on device'
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.fault: OSError | None = None

    def write(self, text: str) -> int:
        """Write what can be written; the length of the text in any case."""
        with self._lasting():
            try:
                self.stream.write(text)
            except UnicodeEncodeError as error:
                self.stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """`write` of each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what is buffered, if it is taken."""
        with self._lasting():
            self.stream.flush()

    @contextmanager
    def _lasting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.fault = self.fault or error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def lasting_output() -> Iterator[Sequence[LastingStream]]:
    """Make sys.stdout and sys.stderr streams that last within the block, and give them.

    One that was closed before Python began is none, and takes nothing.
    """
    with contextlib.ExitStack() as stack:
        found = []
        for name in ("stdout", "stderr"):
            before = getattr(sys, name)
            made = LastingStream(before or stack.enter_context(open(os.devnull, "w")))  # noqa: PTH123
            setattr(sys, name, made)
            stack.callback(_restore, name, made, before)
            found.append(made)
        yield found


def _restore(name: str, made: LastingStream, before: TextIO | None) -> None:
    if getattr(sys, name) is made:
        setattr(sys, name, before)


def discard(stream: LastingStream) -> None:
    """Send what a stream that refuses still holds to nowhere: the interpreter tries to write it as it exits, and fails.

    Nothing is done to a stream that has taken all, or that is no file of the system.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if stream.fault is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            stream.stream.flush()
