"""m(z) as the mean of q(z|u) over learned inputs u: the VampPrior."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vae_rd.functional.bounding import bounded
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.nn.whitening import Sample
from vae_rd.model.priors.base import PriorHead
from vae_rd.model.priors.mixture import Mixture


class VampPrior(PriorHead):
    """(1/K) sum_k q(z|u_k), q being the encoder of the model and the pseudo-inputs u_k its own.

    With the training examples as pseudo-inputs it is their aggregate posterior, the m of least rate; K learned ones
    stand for them at a price of K passes of the encoder. They are held between the least and the largest training value
    (0 and 1 where x is binary), on a way back from which gradients still lead.

    The encoder stays the model's: its parameters are in no state of this module.

    Args:
        encoder: images [K, C, H, W] to q(z|x).
        shape: of an image.
        components: K.

    Source: Tomczak and Welling 2018, "VAE with a VampPrior", arXiv 1705.07120.

    Example:
        >>> from vae_rd.model.coders import Encoder
        >>> from vae_rd.model.posteriors.diagonal import DiagonalPosterior
        >>> encoder = Encoder(nn.Flatten(), DiagonalPosterior(4, latent_dim=2))
        >>> prior = VampPrior(encoder, (1, 2, 2), components=3)
        >>> [name for name, _ in prior.named_parameters()], prior().log_prob(torch.zeros(5, 2)).shape
        (['raw'], torch.Size([5]))
    """

    starts_from_data = True
    centre: Tensor
    reach: Tensor

    def __init__(self, encoder: LazyDistribution, shape: tuple[int, ...], *, components: int) -> None:
        super().__init__()
        self._shared = (encoder,)  # In a tuple, where torch does not look for modules.
        self.raw = nn.Parameter(2 * torch.rand(components, *shape) - 1)
        self.register_buffer("centre", torch.tensor(0.5))
        self.register_buffer("reach", torch.tensor(0.5))

    @property
    def inputs(self) -> Tensor:
        """u, [K, C, H, W]."""
        return self.centre + self.reach * bounded(self.raw, 1.0)

    def forward(self, context: Tensor | None = None) -> Mixture:
        """The prior, batch shape []."""
        return Mixture(self._shared[0](self.inputs), self.raw.new_zeros(len(self.raw)))

    @torch.no_grad()
    def start(self, sample: Sample, *, generator: torch.Generator) -> None:
        """Training examples at random, each once; pseudo-inputs beyond their number stay where they are."""
        low, high = sample.x.aminmax()
        self.centre.copy_((low + high) / 2)
        self.reach.copy_((high - low) / 2 if high > low else torch.ones(()))
        chosen = torch.randperm(len(sample.x), generator=generator)[: len(self.raw)]
        images = sample.x[chosen.to(sample.x.device)].to(self.raw)
        self.raw[: len(chosen)] = (images - self.centre) / self.reach
