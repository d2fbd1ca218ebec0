"""What each posterior, prior, decoder and likelihood costs on images of 28 x 28: one table.

    OMP_NUM_THREADS=1 python benchmarks/members.py [--accelerator gpu] [--only WORD ...] [--write]

Of each member: milliseconds of a training step at batch 128 (AdamW, fused; median over blocks of steps), images a
second, and seconds of 64 draws from prior and decoder, at default widths and 32 units. The images are random bits, or
random levels for the likelihoods of grey levels: time does not depend on them. `--accelerator gpu` adds whether a step
waits for the host, and by how much D + R of a split differ between CPU and GPU. `--write` puts the table into
docs/families.md, or of a GPU into docs/gpu.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from known_answers.devices import device_of
from known_answers.tables import ROOT, put_table

from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.experiment import build
from vae_rd.experiment.preparing import prepare
from vae_rd.functional.seeding import generator
from vae_rd.metrics.split import evaluate_split
from vae_rd.model.vae import VAE

BATCH, DRAWS, BLOCKS = 128, 64, 5
BLOCK_SECONDS = 0.4
CONV = {"encoder": "conv"}
# Flags of each member, the first of which names it; the rest is as the defaults say.
MEMBERS: Mapping[str, Mapping[str, Any]] = {
    "mlp, diagonal, normal, bernoulli": {},
    "posterior full": {"posterior": "full"},
    "posterior iaf": {"posterior": "iaf"},
    "prior mixture": {"prior": "mixture"},
    "prior vamp": {"prior": "vamp"},
    "prior maf": {"prior": "maf"},
    "prior spline": {"prior": "spline"},
    "decoder conv": CONV | {"decoder": "conv"},
    "decoder resnet": {"encoder": "resnet", "decoder": "resnet"},
    "decoder made": {"decoder": "made"},
    "decoder pixelcnn": CONV | {"decoder": "pixelcnn"},
    "likelihood beta_binomial": {"likelihood": "beta_binomial"},
    "likelihood gaussian_integrated": {"likelihood": "gaussian_integrated"},
    "likelihood logistic_mixture": {"likelihood": "logistic_mixture"},
    "likelihood categorical_levels": {"likelihood": "categorical_levels"},
}


class Cost(NamedTuple):
    """What was measured of a member.

    Attributes:
        step: seconds of a training step.
        draws: seconds of 64 draws.
        waits: whether a step waits for the host; None on a CPU.
        difference: relative difference of D + R on CPU and GPU; None on a CPU.
    """

    step: float
    draws: float
    waits: bool | None = None
    difference: float | None = None


def random_images(*, levels: int) -> DataSet:
    """Images of 28 x 28 of random values, of so many levels."""
    pixels = torch.randint(levels, (4 * BATCH, 1, 28, 28), generator=generator("cpu", 0), dtype=torch.uint8)
    source = Source("npz", {"train": pixels, "val": pixels[:BATCH], "test": pixels[-BATCH:]}, levels=levels)
    return build.data_set(source, FitConfig())


def made(flags: Mapping[str, Any]) -> tuple[VAE, DataSet]:
    """The member's network as a fit would begin with it, and its images, on the CPU."""
    config = FitConfig(latent_dim=32, wandb="off", batch_size=BATCH, accelerator="cpu", max_epochs=1, **flags)
    data = random_images(levels=256 if "likelihood" in flags else 2)
    return prepare(config, None, data).model, data


def training_step(model: VAE, data: DataSet) -> Callable[[], None]:
    """A step of D + R on one batch."""
    x = data.examples("train", torch.arange(BATCH, device=next(model.parameters()).device))
    noise = generator(x.device, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        terms = model.terms(x, model.noise(1, x, noise))
        optimizer.zero_grad()
        (terms.distortion + terms.rate).mean().backward()
        optimizer.step()

    return step


def seconds_of(action: Callable[[], object], device: torch.device) -> float:
    """Seconds of an action: the median over blocks of so many that each lasts a while."""
    count = max(1, int(BLOCK_SECONDS / max(_block(action, 1, device), 1e-6)))
    return statistics.median(_block(action, count, device) for _ in range(BLOCKS))


def _block(action: Callable[[], object], count: int, device: torch.device) -> float:
    began = time.perf_counter()
    for _ in range(count):
        action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / count


def waits_for_host(step: Callable[[], None]) -> bool:
    """Whether a step makes the host wait for the GPU."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        return True
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return False


def negative_elbo(model: VAE, data: DataSet, device: torch.device) -> float:
    """D + R of the test images on a device."""
    data.to(device)
    metrics = evaluate_split(model.to(device), data, "test", slope=1.0, seed=0, information_examples=16)
    return float(metrics["objective"]["value"])


def cost_of(flags: Mapping[str, Any], device: torch.device) -> Cost:
    """Train a little on the device, and measure."""
    model, data = made(flags)
    data.to(device)
    step = training_step(model.to(device), data)
    for _ in range(3):
        step()
    model.eval()
    source = generator(device, 0)
    drawing = seconds_of(lambda: model.generate(DRAWS, generator=source), device)
    found = Cost(seconds_of(step, device), drawing)
    if device.type == "cpu":
        return found
    waits = waits_for_host(step)
    there, here = negative_elbo(model, data, device), negative_elbo(model, data, torch.device("cpu"))
    return found._replace(waits=waits, difference=abs(there - here) / abs(here))


def rows(words: list[str], device: torch.device) -> Iterator[str]:
    """A row of the table for each member."""
    for word in words:
        cost = cost_of(MEMBERS[word], device)
        cells = [word, f"{1e3 * cost.step:.2f}", f"{BATCH / cost.step:,.0f}", f"{cost.draws:.3f}"]
        if cost.difference is not None:
            cells += ["yes" if cost.waits else "no", f"{cost.difference:.1e}"]
        yield f"| {' | '.join(cells)} |"


def heading(device: torch.device) -> str:
    """The first lines of the table."""
    names = ["member", "a training step, ms", "images/s", f"{DRAWS} draws, s"]
    names += [] if device.type == "cpu" else ["waits for the host", "D + R, CPU to GPU, relative"]
    return f"| {' | '.join(names)} |\n|:---|{'---:|' * (len(names) - 1)}"


def main() -> int:
    parser = argparse.ArgumentParser(description="What each member costs on images of 28 x 28.")
    parser.add_argument("--accelerator", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--only", nargs="+", choices=MEMBERS, default=list(MEMBERS))
    parser.add_argument("--write", action="store_true", help="put the table into docs/")
    options = parser.parse_args()
    device = device_of(options.accelerator, parser)
    lines = [heading(device)]
    print(lines[0])
    for row in rows(options.only, device):
        print(row, flush=True)
        lines.append(row)
    if options.write:
        gpu = device.type == "cuda"
        command = f"python benchmarks/members.py{' --accelerator gpu' if gpu else ''} --write"
        put_table("\n".join(lines), command=command, file=ROOT / "docs" / ("gpu.md" if gpu else "families.md"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
