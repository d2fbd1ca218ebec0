"""The verdicts of a record: one row for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.collapse import collapse
from vae_rd.verdicts.fit import fit
from vae_rd.verdicts.modes import modes

Verdict = Mapping[str, Any]
VERDICTS: dict[str, Callable[[Evidence], Verdict | None]] = {"collapse": collapse, "fit": fit, "modes": modes}


def judged(evidence: Evidence) -> dict[str, Verdict]:
    """Every verdict on a run for which there is evidence."""
    found = {name: judge(evidence) for name, judge in VERDICTS.items()}
    return {name: verdict for name, verdict in found.items() if verdict is not None}
