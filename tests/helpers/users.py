"""LightningModules as three different users would write a VAE, and the terms that each gives the callback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence
from torch.utils.data import DataLoader, TensorDataset

from vae_rd import RateDistortionCallback

PIXELS, UNITS = 12, 3
QUIET: dict[str, Any] = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "logger": False,
    "enable_checkpointing": False,
    "accelerator": "cpu",
}


def images(n: int, seed: int) -> TensorDataset:
    """Bits that a few causes decide, with labels."""
    noise = torch.Generator().manual_seed(seed)
    cause = torch.randint(2, (n, 3), generator=noise)
    return TensorDataset(cause.repeat_interleave(4, 1).float(), cause[:, 0])


def loader(n: int, seed: int, batch_size: int = 64, **given: Any) -> DataLoader[Any]:
    return DataLoader(images(n, seed), batch_size, **given)


class Functional(LightningModule):
    """A loss as a sum over pixels and units, computed in training_step."""

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.beta = beta
        self.enc, self.dec = nn.Linear(PIXELS, 2 * UNITS), nn.Linear(UNITS, PIXELS)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return tuple(self.enc(x).chunk(2, 1))  # type: ignore[return-value]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, _ = batch
        mu, log_var = self.encode(x)
        z = mu + torch.randn_like(mu) * (0.5 * log_var).exp()
        bce = F.binary_cross_entropy_with_logits(self.dec(z), x, reduction="sum") / len(x)
        return bce + self.beta * 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).mean()

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        pass

    def test_step(self, batch: Any, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 0.01)


def functional_terms(module: Functional, batch: Any) -> Any:
    mu, log_var = module.encode(batch[0])
    return Independent(Normal(mu, (0.5 * log_var).exp()), 1), lambda z: Independent(Bernoulli(logits=module.dec(z)), 1)


class Logging(LightningModule):
    """Distributions, dropout, and self.log of means, of batches that are dicts."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body = nn.Sequential(nn.Linear(PIXELS, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout())
        self.mu, self.scale = nn.Linear(16, UNITS), nn.Linear(16, UNITS)
        self.dec = nn.Linear(UNITS, PIXELS)

    def q(self, x: Tensor) -> Independent:
        h = self.body(x)
        return Independent(Normal(self.mu(h), F.softplus(self.scale(h)) + 1e-3), 1)

    def p(self, z: Tensor) -> Independent:
        return Independent(Normal(self.dec(z), 0.5), 1)

    def _step(self, batch: Any, stage: str) -> Tensor:
        q = self.q(batch["image"])
        nll = -self.p(q.rsample()).log_prob(batch["image"])
        kl = kl_divergence(q, Independent(Normal(torch.zeros(UNITS), 1.0), 1))
        self.log(f"{stage}_nll", nll.mean())
        self.log(f"{stage}_kl", kl.mean())
        return (nll + kl).mean()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self._step(batch, "train")

    def validation_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self._step(batch, "val")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.001)


def as_dicts(items: list[Any]) -> dict[str, Tensor]:
    x, y = torch.utils.data.default_collate(items)
    return {"image": x, "label": y}


def logging_terms(module: Logging, batch: Any) -> Any:
    return batch["image"], module.q(batch["image"]), module.p


class TwoOptimisers(Functional):
    """Manual optimisation of encoder and decoder in turn, under a warm-up of beta."""

    def __init__(self) -> None:
        super().__init__(beta=2.0)
        self.automatic_optimization = False
        self.weight = 0.0

    def training_step(self, batch: Any, batch_idx: int) -> None:  # type: ignore[override]
        self.weight = min(self.beta, self.weight + 0.5)
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch, batch_idx))
            optimizer.step()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:  # type: ignore[override]
        return [torch.optim.Adam(part.parameters(), 0.01) for part in (self.enc, self.dec)]


class Still(Functional):
    """Whose weights stay, so that several processes have those of one."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.0)


def watched(folder: Path, processes: int) -> None:
    """A fit of so many processes under the callback.

    Of 621 examples the sampler of two processes repeats one, in the second of two chunks of noise.
    """
    rd = RateDistortionCallback(functional_terms, folder=folder, train_examples=100)
    several = {"devices": processes, "strategy": "ddp" if processes > 1 else "auto"}
    fitted(Still(), rd, epochs=2, loaders=[loader(256, 0), loader(621, 1)], **several)


def fitted(module: LightningModule, *callbacks: Any, epochs: int = 2, **given: Any) -> Trainer:
    """A trainer that has fitted a module to small loaders."""
    collate = {"collate_fn": as_dicts} if isinstance(module, Logging) else {}
    loaders = given.pop("loaders", None) or [loader(256, 0, **collate), loader(620, 1, **collate)]
    ckpt = given.pop("ckpt_path", None)
    trainer = Trainer(**{**QUIET, "max_epochs": epochs, "callbacks": list(callbacks), **given})
    trainer.fit(module, *loaders, ckpt_path=ckpt)
    return trainer
