"""The verdicts of a record: one row for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.collapse import collapse

VERDICTS: dict[str, Callable[[Evidence], dict[str, Any]]] = {"collapse": collapse}
