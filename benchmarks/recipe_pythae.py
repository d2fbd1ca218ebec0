"""The network of benchmarks/recipe.py under pythae's default trainer: static MNIST, 784-512-512-32, 8 epochs.

    VAE_RD_DATA=... python benchmarks/recipe_pythae.py [--seeds 3] [--epochs 8] [--batch_size 64]

Runs in an environment with benchmarks/requirements.txt. Everything but the number of epochs is as pythae has it: Adam
at 1e-4, batches of 64, ReLU layers that start as torch's do, the weights of the epoch with the least validation loss.
D and R of the test split are this file's own: sums over pixels and units, one draw of z an image. Each model leaves a
JSON file beside the runs of recipe.py (`--runs`), whose table has them; a second call does what is missing. With
`--values` it also leaves D + beta R of each test image, which benchmarks/cost.py holds against that of other models.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pythae.data.datasets import BaseDataset
from pythae.models import AutoModel, BetaVAE, BetaVAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor, nn

WIDTH, LATENT = 512, 32
BETAS = (0.01, 0.1, 1.0, 10.0)


class Encoder(BaseEncoder):
    """x to the moments of q(z|x)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(784, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.mu, self.log_var = nn.Linear(WIDTH, LATENT), nn.Linear(WIDTH, LATENT)

    def forward(self, x: Tensor) -> Any:
        """Images [B, 1, 28, 28] to means and log variances, [B, 32] each."""
        h = self.trunk(x)
        return ModelOutput(embedding=self.mu(h), log_covariance=self.log_var(h))


class Decoder(BaseDecoder):
    """z to the probability of each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(LATENT, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 784)
        )

    def forward(self, z: Tensor) -> Any:
        """z [B, 32] to images of probabilities, [B, 1, 28, 28]."""
        return ModelOutput(reconstruction=self.net(z).sigmoid().unflatten(1, (1, 28, 28)))


def splits() -> dict[str, Tensor]:
    """Pixels of 0 and 1, [N, 1, 28, 28]."""
    with np.load(Path(os.environ["VAE_RD_DATA"]) / "static_mnist" / "binarized_mnist_fixed.npz") as arrays:
        names = ("train", "valid", "test")
        return {name: torch.from_numpy(arrays[name].astype(np.float32)).reshape(-1, 1, 28, 28) for name in names}


def trained(data: dict[str, Tensor], *, beta: float, seed: int, epochs: int, batch_size: int) -> nn.Module:
    """The model that pythae keeps."""
    torch.manual_seed(seed)
    settings = BetaVAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT, reconstruction_loss="bce", beta=beta)
    model = BetaVAE(settings, Encoder(), Decoder())
    sets = {name: BaseDataset(x, torch.zeros(len(x))) for name, x in data.items()}
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"per_device_train_batch_size": batch_size, "per_device_eval_batch_size": batch_size}
        training = BaseTrainerConfig(output_dir=folder, num_epochs=epochs, no_cuda=True, seed=seed, **sizes)
        BaseTrainer(model, sets["train"], eval_dataset=sets["valid"], training_config=training).train()
        (kept,) = Path(folder).glob("*/final_model")
        return AutoModel.load_from_folder(str(kept)).eval()


@torch.no_grad()
def measured(model: Any, x: Tensor) -> dict[str, Tensor]:
    """D and R of each of these images, [N]."""
    torch.manual_seed(0)
    out = model.encoder(x)
    mu, log_var = out.embedding, out.log_covariance
    logits = model.decoder.net(mu + (0.5 * log_var).exp() * torch.randn_like(mu))
    distortion = F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="none").sum(1)
    rate = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(1)
    return {"distortion": distortion.double(), "rate": rate.double()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Static MNIST by pythae's default trainer.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--betas", type=float, nargs="+", default=BETAS)
    parser.add_argument("--values", action="store_true")
    parser.add_argument("--runs", type=Path, default=Path("runs/recipe"))
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    folder, data = options.runs / "static_mnist" / str(options.epochs) / "pythae", splits()
    folder.mkdir(parents=True, exist_ok=True)
    seeds, sizes = range(options.first_seed, options.first_seed + options.seeds), {"batch_size": options.batch_size}
    for seed, beta in itertools.product(seeds, options.betas):
        if not (file := folder / f"beta{beta:g}-seed{seed}.json").exists():
            began, cpu = time.perf_counter(), time.process_time()
            model = trained(data, beta=beta, seed=seed, epochs=options.epochs, **sizes)
            found: dict[str, Any] = {
                "cpu_seconds": time.process_time() - cpu,
                "wall_seconds": time.perf_counter() - began,
            }
            values = measured(model, data["test"])
            found |= {name: value.mean().item() for name, value in values.items()}
            found |= {"beta": beta, "seed": seed, "seconds": time.perf_counter() - began}
            found["objective"] = found["distortion"] + beta * found["rate"]
            if options.values:
                np.save(file.with_suffix(".npy"), (values["distortion"] + beta * values["rate"]).numpy())
            file.write_text(json.dumps(found))
            print(file.name, found, flush=True)


if __name__ == "__main__":
    main()
