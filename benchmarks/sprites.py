"""The bounds max(0, H - D) <= I <= R on a source where every term is known: sprites, seven betas.

    python benchmarks/sprites.py [--readme]

Fits `configs/sprites_mlp.yaml` at each beta (runs that exist are not fitted again), checks every link of the bounds
with its paired standard error, the order of D and R in beta and the collapse at beta = 1000, and prints the table that
stands in the README; `--readme` puts it there. Exits with 1 if a check fails.
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from pathlib import Path

from known_answers.readme import put_into_readme

from vae_rd import fit_model
from vae_rd.config.cli import parse
from vae_rd.run.record import Json, RunRecord

BETAS = (0.003, 0.03, 0.3, 1.0, 3.0, 10.0, 1000.0)
ROOT = Path(__file__).resolve().parent.parent


def fit(beta: float, run_dir: str) -> RunRecord:
    """The finished run at one beta."""
    flags = f"--beta {beta} --wandb off --resume auto --run_dir {run_dir}".split()
    return fit_model(parse(["--config", str(ROOT / "configs" / "sprites_mlp.yaml"), *flags]).config)


def problems(records: list[RunRecord]) -> list[str]:
    """Every claim that does not hold."""
    found = []
    for record in records:
        test, beta = record.metrics["test"], record.config["beta"]
        for name in ("marginal_kl_upper", "decoder_kl"):
            link = test[name]
            if link["value"] < -3 * link["stderr"]:
                found.append(f"beta {beta:g}: {name} = {link['value']} is below 0 by more than 3 x {link['stderr']}")
        if test["mutual_information_lower"]["value"] < -3 * test["mutual_information_lower"]["stderr"]:
            found.append(f"beta {beta:g}: I is below 0")
    for low, high in pairwise(records):
        before, after = low.metrics["test"], high.metrics["test"]
        if not before["distortion"]["value"] < after["distortion"]["value"]:
            found.append(f"D does not fall from beta {high.config['beta']:g} to {low.config['beta']:g}")
        if not before["rate"]["value"] > after["rate"]["value"]:
            found.append(f"R does not rise from beta {high.config['beta']:g} to {low.config['beta']:g}")
    last = records[-1]
    if not (last.verdicts["collapse"]["collapsed"] and last.metrics["test"]["rate"]["value"] < 0.01):
        found.append(f"beta {last.config['beta']:g} is not collapsed: {last.verdicts['collapse']}")
    return found


def table(records: list[RunRecord]) -> str:
    """The README's table."""
    entropy = records[0].data["entropy"]["test"]["value"]
    lines = [
        f"H = ln {records[0].data['n']['test']} = {entropy:.4f} nats, exact. R is analytic; D, I and the two gaps are "
        "means over 8 draws of z for every image of the population, ± 1 s.e.",
        "",
        "| beta | D | R | max(0, H - D) | I | R - I | I - (H - D) | active units | collapsed |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|:---|",
    ]
    lines += [_row(record, entropy) for record in records]
    return "\n".join(lines)


def _row(record: RunRecord, entropy: float) -> str:
    test, verdict = record.metrics["test"], record.verdicts["collapse"]
    cells = [
        f"{record.config['beta']:g}",
        _shown(test["distortion"]),
        f"{test['rate']['value']:.4f}",
        f"{max(0.0, entropy - test['distortion']['value']):.4f}",
        _shown(test["mutual_information_lower"]),
        _shown(test["marginal_kl_upper"]),
        _shown(test["decoder_kl"]),
        f"{verdict['active_units']} / {verdict['latent_dim']}",
        "yes" if verdict["collapsed"] else "no",
    ]
    return f"| {' | '.join(cells)} |"


def _shown(entry: Json) -> str:
    value = round(entry["value"], 4) + 0.0  # No minus in front of a zero.
    return f"{value:.4f} ± {entry['stderr']:.4f}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Check H - D <= I <= R on sprites at seven betas.")
    parser.add_argument("--run_dir", default="runs/sprites")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args()
    records = [fit(beta, arguments.run_dir) for beta in BETAS]
    print(table(records))
    found = problems(records)
    print("\n".join(found) or "\nevery link holds within 3 paired s.e.; D falls and R rises as beta falls")
    if arguments.readme and not found:
        put_into_readme(table(records), command="python benchmarks/sprites.py --readme")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
