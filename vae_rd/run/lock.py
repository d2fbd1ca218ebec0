"""One process at a time works on a run: a lock that the system frees when its process ends, however it ends."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vae_rd.errors import InputError

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]


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
        os.write(descriptor, f"pid {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        path.unlink(missing_ok=True)  # While it is held: whoever opened it before finds out in `_acquired`.
        os.close(descriptor)


def _acquired(path: Path, folder: Path, busy: str) -> int:
    """A descriptor that holds the lock, of the file that is there now rather than of one just removed by its holder.

    No program that is started inherits it (PEP 446); a forked process does, and holds the lock as long as it lives.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise InputError(f"{folder}: {path.name} cannot be written beside it ({error.strerror})") from None
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
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "just started"
        raise InputError(f"{folder}: another process ({holder}) {busy}") from None
    except OSError as error:  # Some cluster file systems are mounted without locks, which should stop nobody.
        _warn(folder, str(error.strerror))


def _warn(folder: Path, reason: str) -> None:
    print(f"warning: {folder}: no lock ({reason}); see to it that one process at a time works on it", file=sys.stderr)
