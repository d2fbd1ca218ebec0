"""D and R of models of other libraries by vae_rd.adapters, and by the functions of these libraries themselves.

    python benchmarks/adapters.py --venvs FOLDER [--write]   # one environment a library, made where it is missing
    python benchmarks/adapters.py --library pythae           # in an environment that has it and vae_rd

Small models of the libraries' real classes, of random weights (of scvi-tools trained for an epoch), on random data.
Both sides see the same draws of z: "theirs" is the loss that the library minimises, taken apart by its own code, with
the constant of the density added where the library leaves it out. `--write` puts the table into docs/adapters.md.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from known_answers.tables import ROOT, put_table
from torch import Tensor

from vae_rd import adapters
from vae_rd.functional.seeding import generator

DOCS = ROOT / "docs" / "adapters.md"
# Besides torch: what each environment needs of its library.
PACKAGES = {
    "pythae": ["pythae==0.1.2"],
    "diffusers": ["diffusers==0.42.1"],
    "scvi-tools": ["scvi-tools==1.4.2"],
    "compressai": ["compressai==1.2.8"],
}
HEAD = "| library | model | D | D of theirs | R | R of theirs | largest difference, relative |"
N, CLOSE = 12, 1e-5


class Compared(NamedTuple):
    """Means over examples by both."""

    model: str
    distortion: float
    rate: float
    their_distortion: float
    their_rate: float

    def row(self, library: str) -> str:
        """Of the table."""
        pairs = ((self.distortion, self.their_distortion), (self.rate, self.their_rate))
        most = max(abs(own - other) / abs(other) for own, other in pairs)
        (d, their_d), (r, their_r) = pairs
        if not most <= CLOSE:
            raise SystemExit(f"{library}, {self.model}: {pairs} differ by {most:.2g}, more than {CLOSE}")
        numbers = " | ".join(f"{number:.5f}" for number in (d, their_d, r, their_r))
        return f"| {library} {version(library)} | {self.model} | {numbers} | {most:.1e} |"


def of(result: Any) -> tuple[float, float]:
    """D and R of an adapter's result."""
    return result["distortion"]["value"], result["rate"]["value"]


def noise(*shape: int) -> Tensor:
    """That of the first batch of `vae_rd.rate_distortion` at seed 0."""
    return torch.randn(1, shape[0], math.prod(shape[1:]), generator=generator("cpu", 0, "evaluation", "test", 0))


def normal_constant(values: int, scale: float) -> float:
    """0.5 N ln(2 pi s^2), which losses of squared errors leave out."""
    return 0.5 * values * math.log(2 * math.pi * scale**2)


@torch.no_grad()
def pythae() -> Iterator[Compared]:
    """Against `loss_function`, and a VAMP's R against its own `_log_p_z`."""
    from pythae import models

    shape, bits = (1, 8, 8), torch.rand(N, 1, 8, 8).round()
    settings = {"input_dim": shape, "latent_dim": 4}
    kinds = {
        "VAE, mse": models.VAE(models.VAEConfig(reconstruction_loss="mse", **settings)),
        "BetaVAE, bce": models.BetaVAE(models.BetaVAEConfig(reconstruction_loss="bce", beta=4.0, **settings)),
        "VAMP, bce": models.VAMP(models.VAMPConfig(reconstruction_loss="bce", number_components=5, **settings)),
    }
    for name, net in kinds.items():
        net.eval()
        with tempfile.TemporaryDirectory() as folder:
            net.save(folder)
            own = of(adapters.pythae(folder, bits))
        found = net.encoder(bits)
        z = found.embedding + (0.5 * found.log_covariance).exp() * noise(*found.embedding.shape)[0]
        reconstruction = net.decoder(z)["reconstruction"]
        arguments = [reconstruction, bits, found.embedding, found.log_covariance, z]
        _, d, r = net.loss_function(*arguments, *([0] if name.startswith("VAMP") else []))
        their_d = d.item() + (normal_constant(64, 1.0) if name.endswith("mse") else 0.0)
        yield Compared(name, *own, their_d, r.item())


@torch.no_grad()
def diffusers() -> Iterator[Compared]:
    """Against `latent_dist.kl()`, and a density of `decode(z).sample` by torch."""
    from diffusers import AutoencoderKL
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
    from torch.distributions import Laplace

    blocks = {"block_out_channels": (8, 8), "down_block_types": ("DownEncoderBlock2D",) * 2, "norm_num_groups": 2}
    vae = AutoencoderKL(**blocks, up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=2).eval()
    x = 2 * torch.rand(N, 3, 16, 16) - 1
    own = of(adapters.diffusers(vae, x, likelihood="laplace", scale=0.05))
    q = vae.encode(x).latent_dist
    z = q.mean + q.std * noise(*q.mean.shape)[0].view_as(q.mean)
    d = -Laplace(vae.decode(z).sample, 0.05).log_prob(x).double().sum()
    yield Compared("AutoencoderKL, laplace b = .05", *own, d.item() / N, q.kl().mean().item())

    fitted = of(adapters.diffusers(vae, x, likelihood="laplace", scale=0.05, prior="fitted"))
    mean, square = (part.mean((0, 2, 3), keepdim=True) for part in (q.mean, q.mean**2 + q.var))
    best = DiagonalGaussianDistribution(
        torch.cat([mean, (square - mean**2).log()], 1).expand(-1, -1, *q.mean.shape[2:])
    )
    yield Compared("the same, R against a fitted m(z)", *fitted, d.item() / N, q.kl(best).mean().item())


