"""How long the report takes to write, how large it is, and how soon a browser shows it.

    python benchmarks/report.py RUN --runs 100 200 1000

Records are made by copying one run with its name, seed, beta and numbers changed. A browser is used where there is one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # first of all: tests/analysis is no package

from helpers.browser import CHROMIUM, chromium, opened

SEEDS = 5  # of each beta


def copies(run: Path, root: Path, count: int) -> None:
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    for number in range(count):
        beta = 0.05 * 1.05 ** (number // SEEDS)
        folder = root / f"run-{number:04d}"
        shutil.copytree(run, folder, ignore=shutil.ignore_patterns("checkpoints", "latents.npz"))
        changed = record | {"name": folder.name, "config": record["config"] | {"beta": beta, "seed": number % SEEDS}}
        changed["model"] = record["model"] | {"slope": beta}
        changed["metrics"] = {split: moved(found, beta, number) for split, found in record["metrics"].items()}
        (folder / "record.json").write_text(json.dumps(changed), encoding="utf-8")


def moved(metrics: dict, beta: float, number: int) -> dict:
    """The numbers of a split moved along a curve of D over R, a little above it for each seed."""
    rate = metrics["rate"]["value"] / (1 + beta)
    distortion = metrics["distortion"]["value"] * (1 + beta) ** 0.3 * (1 + 0.002 * (number % SEEDS))
    values = {"rate": rate, "distortion": distortion, "elbo": -rate - distortion, "objective": distortion + beta * rate}
    return metrics | {name: metrics[name] | {"value": value} for name, value in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 200, 1000])
    options = parser.parse_args()
    print("| runs | written in [s] | size [MB] | DOM complete [s] | plane drawn [s] |\n|--:|--:|--:|--:|--:|")
    for count in options.runs:
        with tempfile.TemporaryDirectory() as root:
            copies(options.run, Path(root) / "runs", count)
            out, began = Path(root) / "report.html", time.perf_counter()
            command = [sys.executable, "-m", "analysis", "report", str(Path(root) / "runs"), "-o", str(out)]
            subprocess.run(command, check=True, capture_output=True)
            seconds, megabytes = time.perf_counter() - began, out.stat().st_size / 1e6
            print(f"| {count} | {seconds:.1f} | {megabytes:.1f} | {' | '.join(shown(out))} |", flush=True)


def shown(out: Path) -> list[str]:
    """Seconds until the page's DOM is complete and until the plane is drawn, the best of three."""
    if CHROMIUM is None:
        return ["no browser"] * 2
    with chromium() as browser:
        return [f"{seconds:.2f}" for seconds in map(min, zip(*(times(browser, out) for _ in range(3)), strict=True))]


def times(browser: object, out: Path) -> tuple[float, float]:
    with opened(browser, out) as page:
        complete = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
        return page.evaluate(complete) / 1e3, float(page.evaluate("document.documentElement.dataset.drawn")) / 1e3


if __name__ == "__main__":
    main()
