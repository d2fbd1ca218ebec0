"""Messages that the walk does not meet, each with the reason: its file and words of its source."""

UNWALKED: dict[tuple[str, str], str] = {}
