"""What only a GPU can show, as one table: python benchmarks/gpu.py [--devices N] [--accelerator gpu] [--write]

One fit twice, interrupted and resumed, in bf16, and, with `--devices N`, by N processes; one checkpoint
measured on CPU and GPU; a training step that never waits for the host; and, where VAE_RD_DATA has static MNIST, a whole
fit of eight epochs. `--write` puts the table into docs/gpu.md. Without a GPU it says so and ends with 2;
`--accelerator cpu` runs the same checks on the CPU, to try the script. The costs of each family's members are those of
`benchmarks/members.py --accelerator gpu`, the loop's beside a bare one of `benchmarks/speed.py --accelerator gpu`.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import torch
from known_answers.devices import device_of
from known_answers.fits import fit, interrupted, relative
from known_answers.table import HEADING, Row, limit, problems
from known_answers.tables import ROOT, put_table

from vae_rd.config.fields import FitConfig
from vae_rd.experiment import build
from vae_rd.experiment.loading import load, open_run
from vae_rd.functional.seeding import generator
from vae_rd.metrics.split import evaluate_split
from vae_rd.run.environment import capture_git
from vae_rd.run.record import Json

DOCS = ROOT / "docs" / "gpu.md"
FLAGS = ("--hidden=[512]", "--latent_dim=16", "--batch_size=128", "--max_epochs=20", "--precision=32")
QUANTITIES = ("distortion", "rate", "mutual_information_lower", "active_units")
STEPS = 300
# 3 seeds of this fit on a CPU have 95.56 ± .05 (docs/recipe.md).
MNIST = ("--data=static_mnist", "--hidden=[512,512]", "--latent_dim=32", "--max_epochs=8")


def evaluation_rows(folder: Path, device: torch.device) -> Iterator[Row]:
    """The kept checkpoint on the CPU and on the device."""
    run = open_run(folder)
    found: list[Json] = []
    for place in (torch.device("cpu"), device):
        run.data.to(place)
        found.append(evaluate_split(load(folder).to(place), run.data, "test", slope=1.0, seed=0))
    for name in QUANTITIES:
        a, b = (metrics[name]["value"] for metrics in found)
        yield limit(
            f"{name} of one checkpoint: relative difference of CPU and device", abs(a - b) / abs(a), most=1e-4, digits=8
        )


def step_rows(device: torch.device) -> Iterator[Row]:
    """Milliseconds of a step of the model alone, and whether one waits for the host."""
    config = FitConfig(hidden=[512], latent_dim=16)
    data = build.build_data(config)
    data.to(device)
    model = build.build_model(config, data.card).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    noise, x = generator(device, 0), data.pixels["train"][:128].float()

    def step() -> None:
        terms = model.terms(x, torch.randn(1, len(x), 16, generator=noise, device=device))
        optimizer.zero_grad()
        (terms.distortion + terms.rate).mean().backward()
        optimizer.step()

    for _ in range(20):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
    began = time.perf_counter()
    for _ in range(STEPS):
        step()
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("default")
        torch.cuda.synchronize()
    yield limit(
        "milliseconds a step of the bare model, no wait for the host",
        1e3 * (time.perf_counter() - began) / STEPS,
        most=50,
    )


def fit_rows(runs: Path, flags: Sequence[str], devices: int) -> Iterator[Row]:
    """The same flags twice, and with several devices."""
    one, seconds = fit(runs, *flags, "--name=one")
    yield limit("seconds of a whole fit", seconds, most=600, digits=1)
    again, _ = fit(runs, *flags, "--name=again")
    yield limit("the same fit twice: relative difference of ELBO", relative(one, again), most=1e-6, digits=8)
    if devices > 1:
        several, _ = fit(runs, *flags, f"--devices={devices}", "--strategy=ddp", "--name=several")
        yield limit(
            f"{devices} devices against one: relative difference of ELBO", relative(one, several), most=0.01, digits=8
        )
    resumed = interrupted(runs, *flags, epochs=5)
    yield limit("interrupted and resumed: relative difference of ELBO", relative(one, resumed), most=1e-6, digits=8)
    half, _ = fit(runs, *flags, "--precision=bf16", "--name=half")
    yield limit("--precision bf16: relative difference of ELBO", relative(one, half), most=0.02, digits=5)


def mnist_rows(runs: Path, *flags: str) -> Iterator[Row]:
    """A whole fit of static MNIST by the default recipe."""
    if not (Path(os.environ.get("VAE_RD_DATA", "")) / "static_mnist").is_dir():
        print("no rows on MNIST: VAE_RD_DATA has no static_mnist", file=sys.stderr)
        return
    record, seconds = fit(runs, *MNIST, *flags, "--name=mnist")
    yield limit("static MNIST, 8 epochs: D + R", record["metrics"]["test"]["objective"]["value"], most=96.0, digits=2)
    yield limit("static MNIST, 8 epochs: seconds of the command", seconds, most=60, digits=1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--accelerator", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--commit", help="of a copy without its history")
    parser.add_argument("--write", action="store_true", help="put the table into docs/gpu.md")
    options = parser.parse_args()
    device = device_of(options.accelerator, parser)
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or "cpu"
    commit = options.commit or (capture_git() or {}).get("commit")
    where = f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"
    lines = [f"{where}, commit {commit}.", "", HEADING]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as folder:
        runs, flags = Path(folder), (f"--accelerator={options.accelerator}",)
        rows = []
        fits = fit_rows(runs, (*FLAGS, *flags), options.devices)
        for row in chain(fits, evaluation_rows(runs / "one", device), step_rows(device), mnist_rows(runs, *flags)):
            print(row, flush=True)
            rows.append(row)
    if options.write:
        put_table("\n".join([*lines, *map(str, rows)]), command="python benchmarks/gpu.py --write", file=DOCS)
    print("\n".join(problems(rows)), file=sys.stderr)
    return 1 if problems(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
