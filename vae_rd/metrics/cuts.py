"""What each latent unit is worth to D: how much D rises when the unit alone is held at its mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from vae_rd.data.base import EVAL_CHUNK, subset
from vae_rd.data.dataset import DataSet
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.model.terms import DrawnTerms
from vae_rd.model.vae import VAE
from vae_rd.run.record import Json, known

EXAMPLES = 1_000
PASSES = 32_000  # Of an example through the decoder, over all units: 1 % of ten epochs of MNIST.


@torch.no_grad()
def cut_distortion(model: VAE, data: DataSet, split: str, *, seed: int) -> Json:
    """The rise of D by units when z_d is replaced by its mean over q(z_d), for every x, and the rest of z stays.

        E[-ln p(x|z with z_d := E z_d)] - E[-ln p(x|z)]

    What one who leaves the unit out has: a constant in its place. Draws from the prior would add their own noise to D.
    Both terms are of the same draws, so the standard error is that of a paired difference.

    Args:
        model: on the same device as the data's pixels.
        data: the data set.
        split: whose examples, a random subset of at most EXAMPLES, and of fewer where there are many units.
        seed: of the subset and of the draws.

    Returns:
        value and stderr by units, n; null where q(z|x) is no product over units, or a model's terms are its own.
    """
    n = min(len(data.pixels[split]), EXAMPLES, max(2, PASSES // model.latent_dim))
    if type(model).terms is not VAE.terms:
        return {"value": None, "stderr": None, "n": n}
    was_training = model.training
    model.eval()
    index = subset(len(data.pixels[split]), n, seed, "cut", split).sort().values
    noise = generator("cpu", seed, "cut", split, "noise")
    parts = zip(data.examples(split, index).split(EVAL_CHUNK), index.split(EVAL_CHUNK), strict=True)
    found = cut_entry(
        model, [model.terms(x, model.noise(1, x, noise), **data.scored(split, some)) for x, some in parts]
    )
    model.train(was_training)
    return found


def cut_entry(model: VAE, parts: Sequence[DrawnTerms]) -> Json:
    """The same of examples whose z are drawn already, batch after batch."""
    n = sum(len(terms.x) for terms in parts)
    rises = _rises(model, parts)
    if rises is None:
        return {"value": None, "stderr": None, "n": n}
    found = [mean_and_stderr(rise[None], population=False) for rise in rises]
    values, stderrs = map(known, zip(*found, strict=True))
    return {"value": values, "stderr": stderrs, "n": n, "resampled": "x, z"}


def _rises(model: VAE, parts: Sequence[DrawnTerms]) -> Tensor | None:
    """The rise of each unit and example, [D, N]; None where a posterior is no product of normals."""
    factors = [terms.groups[0].posterior.factors() for terms in parts]
    means = [moments.mean for moments in factors if moments is not None]
    if len(means) < len(parts):
        return None
    centre = torch.cat(means).mean(0)
    return torch.cat([torch.stack(list(_rises_of(model, terms, centre))) for terms in parts], 1)


def _rises_of(model: VAE, terms: DrawnTerms, centre: Tensor) -> Iterator[Tensor]:
    for unit, mean in enumerate(centre):
        z = terms.z.clone()
        z[..., unit] = mean
        yield (terms.log_px_z - model.decoder(z).log_prob(terms.x)).mean(0).to("cpu", torch.float64)
