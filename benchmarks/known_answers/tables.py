"""Tables that stand in the README and in docs between markers that name their command."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
README = ROOT / "README.md"


def put_table(text: str, *, command: str, file: Path = README) -> None:
    """Replace what stands between the markers of a command.

    Raises:
        ValueError: when the file has no such markers.
    """
    before, begin, rest = file.read_text(encoding="utf-8").partition(f"<!-- begin: {command} -->")
    _, end, after = rest.partition("<!-- end -->")
    if not end:
        raise ValueError(f"{file.name} has no place for {command}")
    file.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
