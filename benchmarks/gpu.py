"""What only a GPU can show, as one table: python benchmarks/gpu.py [--devices N] [--accelerator gpu]

One checkpoint measured on CPU and GPU; a training step that never waits for the host; seconds a step against a bare
loop; a run interrupted and resumed; and, with `--devices N`, N processes against one. Without a GPU it says so and ends
with 2; `--accelerator cpu` runs the same checks on the CPU, to try the script. No GPU has been at hand so far: there is
no table in docs/ yet.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from known_answers.fits import fit
from known_answers.table import HEADING, Row, limit, problems

from vae_rd.config.fields import FitConfig
from vae_rd.experiment import build
from vae_rd.experiment.loading import load, open_run
from vae_rd.metrics.split import evaluate_split
from vae_rd.run.environment import capture_git
from vae_rd.run.record import Json
from vae_rd.seeding import generator

FLAGS = ("--hidden=[512]", "--latent_dim=16", "--batch_size=128", "--max_epochs=20", "--precision=32")
QUANTITIES = ("distortion", "rate", "mutual_information_lower", "active_units")
STEPS = 300


def evaluation_rows(folder: Path, device: torch.device) -> Iterator[Row]:
    """The kept checkpoint in double precision, on the CPU and on the device."""
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
    difference = abs(one["metrics"]["test"]["elbo"]["value"] - again["metrics"]["test"]["elbo"]["value"])
    yield limit("the same fit twice: difference of ELBO, nats", difference, most=0.01, digits=8)
    if devices > 1:
        several, _ = fit(runs, *flags, f"--devices={devices}", "--strategy=ddp", "--name=several")
        a, b = (record["metrics"]["test"]["elbo"]["value"] for record in (one, several))
        yield limit(
            f"{devices} devices against one: relative difference of ELBO", abs(a - b) / abs(a), most=0.01, digits=8
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--accelerator", choices=("gpu", "cpu"), default="gpu")
    options = parser.parse_args()
    if options.accelerator == "gpu" and not torch.cuda.is_available():
        print("torch finds no CUDA device here; --accelerator cpu tries the script without one", file=sys.stderr)
        return 2
    device = torch.device("cuda" if options.accelerator == "gpu" else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or "cpu"
    print(f"{name}, torch {torch.__version__}, commit {(capture_git() or {}).get('commit')}\n\n{HEADING}")
    with tempfile.TemporaryDirectory() as folder:
        runs, flags = Path(folder), (*FLAGS, f"--accelerator={options.accelerator}")
        rows = []
        for found in (fit_rows(runs, flags, options.devices), evaluation_rows(runs / "one", device), step_rows(device)):
            for row in found:
                print(row, flush=True)
                rows.append(row)
    print("\n".join(problems(rows)), file=sys.stderr)
    return 1 if problems(rows) else 0


if __name__ == "__main__":
    sys.exit(main())
