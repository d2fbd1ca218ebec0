"""Every member of every table, at a size at which it can be enumerated or integrated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vae_rd.config.fields import FitConfig
from vae_rd.data.base import DataCard, Entropy
from vae_rd.experiment import tables
from vae_rd.model.autoregressive import AutoregressiveDecoder
from vae_rd.model.coders import Decoder, Encoder
from vae_rd.model.nn.mlp import mlp_encoder
from vae_rd.model.nn.raster import Raster
from vae_rd.run.record import SPLITS

SHAPE = (1, 1, 3)
LATENT_DIM = 2
LEVELS = 4


def card(kind: str = "binary", shape: tuple[int, int, int] = SHAPE) -> DataCard:
    """A card whose x is of a kind, of LEVELS grey levels where it has any."""
    none, unknown = dict.fromkeys(SPLITS, False), dict.fromkeys(SPLITS, Entropy())
    support, scale, levels = {
        "levels": ("grey", f"k / {LEVELS - 1}", LEVELS),
        "unit": ("real", f"(k + u) / {LEVELS}", LEVELS),
    }.get(kind, (kind, None, None))
    return DataCard("npz", dict.fromkeys(SPLITS, 9), shape, support, none, scale, unknown, {}, levels=levels)


def config(**fields) -> FitConfig:
    return FitConfig(latent_dim=LATENT_DIM, hidden=[4], flow_transforms=2, **fields)


def posterior(word: str, *, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return moved(tables.POSTERIORS[word](config(posterior=word), card(), mlp_encoder(SHAPE, [4], nn.SiLU)))


class Held(nn.Module):
    """A prior beside the encoder that it may be made of, as a VAE holds both."""

    def __init__(self, encoder: nn.Module, prior: nn.Module) -> None:
        super().__init__()
        self.encoder, self.prior = encoder, prior

    def forward(self) -> Distribution:
        return self.prior()


def held(word: str, *, seed: int = 0) -> Held:
    """The prior with parameters that are not those it begins with, which may be the same for all units."""
    torch.manual_seed(seed)
    encoder = Encoder(trunk := mlp_encoder(SHAPE, [4], nn.SiLU), tables.POSTERIORS["diagonal"](config(), card(), trunk))
    return Held(encoder, moved(tables.PRIORS[word](config(prior=word), card(), encoder)))


def prior(word: str, *, seed: int = 0) -> nn.Module:
    return held(word, seed=seed).prior


def likelihood(word: str, kind: str | None = None, *, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    made = tables.LIKELIHOODS[word](config(likelihood=word), card())
    return moved(tables.LIKELIHOODS[word](config(likelihood=word), card(kind or made.supports[0])))


def decoder(
    word: str,
    head: nn.Module,
    shape: tuple[int, int, int] = SHAPE,
    *,
    width: int = 6,
    latent_dim: int = LATENT_DIM,
) -> nn.Module:
    """A decoder of the table before a likelihood, for images of a shape."""
    row = tables.TRUNKS[word]
    widths = [width] if row.hidden else []
    if row.autoregressive is not None:
        raster = Raster(shape, params_per_value=head.params_per_value, together=head.together)
        return AutoregressiveDecoder(row.autoregressive(raster, widths, latent_dim, nn.SiLU), head)
    parameters = (head.params_per_value * shape[0], *shape[1:])
    return Decoder(row.decoder(parameters, widths, latent_dim, nn.SiLU), head)


def moved(module: nn.Module) -> nn.Module:
    """A module whose parameters are each a little elsewhere, those of wide layers by less."""
    with torch.no_grad():
        for parameter in module.parameters():
            inputs = parameter.shape[-1] if parameter.ndim == 2 else 1
            parameter.add_(0.3 * torch.randn_like(parameter) / inputs**0.5)
    return module


def gradients(module: nn.Module, loss: Tensor) -> list[str]:
    """The parameters that no gradient of the loss reaches."""
    named = dict(module.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True, retain_graph=True)
    return [name for name, grad in zip(named, found, strict=True) if grad is None or not grad.abs().sum() > 0]


def stacked(modules: Sequence[nn.Module], call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """`call(module, *inputs)` of every module at once, by vmap over their stacked parameters."""
    parameters, buffers = torch.func.stack_module_state(list(modules))
    skeleton = modules[0]

    class Called(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.skeleton = skeleton

        def forward(self, *values: Tensor) -> Tensor:
            return call(self.skeleton, *values)

    called = Called()

    def of_one(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        state = {f"skeleton.{name}": value for name, value in (parameters | buffers).items()}
        return torch.func.functional_call(called, state, inputs)

    if not parameters and not buffers:
        return torch.stack([call(module, *inputs) for module in modules])
    return torch.func.vmap(of_one, randomness="error")(parameters, buffers)


def grid(low: float, high: float, points: int, dims: int) -> tuple[Tensor, float]:
    """All points of a grid, [points^dims, dims], and the volume of a cell."""
    axis = torch.linspace(low, high, points)
    return torch.cartesian_prod(*[axis] * dims).reshape(-1, dims), ((high - low) / (points - 1)) ** dims


def every_z(head: nn.Module, points: int) -> tuple[Tensor, float]:
    """All z that there are, [M, D], or a grid of them, and what each stands for in a sum."""
    return grid(-14, 14, points, LATENT_DIM) if head.is_continuous else (torch.eye(LATENT_DIM), 1.0)


def is_one(total: Callable[[int], Tensor], points: int) -> bool:
    """Whether a sum over a grid is one, within 1e-6 and the error of the grid.

    That error is what halving the grid changes, 2e-3 at most: it is zero for sums over all values, tiny for smooth
    densities, and large where a density has kinks.
    """
    fine, coarse = total(points), total((points + 1) // 2)
    return bool(((fine - 1).abs() < 1e-6 + (2 * (fine - coarse).abs()).clamp(max=2e-3)).all())
