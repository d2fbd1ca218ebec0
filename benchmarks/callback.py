"""What RateDistortionCallback costs a plain LightningModule: a training step, and an epoch with its validation.

    python benchmarks/callback.py [--repeats 12]

A VAE of 784-400-20 units, 54,000 examples of 784 bits in batches of 128, 6,000 of validation; one thread, CPU time.

Training steps: without any callback and with twenty of this one, by turns, each turn of 400 steps without validation, a
twentieth of the difference being what one costs. Validations: the callback's own seconds in a fit of two epochs.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, Normal
from torch.utils.data import DataLoader, TensorDataset

from vae_rd import RateDistortionCallback

PIXELS, HIDDEN, UNITS, BATCH = 784, 400, 20, 128
STEPS, MANY = 400, 20
QUIET: dict[str, Any] = {
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "accelerator": "cpu",
    "num_sanity_val_steps": 0,
}


class Module(LightningModule):
    """As most people write a VAE."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.enc = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * UNITS))
        self.dec = nn.Sequential(nn.Linear(UNITS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PIXELS))

    def loss(self, x: Tensor) -> Tensor:
        """-ELBO."""
        mu, log_var = self.enc(x).chunk(2, 1)
        z = mu + torch.randn_like(mu) * (0.5 * log_var).exp()
        d = F.binary_cross_entropy_with_logits(self.dec(z), x, reduction="sum") / len(x)
        return d + 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(1).mean()

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch."""
        return self.loss(batch[0])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """Its mean."""
        self.log("val_loss", self.loss(batch[0]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), 1e-3)


def terms(module: Module, batch: list[Tensor]) -> Any:
    """q(z|x) and p(x|z)."""
    mu, log_var = module.enc(batch[0]).chunk(2, 1)
    return Independent(Normal(mu, (0.5 * log_var).exp()), 1), lambda z: Independent(Bernoulli(logits=module.dec(z)), 1)


class Clock(Callback):
    """CPU seconds of an epoch's training steps, and of whole epochs, validation and all."""

    def __init__(self) -> None:
        self.steps, self.epochs, self._began = list[float](), list[float](), [0.0, 0.0]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch begins."""
        self._began = [time.process_time()] * 2

    def on_train_batch_end(self, *_: Any) -> None:
        """A step is over; the last one's time stays."""
        self._began[1] = time.process_time()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch is over."""
        self.epochs.append(time.process_time() - self._began[0])
        self.steps.append(self._began[1] - self._began[0])


class Timed(RateDistortionCallback):
    """The callback with its own CPU seconds."""

    spent = 0.0

    def on_validation_batch_end(self, *args: Any) -> None:
        """As the callback's."""
        began = time.process_time()
        super().on_validation_batch_end(*args)
        self.spent += time.process_time() - began

    def on_validation_epoch_end(self, *args: Any) -> None:
        """As the callback's."""
        began = time.process_time()
        super().on_validation_epoch_end(*args)
        self.spent += time.process_time() - began


def bits(n: int, seed: int) -> TensorDataset:
    """Random images of ten kinds."""
    noise = torch.Generator().manual_seed(seed)
    kinds = torch.rand(10, PIXELS, generator=torch.Generator().manual_seed(0))
    return TensorDataset((torch.rand(n, PIXELS, generator=noise) < kinds[torch.arange(n) % 10]).float())


def seconds_a_step(loader: DataLoader[Any], callbacks: int) -> float:
    """Of one turn, with so many of the callback, each of a class of its own, as Lightning wants them."""
    clock = Clock()
    beside = [type(f"Callback{i}", (RateDistortionCallback,), {})(terms) for i in range(callbacks)]
    Trainer(max_steps=STEPS, callbacks=[clock, *beside], **QUIET).fit(Module(), loader)
    return sum(clock.steps) / STEPS


def share_of_epochs(loaders: list[Any]) -> float:
    """The callback's own seconds of those of a fit's epochs without them."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        rd = Timed(terms, folder=folder, overwrite=True)
        with contextlib.redirect_stdout(None):
            Trainer(max_epochs=2, callbacks=[clock, rd], **QUIET).fit(Module(), *loaders)
    return rd.spent / (sum(clock.epochs) - rd.spent)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=12)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    loaders = [DataLoader(bits(54_000, 1), BATCH, shuffle=True), DataLoader(bits(6_000, 2), BATCH)]
    ratios, bare = list[float](), list[float]()
    for repeat in range(asked.repeats + 1):
        turn = {many: seconds_a_step(loaders[0], many) for many in ((0, MANY) if repeat % 2 else (MANY, 0))}
        if repeat:  # The first pair warms up.
            bare.append(1e3 * turn[0])
            ratios.append((turn[MANY] / turn[0] - 1) / MANY)
    shares = [share_of_epochs(loaders) for _ in range(max(2, asked.repeats // 4))]
    print("| | CPU time |\n|:---|---:|")
    print(f"| a training step without it | {statistics.mean(bare):.3f} ms |")
    print(f"| a training step with it, more by | {_percent(ratios)} |")
    print(f"| its work at a validation of 6,000 examples, of an epoch of 54,000 | {_percent(shares)} |")


def _percent(shares: list[float]) -> str:
    stderr = statistics.stdev(shares) / len(shares) ** 0.5 if len(shares) > 1 else float("nan")
    return f"{100 * statistics.mean(shares):.2f} ± {100 * stderr:.2f} %"


if __name__ == "__main__":
    main()