def scvi_tools() -> Iterator[Compared]:
    """Against the densities that the module makes and `get_reconstruction_error`, under the same seed."""
    import anndata
    import numpy as np
    import scvi
    from scipy.sparse import csr_matrix
    from torch.distributions import kl_divergence

    counts = np.random.default_rng(0).negative_binomial(2, 0.3, (60, 12)).astype(np.float32) + np.eye(60, 12)
    cells = anndata.AnnData(csr_matrix(counts.astype(np.float32)))  # Sparse, as most counts of cells are.
    cells.obs["batch"] = np.tile(["a", "b"], 30)
    scvi.model.SCVI.setup_anndata(cells, batch_key="batch")
    kinds: dict[str, dict[str, Any]] = {
        "SCVI, zinb": {},
        "SCVI, nb, library size a latent": {"gene_likelihood": "nb", "use_observed_lib_size": False},
        "SCVI, poisson, z on a simplex": {"gene_likelihood": "poisson", "latent_distribution": "ln"},
    }
    for name, settings in kinds.items():
        scvi.settings.seed = 0
        model = scvi.model.SCVI(cells, n_latent=3, n_hidden=8, **settings)
        model.train(max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False)
        own = of(adapters.scvi(model))
        said = float(model.get_reconstruction_error(dataloader=seeded(model, cells))["reconstruction_loss"])
        d = r = 0.0
        for batch in seeded(model, cells):
            with torch.no_grad():
                inferred, made, _ = model.module(batch)
            d -= made["px"].log_prob(batch["X"]).sum().item() / len(cells)
            pairs = [(inferred[f"q{name}"], made[f"p{name}"]) for name in "zl" if inferred.get(f"q{name}") is not None]
            r += sum(kl_divergence(q, m).sum().item() for q, m in pairs) / len(cells)
        if abs(said - d) > CLOSE * d:
            raise SystemExit(f"get_reconstruction_error is {said}, and {d} by the density that the module made")
        yield Compared(name, *own, d, r)


def seeded(model: Any, cells: Any) -> Iterator[Any]:
    """Batches of cells, torch's stream begun for each as the adapter begins it."""
    from vae_rd.foreign.adapters.from_scvi import seed_of

    model.module.eval()
    for number, batch in enumerate(model._make_data_loader(cells, batch_size=128)):
        torch.manual_seed(seed_of(0, number))
        yield batch


@torch.no_grad()
def compressai() -> Iterator[Compared]:
    """Against `RateDistortionLoss`: bits per pixel, and a mean of squared errors."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:  # It was built for another device; CompressAI uses no operation of it.
        library = torch.library.Library("torchvision", "DEF")
        for operation in ("nms", "qnms"):
            library.define(f"{operation}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from compressai import models
    from compressai.losses import RateDistortionLoss

    x, s = torch.rand(N, 3, 64, 64), 0.1
    for kind in ("FactorizedPrior", "ScaleHyperprior", "MeanScaleHyperprior"):
        model = getattr(models, kind)(8, 12).eval()
        own = of(adapters.compressai(model, x, likelihood="gaussian", scale=s))
        loss = RateDistortionLoss(metric="mse")(model(x), x)
        d = loss["mse_loss"].item() * x[0].numel() / (2 * s**2) + normal_constant(x[0].numel(), s)
        yield Compared(f"{kind}, gaussian s = {s}", *own, d, loss["bpp_loss"].item() * 64 * 64 * math.log(2))


LIBRARIES: dict[str, Callable[[], Iterator[Compared]]] = {
    "pythae": pythae,
    "diffusers": diffusers,
    "scvi-tools": scvi_tools,
    "compressai": compressai,
}


def python_of(venvs: Path, library: str) -> Path:
    """The interpreter of a library's environment, which is made where it is missing."""
    folder = venvs / library
    if not (found := folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [found, "-m", "pip", "install", "-q", f"torch=={version('torch')}", "-e", ROOT, *PACKAGES[library]]
        subprocess.run(install, check=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--venvs", type=Path, help="where the environments are or are made")
    where.add_argument("--library", choices=[*LIBRARIES])
    parser.add_argument("--write", action="store_true", help="put the table into docs/adapters.md")
    options = parser.parse_args()
    if options.library:
        torch.manual_seed(0)
        for compared in LIBRARIES[options.library]():
            print(compared.row(options.library), flush=True)
        return
    rows = []
    for library in LIBRARIES:
        command = [python_of(options.venvs, library), __file__, "--library", library]
        shown = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found = [line for line in shown.splitlines() if line.startswith(f"| {library} ")]
        print("\n".join(found), flush=True)
        rows += found
    if options.write:
        table = "\n".join([HEAD, "|:---|:---|---:|---:|---:|---:|---:|", *rows])
        put_table(table, command="python benchmarks/adapters.py --venvs FOLDER --write", file=DOCS)


if __name__ == "__main__":
    main()
