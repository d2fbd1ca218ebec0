"""Faults of input: generated command lines and config files, and damaged files of runs and data sets.

    python benchmarks/faults.py [--cases 1000] [--corruptions 200]

Runs the cases of tests/commands/test_fuzz.py, drawn anew each time, and of tests/experiment/test_corruptions.py, drawn
from the number of the case. Prints how many there were and how many were answered with anything but a right number or
one line of refusal.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent / "tests"


class Verdicts:
    """A pytest plugin that counts the cases of one kind of test, and those that failed."""

    def __init__(self) -> None:
        self.cases = 0
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once, and any failure of it or of what it stands on."""
        self.cases += report.when == "call"
        if report.failed:
            self.failed.append(report.nodeid)


def run(file: str, *, only: str) -> Verdicts:
    """Run those tests of a file whose name contains `only`."""
    verdicts = Verdicts()
    options = ["-q", "-p", "no:cacheprovider", "--timeout", "3600", "-k", only, str(TESTS / file)]
    code = pytest.main(options, plugins=[verdicts])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SystemExit(f"pytest ended with {code!r}")
    return verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="command lines and config files, half of each")
    parser.add_argument("--corruptions", type=int, default=200, help="damaged files")
    options = parser.parse_args()
    os.environ |= {"VAE_RD_FUZZ_CASES": str(options.cases), "VAE_RD_CORRUPTIONS": str(options.corruptions)}
    began = time.perf_counter()
    fuzz, damage = (
        run("commands/test_fuzz.py", only="config_or_one_line"),
        run("experiment/test_corruptions.py", only="test_damage"),
    )
    print(f"{options.cases} command lines and config files: {len(fuzz.failed)} of {fuzz.cases} kinds gave an error")
    print(f"{damage.cases} damaged files: {len(damage.failed)} gave an error or a wrong number")
    print(f"{time.perf_counter() - began:.0f} s")
    return 1 if fuzz.failed or damage.failed else 0


if __name__ == "__main__":
    sys.exit(main())
