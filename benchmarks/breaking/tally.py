"""How often each fault was put in, and what became of the runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


class Tally:
    """Counts faults; a run in which anything went wrong is lost, and is said at once."""

    def __init__(self) -> None:
        self.problems: dict[str, list[list[str]]] = defaultdict(list)

    def add(self, fault: str, problems: Iterable[str]) -> None:
        """One fault and what was wrong afterwards, nothing if all is as it should be."""
        found = list(problems)
        self.problems[fault].append(found)
        if found:
            print(f"LOST after {fault}: {'; '.join(found)}", flush=True)

    def report(self) -> int:
        """Print the table; the exit code, 1 if a run was lost."""
        rows = [(fault, len(cases), sum(map(bool, cases))) for fault, cases in self.problems.items()]
        rows.append(("all", sum(row[1] for row in rows), sum(row[2] for row in rows)))
        print(f"{'fault':45} {'injected':>9} {'survived':>9} {'lost':>5}")
        for fault, injected, lost in rows:
            print(f"{fault:45} {injected:9} {injected - lost:9} {lost:5}")
        return int(rows[-1][2] > 0)
