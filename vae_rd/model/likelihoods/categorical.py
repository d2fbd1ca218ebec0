"""Independent rows of one 1 among 0s."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vae_rd.model.likelihoods.base import IMAGE_DIMS, ImageDistribution, Likelihood, per_channel
from vae_rd.model.nn.whitening import Sample


class CategoricalImage(ImageDistribution):
    """One-hot rows over [C, H, W], independent of each other: each row is one of W categories, given logits.

    Example:
        >>> CategoricalImage(torch.zeros(5, 1, 1, 4)).log_prob(torch.eye(4)[0].reshape(1, 1, 4))[0]
        tensor(-1.3863)
    """

    def __init__(self, logits: Tensor, dims: int = IMAGE_DIMS) -> None:
        self.logits = logits
        super().__init__(logits, dims)

    @property
    def mean(self) -> Tensor:
        """Probabilities of the categories, [..., C, H, W]."""
        return self.logits.softmax(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """sum over rows of ln softmax(l) at the row's 1, [...] for one-hot x that broadcasts to the logits."""
        return (value * self.logits.log_softmax(-1)).flatten(-self.dims).sum(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape [*sample_shape, ..., C, H, W]."""
        probabilities = self.mean.expand(*sample_shape, *self.logits.shape)
        index = torch.multinomial(probabilities.flatten(end_dim=-2), 1)
        return torch.zeros_like(probabilities).scatter_(-1, index.view(*probabilities.shape[:-1], 1), 1.0)


class CategoricalLikelihood(Likelihood):
    """Independent one-hot rows, such as a single variable of W categories; the trunk gives logits."""

    supports = ("one_hot",)
    together = "row"

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """ln of each category's share of its row, of which a half more is taken as seen."""
        seen = sample.mean * len(sample.x) + 0.5
        return (seen / seen.sum(-1, keepdim=True)).log(), per_channel(seen)

    def forward(self, context: Tensor) -> CategoricalImage:
        """Logits [..., C, H, W] to a distribution over one-hot rows."""
        return CategoricalImage(context, self.dims)
