"""`--watch`: a figure drawn again whenever a record or a history of its runs changes, or a run is found to have been
killed, until none of them is running.

Runs at W&B change when it has heard from them: each look asks it, at a pause that a server bears. One that does not
answer for a while ends no watch that has begun.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from analysis.rows.reading import Damaged, record_of
from analysis.sources.states import may_be_running
from analysis.sources.wandb_runs import PREFIX
from vae_rd.errors import InputError
from vae_rd.run.files import HISTORY_FILE, RECORD_FILE

SECONDS, WANDB_SECONDS = 3.0, 30.0  # between two looks at folders, and at W&B
Running = dict[Path, bool]
Seen = dict[Path, tuple[int, int]]


def pause(entries: Sequence[str]) -> float:
    """Seconds between two looks at the runs of these entries.

    Example:
        >>> pause(["runs"]), pause(["runs", "wandb:me/vae"])
        (3.0, 30.0)
    """
    return WANDB_SECONDS if any(entry.startswith(PREFIX) for entry in entries) else SECONDS


def watch(
    draw: Callable[[Sequence[Path]], Sequence[Path]],
    find: Callable[[], Sequence[Path]],
    say: Callable[[str], object],
    *,
    seconds: float = SECONDS,
) -> None:
    """Draw now and after each change, and say what was written or why nothing could be; until all runs have ended.

    Args:
        draw: draws the runs of these folders, and returns the files written.
        find: the run folders there are now, new ones among them.
        say: takes a line.
        seconds: between two looks.

    Raises:
        InputError: when the runs have all ended and there is nothing to draw of them.
        KeyboardInterrupt: when the user ends it.
    """
    before: tuple[Running, Seen] | None = None
    folders = find()
    try:
        while True:
            running = {folder: _is_running(folder) for folder in folders}  # Of a killed run no file says that it ended.
            now = running, _seen(folders)  # Files after that: what changes after the look is seen next time.
            if now != before:
                _drawn(draw, folders, say, may_fail=any(running.values()))
                before = now
            if not any(running.values()):
                return
            time.sleep(seconds)
            folders = _found_again(find, say) or folders
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the figure is of the last change that was seen") from None


def _drawn(
    draw: Callable[[Sequence[Path]], Sequence[Path]],
    folders: Sequence[Path],
    say: Callable[[str], object],
    *,
    may_fail: bool,
) -> None:
    try:
        say(", ".join(map(str, draw(folders))))
    except InputError as error:
        if not may_fail:
            raise
        say(f"waiting: {error}")


def _found_again(find: Callable[[], Sequence[Path]], say: Callable[[str], object]) -> Sequence[Path]:
    """The run folders there are now; none, and a line, where they cannot be told for now."""
    try:
        return find()
    except InputError as error:
        say(f"waiting: {error}")
        return []


def _is_running(folder: Path) -> bool:
    """As its record and its lock say; of a record that cannot be read nothing is to be waited for."""
    try:
        return may_be_running(record_of(folder), folder)
    except Damaged:
        return False


def _seen(folders: Sequence[Path]) -> Seen:
    """What tells a change: times and sizes of the records and histories."""
    files = [folder / name for folder in folders for name in (RECORD_FILE, HISTORY_FILE)]
    stats = {file: file.stat() for file in files if file.exists()}
    return {file: (stat.st_mtime_ns, stat.st_size) for file, stat in stats.items()}
