"""What RateDistortionCallback costs a plain LightningModule: CPU time of training steps with and without it, and of its
work at a validation as a share of an epoch.

    python benchmarks/callback.py [--repeats 12] [--epochs 2]

A VAE of 784-400-20 units, 54,000 examples of 784 bits in batches of 128, 6,000 of validation; one thread. Fits with and
without the callback alternate, each pair in the other order than the one before. Steps are timed from the start of an
epoch's first batch to the end of its last, validation apart.
"""

from __future__ import annotations

import argparse
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
    """CPU seconds of training steps and of whole epochs, validation and all."""

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


def fit(loaders: list[Any], epochs: int, folder: str | None) -> tuple[Clock, Timed | None]:
    """One fit, with the callback where there is a folder for it."""
    clock, rd = Clock(), None if folder is None else Timed(terms, folder=folder, overwrite=True)
    trainer = Trainer(max_epochs=epochs, callbacks=[clock] if rd is None else [clock, rd], **QUIET)
    trainer.fit(Module(), *loaders)
    return clock, rd


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=2)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    loaders = [DataLoader(bits(54_000, 1), BATCH, shuffle=True), DataLoader(bits(6_000, 2), BATCH)]
    ratios, shares, bare = list[float](), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(asked.repeats + 1):
            arms = [None, folder] if repeat % 2 else [folder, None]
            found = {arm: fit(loaders, asked.epochs, arm) for arm in arms}
            (plain, _), (beside, rd) = found[None], found[folder]
            if repeat and rd is not None:  # The first pair warms up.
                steps = len(loaders[0]) * asked.epochs
                bare.append(1e3 * sum(plain.steps) / steps)
                ratios.append(sum(beside.steps) / sum(plain.steps) - 1)
                shares.append(rd.spent / sum(plain.epochs))
    print("| | CPU time |\n|:---|---:|")
    print(f"| a training step without it | {statistics.mean(bare):.3f} ms |")
    print(f"| a training step with it, more by | {_percent(ratios)} |")
    print(f"| its work at a validation, of an epoch | {_percent(shares)} |")


def _percent(shares: list[float]) -> str:
    stderr = statistics.stdev(shares) / len(shares) ** 0.5 if len(shares) > 1 else float("nan")
    return f"{100 * statistics.mean(shares):.2f} ± {100 * stderr:.2f} %"


if __name__ == "__main__":
    main()
