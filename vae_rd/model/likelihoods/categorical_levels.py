"""Grey levels of any probabilities: a softmax over the levels of each value."""

from __future__ import annotations

import torch
from torch import Tensor

from vae_rd.model.likelihoods.base import IMAGE_DIMS, per_channel
from vae_rd.model.likelihoods.levels import LevelsImage, LevelsLikelihood
from vae_rd.model.nn.whitening import Sample


class CategoricalLevelsImage(LevelsImage):
    """Independent grey levels over [C, H, W], each of L probabilities.

    Args:
        logits: [..., L, C, H, W].

    Example:
        >>> p = CategoricalLevelsImage(torch.zeros(5, 4, 1, 2, 2))
        >>> p.log_prob(torch.full((1, 2, 2), 1 / 3))[0]  # -4 ln 4
        tensor(-5.5452)
    """

    def __init__(self, logits: Tensor, dims: int = IMAGE_DIMS) -> None:
        super().__init__(logits.select(-1 - dims, 0), logits.shape[-1 - dims], dims)
        self.log_masses = logits.log_softmax(-1 - dims)

    def log_mass(self, level: Tensor) -> Tensor:
        """ln P(k) of each value by itself."""
        shape = torch.broadcast_shapes(level.shape, self.like.shape)
        masses = self.log_masses.expand(*shape[: -self.dims], self.levels, *shape[-self.dims :])
        index = level.long().expand(shape).unsqueeze(-1 - self.dims)
        return masses.gather(-1 - self.dims, index).squeeze(-1 - self.dims)


class CategoricalLevelsLikelihood(LevelsLikelihood):
    """Any probabilities of the L levels of each value; the trunk gives L logits a value, which know of no order.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016, "Pixel recurrent neural networks", arXiv 1601.06759,
    section 3.1.
    """

    def __init__(self, levels: int) -> None:
        super().__init__(levels)
        self.params_per_value = levels

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """ln of each level's share, of which 1 / L more is taken as seen."""
        seen = self.counts(sample) + 1 / self.levels
        logits = (seen / (len(sample.x) + 1)).log().flatten(end_dim=1)
        return logits, per_channel(logits)

    def counts(self, sample: Sample) -> Tensor:
        """How many examples have each level at each value, [L, C, H, W], in float64."""
        values = sample.x[0].numel()
        level = (sample.x.flatten(1) * (self.levels - 1)).round().long()
        cells = (level * values + torch.arange(values, device=level.device)).flatten()
        return cells.bincount(minlength=self.levels * values).to(torch.float64).view(self.levels, *sample.x.shape[1:])

    def forward(self, context: Tensor) -> CategoricalLevelsImage:
        """Logits [..., L C, H, W], the levels of all channels one after another, to a distribution of grey levels."""
        return CategoricalLevelsImage(context.unflatten(-self.dims, (self.levels, -1)), self.dims)
