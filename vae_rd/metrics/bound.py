"""L_K of a split at fixed weights, by as many draws as a run's loss takes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_rd.data.dataset import DataSet
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.model.vae import VAE
from vae_rd.process.collectives import all_gather, own_shard
from vae_rd.run.record import Json, estimate

ROWS = 25_000  # Draws of z at a time.


@torch.no_grad()
def bound_of_draws(model: VAE, data: DataSet, split: str, *, draws: int, repeats: int, seed: int) -> Json:
    """The mean over a split of L_K = ln (1/K) sum_k p(x|z_k) m(z_k) / q(z_k|x), a lower bound on E ln p(x).

    Args:
        model: on the same device as the data's pixels.
        data: the data set.
        split: "train", "val" or "test".
        draws: K.
        repeats: independent L_K of each example; on a population the standard error takes two.
        seed: of the evaluation noise, which is apart from that of D and R.
    """
    population, was_training = data.card.population[split], model.training
    model.eval()
    found: dict[int, Tensor] = {}
    for chunk in own_shard(data.chunks(split)):
        noise = generator("cpu", seed, "bound", split, chunk)
        x, scored = data.evaluation_chunk(split, chunk), data.scored_chunk(split, chunk)
        found[chunk] = torch.stack([_of_chunk(model, x, draws, noise, **scored).cpu() for _ in range(repeats)])
    model.train(was_training)
    values = torch.cat([values for _, values in sorted(all_gather(found).items())], 1)
    mean, stderr = mean_and_stderr(values, population=population)
    return estimate(mean, stderr, values.shape[1], resampled="z" if population else "x, z", samples=draws)


def _of_chunk(model: VAE, x: Tensor, draws: int, noise: torch.Generator, *, target: Tensor | None = None) -> Tensor:
    """L_K of each example, [B], float64."""
    eps, rows = model.noise(draws, x, noise), max(1, ROWS // draws)
    log_w = []
    scored = x if target is None else target
    for part, its_noise, of in zip(x.split(rows), eps.split(rows, 1), scored.split(rows), strict=True):
        terms = model.terms(part, its_noise, target=None if target is None else of)
        log_w.append((terms.log_px_z + terms.log_mz - terms.log_qz).double())
    return torch.cat(log_w, 1).logsumexp(0) - math.log(draws)
