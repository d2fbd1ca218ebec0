"""One process at a time works on a run: a lock that the system frees when its process ends, however it ends."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vae_rd.errors import InputError

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]


STARTING = "just started"  # Of a process that holds the lock and has not said yet which it is.
LOOK_SECONDS = 0.2  # More than `holder_of` takes, whose look at a lock must refuse nobody.


def lock_file(folder: Path) -> Path:
    """`<run_dir>/.<name>.lock`: beside the run's folder, which `--overwrite` removes; no run's name has a dot in front.

    Example:
        >>> lock_file(Path("/runs/mine")).as_posix()
        '/runs/.mine.lock'
    """
    whole = folder.resolve()
    return whole.with_name(f".{whole.name}.lock")


@contextmanager
def locked(folder: Path, *, what: str = "run", instead: str = "--name") -> Iterator[None]:
    """Keep every other process from working on a run within the block; the folder need not exist, its parent must.

    Args:
        folder: what is locked.
        what: what lies there, for errors.
        instead: the flag that chooses another one.

    Raises:
        InputError: when another process is at work there, or nothing can be written beside the folder.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as runs, locked(Path(runs) / "mine"):
        ...     lock_file(Path(runs) / "mine").is_file()
        True
    """
    if fcntl is None:
        _warn(folder, "this system has no flock")
        yield
        return
    path = lock_file(folder)
    descriptor = _acquired(path, folder, f"is working on this {what}; wait for it or choose another {instead}")
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, _here().encode())
        yield
    finally:
        path.unlink(missing_ok=True)  # While it is held: whoever opened it before finds out in `_acquired`.
        os.close(descriptor)


def holder_of(folder: Path) -> str | None:
    """Which process is at work on a run, as the lock says; "" for none, None where that cannot be told.

    It cannot where there are no locks, nor where the lock is free here, but was another machine's: not every shared
    file system passes locks on. A holder that ends removes the file, so one that is there and free was left by a kill.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as runs:
        ...     before = holder_of(Path(runs) / "mine")
        ...     with locked(Path(runs) / "mine"):
        ...         before, holder_of(Path(runs) / "mine") == _here()
        ('', True)
    """
    if fcntl is None:
        return None
    try:
        with lock_file(folder).open("rb") as stream:
            holder = stream.read(200).decode(errors="replace")
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return ""
    except BlockingIOError:
        return holder or STARTING
    except OSError:
        return None
    return "" if not holder or holder.endswith(f" on {socket.gethostname()}") else None


def _here() -> str:
    return f"pid {os.getpid()} on {socket.gethostname()}"


def _acquired(path: Path, folder: Path, busy: str) -> int:
    """A descriptor that holds the lock, of the file that is there now rather than of one just removed by its holder.

    No program that is started inherits it (PEP 446); a forked process does, and holds the lock as long as it lives.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise InputError(
                f"{folder}: {path.name} cannot be written beside it ({error.strerror}); "
                f"remove it, or make {path.parent} writable"
            ) from None
        try:
            _lock(descriptor, folder, busy)
            if _is_open(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_open(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int, folder: Path, busy: str) -> None:
    deadline = time.monotonic() + LOOK_SECONDS
    try:
        while not _try_lock(descriptor, last=time.monotonic() > deadline):
            time.sleep(LOOK_SECONDS / 10)
    except BlockingIOError:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace") or STARTING
        raise InputError(f"{folder}: another process ({holder}) {busy}") from None
    except OSError as error:  # Some cluster file systems are mounted without locks, which should stop nobody.
        _warn(folder, str(error.strerror))


def _try_lock(descriptor: int, *, last: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if last:
            raise
        return False
    return True


def _warn(folder: Path, reason: str) -> None:
    print(f"warning: {folder}: no lock ({reason}); see to it that one process at a time works on it", file=sys.stderr)
