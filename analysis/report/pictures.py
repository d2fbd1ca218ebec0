"""The last pictures of a run's `media` folder as data that a page holds itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vae_rd.run.files import MEDIA, MEDIA_INDEX

Json = dict[str, Any]
KINDS = ("reconstructions", "samples", "traversals")
TOTAL = 6_000_000  # bytes of all pictures of a report, which base64 makes a third more
PNG = b"\x89PNG\r\n\x1a\n"


def share_of(runs: int) -> int:
    """Bytes that the pictures of one run of so many may take.

    Example:
        >>> share_of(100)
        60000
    """
    return TOTAL // max(runs, 1)


def pictures(folder: Path, *, epoch: float, share: int) -> Json:
    """The kept checkpoint's picture of each kind as a data URI, and the names of those that are too large.

    Args:
        folder: of the run; one without whole media has none.
        epoch: of the kept checkpoint; the last pictures stand for it where it has none.
        share: bytes that they may take together.
    """
    shown: list[Json] = []
    too_large: list[str] = []
    for entry in _of_epoch(folder, epoch):
        content = _png(folder / MEDIA, entry["file"])
        if content is None:
            continue
        if len(content) > share:
            too_large.append(f"{MEDIA}/{entry['file']}")
            continue
        share -= len(content)
        uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        shown.append({"kind": entry["kind"], "epoch": entry["epoch"], "words": _words(entry), "uri": uri})
    return {"pictures": shown, "tooLarge": too_large}


def _of_epoch(folder: Path, epoch: float) -> list[Json]:
    """The entry of the epoch, else of the last, of each kind in the index; none of what is not as a run writes it."""
    try:
        entries = json.loads((folder / MEDIA_INDEX).read_text(encoding="utf-8"))["pictures"]
        named = [e for e in entries if e["kind"] in KINDS and isinstance(e["file"], str)]
        found = {e["kind"]: e for e in sorted(named, key=lambda e: (e["epoch"] == epoch, int(e["epoch"])))}
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [found[kind] for kind in KINDS if kind in found]


def _png(folder: Path, name: str) -> bytes | None:
    """A picture of the folder itself; None where there is none."""
    try:
        content = (folder / Path(name).name).read_bytes()
    except OSError:
        return None
    return content if content.startswith(PNG) else None


def _words(entry: Mapping[str, Any]) -> str:
    """What a reader who does not see it has of it."""
    size = f", {entry['n']} images in rows of {entry['columns']}" if {"n", "columns"} <= set(entry) else ""
    return f"{entry['kind']} after epoch {entry['epoch'] + 1}{size}"
