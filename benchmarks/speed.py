"""Seconds a step of the fit loop, of a bare PyTorch loop, and of pythae's trainer, on one network, batch and data.

    python benchmarks/speed.py [--repeats 5] [--without_pythae] [--accelerator gpu] [--precision bf16] [--cpu_time]

All three train the same 784-512-16-512-784 VAE of SiLU layers on static binary pixels at batch 128 with fused Adam,
ours and the bare loop with x less its mean and logits beside those of the mean. They run in one process and in turns
of one epoch each, because a shared machine changes its pace within seconds. A first turn (allocation, caches) is not
counted. On a GPU all have the images there, and the clock stops when it has finished. `--precision` is ours alone.
`--cpu_time` counts the process's CPU time in the place of the clock, for a machine that does other work beside; give
it one thread (OMP_NUM_THREADS=1), as threads that wait count as well. Reported are the median over turns, the median
of the ratios within a turn, and the peak memory of `python -m vae_rd.fit` on MNIST where its files are at hand.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback
from torch import Tensor, nn

from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.data.module import TensorDataModule
from vae_rd.experiment import build
from vae_rd.experiment.trainer import build_trainer
from vae_rd.process.signals import SignalGuard
from vae_rd.training.progress import RateDistortionProgress
from vae_rd.training.signals import HoldSignals

PIXELS, HIDDEN, LATENT, BATCH = 784, 512, 16, 128
EXAMPLES = 50_000
STEPS = EXAMPLES // BATCH
TARGETS = {"bare": 1.05, "pythae": 0.80}
Clock = Callable[[], float]  # Seconds.


def pixels() -> Tensor:
    """Static binary MNIST where VAE_RD_DATA has it, else random bits of the same mean; [N, 1, 28, 28] uint8."""
    if (root := os.environ.get("VAE_RD_DATA")) and (Path(root) / "static_mnist").is_dir():
        return build.build_data(FitConfig(data="static_mnist")).pixels["train"]
    return (torch.rand(EXAMPLES, 1, 28, 28) < 0.13).to(torch.uint8)


def finish(device: torch.device) -> None:
    """Wait until the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Turns(Callback):
    """Times each epoch of a fit, and lets one epoch of every other loop run before it."""

    def __init__(self, others: dict[str, Iterator[float]], clock: Clock) -> None:
        self.others, self.clock = others, clock
        self.seconds: dict[str, list[float]] = {name: [] for name in ("vae_rd", *others)}

    def on_train_epoch_start(self, *_: Any) -> None:
        """Run the others, then start the clock."""
        for name, epochs in self.others.items():
            self.seconds[name].append(next(epochs))
        self.began = self.clock()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Stop it after the last block of steps; validation is not counted."""
        if batch_idx == trainer.num_training_batches - 1:
            finish(module.device)
            self.seconds["vae_rd"].append((self.clock() - self.began) / STEPS)


def run_turns(
    images: Tensor, others: dict[str, Iterator[float]], *, turns: int, clock: Clock, **flags: Any
) -> dict[str, list[float]]:
    """Seconds a step by loop and turn; ours is the real fit loop with metrics, callbacks, checkpoints and all."""
    config = FitConfig(data="static_mnist", max_epochs=turns + 1, wandb="off", lr_schedule="constant", **flags)
    splits = {"train": images, "val": images[:500], "test": images[:500]}
    data = build.data_set(Source("static_mnist", splits, levels=2), config)
    guard, timed = SignalGuard(), Turns(others, clock)
    model = build.build_model(config, data.card)
    module = build.build_module(config, model, data.card, steps=(turns + 1) * STEPS, after_step=guard.check)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "checkpoints").mkdir()
        callbacks = [RateDistortionProgress(config.max_epochs), HoldSignals(guard), timed]
        trainer = build_trainer(config, Path(folder), logger=None, callbacks=callbacks)
        trainer.fit(module, TensorDataModule(data, batch_size=BATCH, seed=0))
    return {name: seconds[1:] for name, seconds in timed.seconds.items()}


def bare_epochs(images: Tensor, clock: Clock) -> Iterator[float]:
    """Seconds a step, epoch by epoch, of the shortest loop that trains the same model: no logging, no metrics."""
    x_all, device = images.flatten(1).float(), images.device
    mean = x_all.mean(0)
    start = mean.clamp(1e-3, 1 - 1e-3).logit()
    encoder = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 2 * LATENT)).to(device)
    decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, PIXELS)).to(device)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3, fused=True)
    while True:
        began, order = clock(), torch.randperm(len(x_all), device=device)
        for step in range(STEPS):
            x = x_all[order[step * BATCH : (step + 1) * BATCH]]
            mu, log_var = encoder(x - mean).chunk(2, -1)
            logits = start + decoder(mu + (0.5 * log_var).exp() * torch.randn_like(mu))
            distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
            rate = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum()
            optimizer.zero_grad()
            ((distortion + rate) / BATCH).backward()
            optimizer.step()
        finish(device)
        yield (clock() - began) / STEPS


def pythae_epochs(images: Tensor, clock: Clock) -> Iterator[float]:
    """Seconds a step, epoch by epoch, of pythae 0.1.2's BaseTrainer with the same layers."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, HIDDEN), nn.SiLU())
            self.mu, self.log_var = nn.Linear(HIDDEN, LATENT), nn.Linear(HIDDEN, LATENT)

        def forward(self, x: Tensor) -> Any:
            h = self.trunk(x)
            return ModelOutput(embedding=self.mu(h), log_covariance=self.log_var(h))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            layers = (nn.Linear(LATENT, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, PIXELS), nn.Sigmoid())
            self.net = nn.Sequential(*layers)

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(reconstruction=self.net(z).unflatten(1, (1, 28, 28)))

    logging.disable(logging.CRITICAL)
    settings = VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT, reconstruction_loss="bce")
    data = BaseDataset(images.float(), torch.zeros(len(images)))
    with tempfile.TemporaryDirectory() as folder:
        training = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=1,
            learning_rate=1e-3,
            per_device_train_batch_size=BATCH,
            optimizer_cls="Adam",
            optimizer_params={"fused": True},
            no_cuda=True,
        )
        trainer = BaseTrainer(VAE(settings, Encoder(), Decoder()), data, training_config=training)
        trainer.prepare_training()
        for epoch in itertools.count(1):
            logging.disable(logging.CRITICAL)
            began = clock()
            trainer.train_step(epoch)
            seconds = (clock() - began) / len(trainer.train_loader)
            logging.disable(logging.NOTSET)
            yield seconds


