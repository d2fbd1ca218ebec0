"""The noise of examples by their place among all, whatever batches and processes they come in."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_rd.data.base import EVAL_CHUNK
from vae_rd.functional.seeding import generator
from vae_rd.model.vae import VAE


class PlacedNoise:
    """Noise of fixed chunks of places, as `evaluate_split` draws it.

    Args:
        seed: of the noise.
        split: whose noise it is.
        samples: draws of z for each x.
        n: how many examples there are, on which the stream of the last chunk depends; None where nobody knows.
    """

    def __init__(self, seed: int, split: str, *, samples: int, n: int | None) -> None:
        self.seed, self.split, self.samples, self.n = seed, split, samples, n
        self._drawn: dict[int, Tensor] = {}

    def of(self, model: VAE, x: Tensor, places: Tensor) -> Tensor:
        """The noise of the examples at places, [S, B, noise_dim].

        Args:
            model: whose z are drawn.
            x: the examples, [B, ...], for their device and precision.
            places: [B]; from n on they begin anew, as a sampler that fills up the last batch does.
        """
        places = places if self.n is None else places % self.n
        chunks = places // EVAL_CHUNK
        found = {chunk: self._chunk(model, x, chunk) for chunk in chunks.unique().tolist()}
        self._drawn = found  # The next batch is likely to lie in the same ones.
        rows = torch.cat([noise[:, places[chunks == chunk] % EVAL_CHUNK] for chunk, noise in found.items()], 1)
        return rows[:, chunks.argsort(stable=True).argsort()].to(x.device)

    def forget_n(self) -> None:
        """From here on nobody knows how many examples there are."""
        self.n, self._drawn = None, {}

    def _chunk(self, model: VAE, x: Tensor, chunk: int) -> Tensor:
        if chunk in self._drawn:
            return self._drawn[chunk]
        size = EVAL_CHUNK if self.n is None else min(EVAL_CHUNK, self.n - chunk * EVAL_CHUNK)
        noise = generator("cpu", self.seed, "evaluation", self.split, chunk)
        return model.noise(self.samples, x[:0].cpu(), noise, examples=size)
