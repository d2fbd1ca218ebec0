"""Autoencoders of diffusers: `AutoencoderKL` and whatever has its `encode(x).latent_dist` and `decode(z).sample`.

Such a model is trained on absolute or squared errors, perceptual and adversarial terms, and a KL of weight 1e-6. None
of that is a density of x, so which p(x|z) its D is of has to be stated. Nor is N(0, I) what its latents follow, or what
a diffusion model samples them from: R is far above I, and what a fitted m(z) leaves of it is the more telling number.

Source: https://github.com/huggingface/diffusers, src/diffusers/models/autoencoders/vae.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from vae_rd.errors import InputError
from vae_rd.foreign.adapters.observation import Observation, observation
from vae_rd.foreign.loaders import batches
from vae_rd.foreign.measuring import rate_distortion
from vae_rd.foreign.modules import device_of, measured
from vae_rd.functional.precision import at_least_single

if TYPE_CHECKING:
    from vae_rd.foreign.result import RateDistortionResult

Marginal = Literal["normal", "fitted"]


def diffusers(
    vae: nn.Module,
    loader: Iterable[Any],
    *,
    likelihood: str | Observation | None = None,
    scale: float | None = None,
    prior: Marginal = "normal",
    **more: Any,
) -> RateDistortionResult:
    """D, R and I of an autoencoder of diffusers, its latents [C, H, W] taken as the C H W units of one z.

    D is that of the stated p(x|z) around `decode(z).sample`, R = E KL(q(z|x) || m(z)) that of
    `encode(x).latent_dist`, both in float32 at least, whatever the model's precision.

    Args:
        vae: of the model, any module with these two methods.
        loader: as of `vae_rd.rate_distortion`; x on the scale that the model takes, as -1..1.
        likelihood: has to be stated: "gaussian", "laplace", or a function from `decode(z).sample` to p(x|z).
        scale: of the first two, in the units of x.
        prior: "normal" for N(0, I); "fitted" for normals with the mean and variance of q(z) of each channel over the
            loader, which is gone through twice then. No scaling factor of latents changes that R.
        more: of `vae_rd.rate_distortion`.

    Raises:
        InputError: for a model whose latents have no distribution, a likelihood that is not stated, and as
            `vae_rd.rate_distortion`.
    """
    p, dtype = observation(likelihood, scale), _dtype(vae)

    def encoder(x: Tensor) -> Normal:
        return _latents(vae.encode(x.to(dtype)))  # type: ignore[operator]

    def decoder(z: Tensor) -> Distribution:
        return p(at_least_single(vae.decode(z.to(dtype)).sample))  # type: ignore[operator]

    m = _fitted(vae, encoder, batches(loader, more.get("key"))) if prior == "fitted" else None
    return rate_distortion(loader, encoder=lambda x: _one_event(encoder(x)), decoder=decoder, prior=m, **more)


def _dtype(vae: nn.Module) -> torch.dtype:
    return next(vae.parameters()).dtype


def _latents(found: Any) -> Normal:
    """q of every latent, [B, C, ...].

    Raises:
        InputError: where it has no distribution.
    """
    q = getattr(found, "latent_dist", None)
    std = getattr(q, "std", None)
    if q is None or std is None or not bool((std > 0).all()):
        remedy = "give one that has, as AutoencoderKL"
        raise InputError(f"diffusers: the latents of this autoencoder are points, so that R is undefined; {remedy}")
    scale = (0.5 * at_least_single(q.logvar)).exp()  # That of half precision is rounded after the exponential.
    return Normal(at_least_single(q.mean), scale, validate_args=False)


def _one_event(q: Normal) -> Distribution:
    return Independent(q, len(q.batch_shape) - 1, validate_args=False)


def _fitted(vae: nn.Module, encoder: Callable[[Tensor], Normal], examples: Iterable[Tensor]) -> Distribution:
    """The m(z) of least rate among normals of one mean and variance for each channel: the moments of q(z) there."""
    parts, n, device = list[Tensor](), 0, device_of([vae])
    with measured([vae]):
        for x in examples:
            q = encoder(x.to(device))
            channels = (part.double().transpose(0, 1).flatten(1) for part in (q.mean, q.mean**2 + q.variance))
            parts.append(torch.stack([part.sum(1) for part in channels]))
            n += q.mean[:, 0].numel()
    mean, square = torch.stack(parts).sum(0) / n
    shape = [-1] + [1] * (q.mean.dim() - 2)
    mean, std = (
        part.to(q.mean.dtype).reshape(shape).expand(q.mean.shape[1:]) for part in (mean, (square - mean**2).sqrt())
    )
    return Independent(Normal(mean, std, validate_args=False), mean.dim(), validate_args=False)
