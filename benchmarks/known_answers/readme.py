"""Tables that stand in the README between markers that name their command."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).resolve().parent.parent.parent / "README.md"


def put_into_readme(text: str, *, command: str) -> None:
    """Replace what stands between the markers of a command.

    Raises:
        ValueError: when the README has no such markers.
    """
    before, begin, rest = README.read_text(encoding="utf-8").partition(f"<!-- begin: {command} -->")
    _, end, after = rest.partition("<!-- end -->")
    if not end:
        raise ValueError(f"{README.name} has no place for {command}")
    README.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
