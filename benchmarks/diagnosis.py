"""How often a verdict is right: models and fits whose state is known beforehand, in a table of state by verdict.

    OMP_NUM_THREADS=1 python benchmarks/diagnosis.py --verdict collapse [--held_out] [--runs runs/diagnosis] [--write]

`collapse`: 56 linear-Gaussian models whose state follows from their weights (`known_answers/latents.py`), and 23 fits
that are made to end in a state. `--held_out`: 42 models and 11 fits that no threshold or rule was set by. `--write`
puts the tables into docs/collapse.md. Exits with 1 if fewer than 95 % are right. A second call fits what is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from known_answers import fitted_states, latents
from known_answers.fitted_states import fitted
from known_answers.latents import constructed
from known_answers.tables import ROOT, put_table

RIGHT = 0.95  # Of all cases, at least.


class Verdict(NamedTuple):
    """Cases of one verdict, each as (name, state it is in, state it is given), and the page of their tables."""

    constructed: Callable[[], Sequence[tuple[str, str, str]]]
    fitted: Callable[[Path], Sequence[tuple[str, str, str]]]
    page: str


VERDICTS: Mapping[str, Verdict] = {"collapse": Verdict(constructed, fitted, "docs/collapse.md")}
HELD_OUT: Mapping[str, Verdict] = {
    "collapse": Verdict(
        lambda: constructed(latents.HELD_OUT),
        lambda runs: fitted(runs / "held_out", fitted_states.HELD_OUT),
        "docs/collapse.md",
    )
}


def table(title: str, cases: Sequence[tuple[str, str, str]]) -> str:
    """Rows are the states that cases are in, columns the verdicts they are given."""
    states = list(dict.fromkeys([state for _, state, _ in cases] + [found for *_, found in cases]))
    counts = Counter((state, found) for _, state, found in cases)
    right = sum(state == found for _, state, found in cases)
    lines = [f"| {title}: {right} of {len(cases)} | {' | '.join(states)} |", f"|:---|{'---:|' * len(states)}"]
    for state in states:
        cells = " | ".join(str(counts[state, found] or "") for found in states)
        lines.append(f"| {state} | {cells} |")
    wrong = [f"{name} ({state}) is called {found}" for name, state, found in cases if state != found]
    return "\n".join(lines + (["", f"Called something else: {'; '.join(wrong)}."] if wrong else []))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verdict", choices=VERDICTS, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/diagnosis"))
    parser.add_argument("--held_out", action="store_true", help="cases that no threshold was set by")
    parser.add_argument("--write", action="store_true", help="put the tables into the verdict's page")
    options = parser.parse_args()
    verdict = (HELD_OUT if options.held_out else VERDICTS)[options.verdict]
    models, runs = verdict.constructed(), verdict.fitted(options.runs)
    text = f"{table('constructed models', models)}\n\n{table('fits', runs)}"
    print(text)
    if options.write:
        which = " --held_out" if options.held_out else ""
        command = f"python benchmarks/diagnosis.py --verdict {options.verdict}{which} --write"
        put_table(text, command=command, file=ROOT / verdict.page)
    return int(sum(state == found for _, state, found in [*models, *runs]) < RIGHT * (len(models) + len(runs)))


if __name__ == "__main__":
    sys.exit(main())
