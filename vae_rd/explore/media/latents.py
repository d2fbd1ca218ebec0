"""Where a model puts a fixed subset of the validation examples in the space of z, as arrays."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from vae_rd.data.base import EVAL_CHUNK
from vae_rd.data.dataset import DataSet
from vae_rd.explore.media.pictures import SPLIT, fixed_index
from vae_rd.functional.seeding import generator
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.vae import VAE

MOST = 2000  # Examples.
NUMBERS = 64 * MOST  # Of an array, of which many units have fewer examples: half a megabyte.


@torch.no_grad()
def latents(model: VAE, data: DataSet) -> dict[str, np.ndarray]:
    """q(z|x) of up to 2,000 validation examples, the same of every run on the data.

    Args:
        model: in eval mode, on the device of the data.
        data: whose validation examples are taken.

    Returns:
        `index`, their positions in the split, [n]; `mu` and `log_var`, E[z|x] and ln Var[z_d|x], [n, D] each, where
        these have a closed form and no variance is 0; `z`, one draw of q(z|x) each, [n, D]; `prior`, as many draws of
        m(z); and `labels/FACTOR`, [n], of every factor. All in single precision.
    """
    index = fixed_index(data, min(MOST, max(1, NUMBERS // model.latent_dim))).sort().values
    parts = [_encoded(model, data, some, part) for part, some in enumerate(index.split(EVAL_CHUNK))]
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    if "log_var" in found and not found["log_var"].isfinite().all():
        del found["log_var"]
    device = data.pixels[SPLIT].device
    found["prior"] = model.prior().sample((len(index),), generator=generator(device, "media", "marginal"))
    arrays = {name: values.float().cpu().numpy() for name, values in found.items()}
    labels = {f"labels/{name}": values[index.numpy()] for name, values in data.labels[SPLIT].items()}
    return {"index": index.numpy(), **arrays, **labels}


def _encoded(model: VAE, data: DataSet, index: Tensor, part: int) -> dict[str, Tensor]:
    x = data.examples(SPLIT, index)
    q = cast(Posterior, model.encoder(x))
    found = {"z": q.from_noise(model.noise(1, x, generator("cpu", "media", "latents", part))).z[0]}
    if (moments := q.moments()) is not None:
        found |= {"mu": moments.mean, "log_var": moments.variance.log()}
    return found