def peak_memory() -> str:
    """Peak resident memory of a one-epoch MNIST fit with its whole evaluation, in MB."""
    if not (Path(os.environ.get("VAE_RD_DATA", "")) / "mnist").is_dir():
        return "not measured: VAE_RD_DATA has no mnist"
    with tempfile.TemporaryDirectory() as folder:
        fit = [sys.executable, "-m", "vae_rd.fit", "--data", "mnist", "--binarization", "dynamic"]
        fit += ["--max_epochs", "1", "--wandb", "off", "--run_dir", folder]
        subprocess.run(fit, check=True, stdout=subprocess.DEVNULL)
    import resource

    return f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB (at most 1,500)"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the fit loop against a bare loop and pythae.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--without_pythae", action="store_true")
    parser.add_argument("--accelerator", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--precision", choices=("32", "bf16"), default="32", help="of our fit")
    parser.add_argument("--cpu_time", action="store_true")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    warnings.filterwarnings("ignore")
    peak = peak_memory()  # First: a child's mark begins at what its parent holds.
    images = pixels()
    others = {"bare": bare_epochs(images.to("cuda" if arguments.accelerator == "gpu" else "cpu"), clock)}
    if not arguments.without_pythae:
        others["pythae"] = pythae_epochs(images, clock)
    flags = {"accelerator": arguments.accelerator, "precision": arguments.precision}
    seconds = run_turns(images, others, turns=arguments.repeats, clock=clock, **flags)
    unit = "CPU ms" if arguments.cpu_time else "ms"
    print(f"\n| loop | {unit} a step (median of {arguments.repeats}) | least .. most | vae_rd takes | wanted |")
    print("|---|---:|---:|---:|---|")
    for name, values in seconds.items():
        shown, spread = 1e3 * statistics.median(values), f"{1e3 * min(values):.2f} .. {1e3 * max(values):.2f}"
        ratio = statistics.median(ours / other for ours, other in zip(seconds["vae_rd"], values, strict=True))
        wanted = f"at most {TARGETS[name]:.2f} x" if name in TARGETS else ""
        print(f"| {name} | {shown:.2f} | {spread} | {ratio:.3f} x | {wanted} |")
    print(f"\npeak memory of a fit on MNIST: {peak}")
    where = torch.cuda.get_device_name() if arguments.accelerator == "gpu" else "CPU"
    threads = f"{torch.get_num_threads()} threads, --precision {arguments.precision}"
    print(f"{where}, torch {torch.__version__}, {threads}")


if __name__ == "__main__":
    main()
