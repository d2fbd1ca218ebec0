"""`--watch`: a figure drawn again whenever a record or a history of its runs changes, until none of them is running."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from analysis.rows.reading import Damaged, record_of
from vae_rd.errors import InputError
from vae_rd.run.files import HISTORY_FILE, RECORD_FILE

SECONDS = 3.0  # between two looks
Seen = dict[Path, tuple[int, int]]


def watch(
    draw: Callable[[], Sequence[Path]],
    find: Callable[[], Sequence[Path]],
    say: Callable[[str], object],
    *,
    seconds: float = SECONDS,
) -> None:
    """Draw now and after each change, and say what was written or why nothing could be; until all runs have ended.

    Args:
        draw: draws and returns the files written.
        find: the run folders there are now, new ones among them.
        say: takes a line.
        seconds: between two looks.

    Raises:
        InputError: when the runs have all ended and there is nothing to draw of them.
        KeyboardInterrupt: when the user ends it.
    """
    before: Seen | None = None
    try:
        while True:
            folders = find()
            ended, now = not any(map(_is_running, folders)), _seen(folders)  # In this order: what changes after it is seen next.
            if now != before:
                _drawn(draw, say, may_fail=not ended)
                before = now
            if ended:
                return
            time.sleep(seconds)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the figure is of the last change that was seen") from None


def _drawn(draw: Callable[[], Sequence[Path]], say: Callable[[str], object], *, may_fail: bool) -> None:
    try:
        say(", ".join(map(str, draw())))
    except InputError as error:
        if not may_fail:
            raise
        say(f"waiting: {error}")


def _is_running(folder: Path) -> bool:
    """As its record and its lock say; of a record that cannot be read nothing is to be waited for."""
    try:
        return record_of(folder).may_be_running(folder)
    except Damaged:
        return False


def _seen(folders: Sequence[Path]) -> Seen:
    """What tells a change: times and sizes of the records and histories."""
    files = [folder / name for folder in folders for name in (RECORD_FILE, HISTORY_FILE)]
    stats = {file: file.stat() for file in files if file.exists()}
    return {file: (stat.st_mtime_ns, stat.st_size) for file, stat in stats.items()}
