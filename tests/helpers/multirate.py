"""Small VAEs of a range of betas, the plain ones of the same flags, and what to measure them on."""

from __future__ import annotations

import torch

from vae_rd.config.fields import FitConfig
from vae_rd.experiment import build
from vae_rd.model.stated import Terms
from vae_rd.model.vae import VAE

from helpers.members import card

SHAPE = (1, 6, 5)


def made(trunk: str = "mlp", **flags) -> VAE:
    widths = {"linear": None, "mlp": [5]}.get(trunk, [3, 4])
    settings = {"encoder": trunk, "decoder": trunk, "hidden": widths, "latent_dim": 2, **flags}
    return build.build_model(FitConfig(**settings), card(shape=SHAPE)).eval()


def multirate(trunk: str = "mlp", **flags) -> VAE:
    return made(trunk, objective="multirate", beta_range=[0.1, 8.0], **{"beta": 2.0, **flags})


def inputs(model: VAE, samples: int = 2, examples: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.Generator().manual_seed(1)
    x = (torch.rand(examples, *SHAPE, generator=noise) > 0.5).double()
    return x, model.noise(samples, x, noise)


def values(terms: Terms) -> torch.Tensor:
    """D and R of each draw and example, [2, S, B]."""
    return torch.stack([terms.distortion, terms.rate])
