"""The bounds max(0, H - D) <= I <= R where every term is known: fits of one population at several betas, checked.

Runs that exist are not fitted again. Every link of the bounds is checked with its paired standard error, and so are the
order of D and R in beta, and the collapse at the largest one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from known_answers.tables import put_table
from vae_rd import fit_model
from vae_rd.config.cli import parse
from vae_rd.run.record import Json, RunRecord

ROOT = Path(__file__).resolve().parent.parent.parent


def fit(data: str, beta: float, run_dir: str) -> RunRecord:
    """The finished run of a data set's config at one beta."""
    flags = f"--beta {beta} --wandb off --resume auto --run_dir {run_dir}".split()
    return fit_model(parse(["--config", str(ROOT / "configs" / f"{data}_mlp.yaml"), *flags]).config)


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
    entropy, n = records[0].data["entropy"]["test"]["value"], records[0].data["n"]["test"]
    equal = records[0].data["params"]["duplicates"]["test"]
    distinct = f"{entropy:.4f} nats, exact, of {n} images, {n - equal} of them distinct"
    h = distinct if equal else f"ln {n} = {entropy:.4f} nats, exact"
    lines = [
        f"H = {h}. R is analytic; D, I and the two gaps are means over 8 draws of z for every image of the population, "
        "± 1 s.e.",
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


def check(data: str, betas: Sequence[float]) -> int:
    """The command of one data set: fit, check, print, and with --readme put the table there; 1 if a check fails."""
    parser = argparse.ArgumentParser(description=f"Check H - D <= I <= R on {data} at {len(betas)} betas.")
    parser.add_argument("--run_dir", default=f"runs/{data}")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args()
    records = [fit(data, beta, arguments.run_dir) for beta in betas]
    print(table(records))
    found = problems(records)
    print("\n".join(found) or "\nevery link holds within 3 paired s.e.; D falls and R rises as beta falls")
    if arguments.readme and not found:
        put_table(table(records), command=f"python benchmarks/{data}.py --readme")
    return 1 if found else 0
