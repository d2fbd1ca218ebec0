"""Tiny models with the documented interfaces of other libraries, float64, of seeded weights: what CI has of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import NegativeBinomial, Normal

SHAPE, LATENT = (1, 4, 4), 3


class Found(dict):
    """What pythae's networks return: a dict whose entries are attributes too."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class PythaeEncoder(nn.Module):
    """`encoder(x).embedding`, `.log_covariance`."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.log_var = nn.Linear(16, LATENT), nn.Linear(16, LATENT)

    def forward(self, x: Tensor) -> Found:
        return Found(embedding=self.embedding(x.flatten(1)), log_covariance=self.log_var(x.flatten(1)) - 1)


class PythaeDecoder(nn.Module):
    """`decoder(z)["reconstruction"]`, in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(LATENT, 16)

    def forward(self, z: Tensor) -> Found:
        return Found(reconstruction=torch.sigmoid(self.net(z)).reshape(-1, *SHAPE))


class PythaeModel(nn.Module):
    """A model of pythae as far as it is read: `encoder`, `decoder`, `model_config`, and of a VAMP its pseudo-inputs."""

    def __init__(self, name: str = "VAEConfig", reconstruction_loss: str = "bce", **more: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder, self.decoder = PythaeEncoder(), PythaeDecoder()
        self.model_config = SimpleNamespace(
            name=name, input_dim=SHAPE, latent_dim=LATENT, reconstruction_loss=reconstruction_loss, **more
        )
        self.pseudo_inputs, self.idle_input = nn.Sequential(nn.Linear(5, 16), nn.Hardtanh(0.0, 1.0)), torch.eye(5)
        self.double()
        self.idle_input = self.idle_input.double()


class KLAutoencoder(nn.Module):
    """An autoencoder of diffusers: latents [2, 2, 2] of x [3, 4, 4]."""

    def __init__(self, deterministic: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.deterministic = deterministic
        self.down, self.up = nn.Conv2d(3, 4, 2, 2), nn.ConvTranspose2d(2, 3, 2, 2)
        self.double()

    def encode(self, x: Tensor) -> SimpleNamespace:
        mean, logvar = self.down(x).chunk(2, 1)
        std = torch.zeros_like(mean) if self.deterministic else (0.5 * logvar).exp()
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=mean, logvar=logvar, std=std))

    def decode(self, z: Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=self.up(z))


class Codec(nn.Module):
    """A codec of CompressAI: rounded latents under a logistic entropy model, and hyperlatents of one value an image."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.down, self.up = nn.Conv2d(3, 2, 2, 2), nn.ConvTranspose2d(2, 3, 2, 2)
        self.double()

    def forward(self, x: Tensor) -> dict[str, Any]:
        y = (4 * self.down(x)).round()
        likelihood = torch.sigmoid(y + 0.5) - torch.sigmoid(y - 0.5)
        return {"x_hat": self.up(y / 4), "likelihoods": {"y": likelihood, "z": torch.full_like(x[:, :1, :1, :1], 0.25)}}


class CellModule(nn.Module):
    """The module of a model of scvi-tools: z and the library size are latents, counts are negative binomial."""

    def __init__(self, genes: int = 5, library: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.library = library
        self.z, self.l = nn.Linear(genes, 4), nn.Linear(genes, 2)
        self.mean = nn.Linear(2, genes)
        self.double()

    def forward(self, tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Any], Any]:
        x = tensors["X"]
        qz, ql = (_normal(net(torch.log1p(x))) for net in (self.z, self.l))
        z, size = qz.rsample(), ql.rsample() if self.library else x.sum(1, keepdim=True).log()
        rate = torch.softmax(self.mean(z), -1) * size.exp()
        px = NegativeBinomial(total_count=torch.full_like(rate, 2.0), logits=(rate / 2.0).log())
        pz, pl = Normal(torch.zeros_like(z), torch.ones_like(z)), Normal(torch.full_like(size, 2.0), 0.5)
        kl = {"kl_divergence_z": torch.distributions.kl_divergence(qz, pz).sum(-1)}
        kl["kl_divergence_l"] = torch.distributions.kl_divergence(ql, pl).sum(-1) if self.library else 0 * x[:, 0]
        loss = SimpleNamespace(reconstruction_loss={"reconstruction_loss": -px.log_prob(x).sum(-1)}, kl_local=kl)
        parts = {"qz": qz, "ql": ql if self.library else None, "z": z, "library": size}
        return parts, {"px": px, "pz": pz, "pl": pl if self.library else None}, loss


def _normal(moments: Tensor) -> Normal:
    mean, log_var = moments.chunk(2, -1)
    return Normal(mean, (0.5 * log_var - 1).exp())


class CellModel:
    """A model of scvi-tools as far as it is read; its data are counts, [N, genes]."""

    def __init__(self, counts: Tensor, module: nn.Module | None = None, minified: str | None = None) -> None:
        self.module, self.adata, self.minified_data_type = module or CellModule(counts.shape[1]), counts, minified

    def get_anndata_manager(self, adata: Tensor, required: bool) -> Tensor:
        assert required
        return adata


class CellLoader:
    """Of `scvi.dataloaders`: batches of the cells at `indices`, in their order."""

    def __init__(
        self, manager: Tensor, *, indices: Sequence[int] | None = None, batch_size: int = 128, shuffle: bool = True
    ) -> None:
        assert not shuffle
        self.cells = (manager if indices is None else manager[list(indices)]).split(batch_size)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return iter({"X": cells} for cells in self.cells)
