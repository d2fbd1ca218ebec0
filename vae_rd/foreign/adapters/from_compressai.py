"""Image codecs of CompressAI, whose forward pass gives {"x_hat": ..., "likelihoods": {name: tensor}}.

In eval mode the latents are rounded: z is a function of x, whose code under the entropy model takes

    R = -sum ln P(z)        nats an image, over all latents and hyperlatents

which is KL(delta_z(x) || P) of a discrete z. That q has no density to compare pairs of images by, so the lower bound
on I, active units and a verdict on them are null; I <= R holds all the same. D is of a p(x|z) that is stated.

Source: https://github.com/InterDigitalInc/CompressAI, compressai/models/google.py; Balle et al. 2018, arXiv 1802.01436.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vae_rd.errors import InputError
from vae_rd.foreign.adapters.observation import Observation, observation, statement
from vae_rd.foreign.collecting import Seen, of_terms
from vae_rd.foreign.loaders import batches
from vae_rd.foreign.modules import device_of, measured
from vae_rd.model.stated import Terms

if TYPE_CHECKING:
    from vae_rd.foreign.result import RateDistortionResult


def compressai(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    likelihood: str | Observation | None = None,
    scale: float | None = None,
    key: str | int | None = None,
    **more: Any,
) -> RateDistortionResult:
    """D and R of an image codec of CompressAI, latents rounded as they are coded.

    Args:
        model: of `compressai.models` or `compressai.zoo`, on the device to be used.
        loader: as of `vae_rd.rate_distortion`; x of one size, on the scale that the model takes, 0..1.
        likelihood: has to be stated: "gaussian", "laplace", or a function from x_hat to p(x|z).
        scale: of the first two, in the units of x; docs/adapters.md says which one a lambda implies.
        key: as of `vae_rd.rate_distortion`.
        more: of `vae_rd.foreign.collecting.of_terms`, as `beta`, `entropy` and `split`.

    Raises:
        InputError: for a model without likelihoods, a likelihood that is not stated, and as `vae_rd.rate_distortion`.
    """
    p, examples = observation(likelihood, scale), batches(loader, key)
    first = next(examples)
    said = {"distortion": statement(likelihood, p, first[0].numel())} | more
    with measured([model]):
        return of_terms(_seen(model, chain([first], examples), p), **said)


def _seen(model: nn.Module, examples: Iterable[Tensor], p: Observation) -> Iterator[Seen]:
    device = device_of([model])
    for x in examples:
        found = model(there := x.to(device))
        if not isinstance(found, Mapping) or not {"x_hat", "likelihoods"} <= set(found):
            raise InputError("compressai: the model returned no x_hat and likelihoods; give one of compressai.models")
        log_px_z = p(found["x_hat"]).log_prob(there)
        yield Seen(Terms.stated(log_px_z=log_px_z[None], rate=code_length(found["likelihoods"])[None]), x=x)


def code_length(likelihoods: Mapping[str, Tensor]) -> Tensor:
    """-sum ln P over all latents of each image, [B], float64.

    Args:
        likelihoods: of each latent by its group, [B, ...] each.

    Example:
        >>> nats = code_length({"y": torch.full((2, 3, 4, 4), 0.5), "z": torch.full((2, 1), 0.25)})
        >>> (nats / 0.6931471805599453).round().tolist()
        [50.0, 50.0]
    """
    return torch.stack([-part.double().log().flatten(1).sum(1) for part in likelihoods.values()]).sum(0)
