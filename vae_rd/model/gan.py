"""The generative adversarial network: a decoder trained against a discriminator, and the average of its weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from vae_rd.functional.precision import at_least_single
from vae_rd.model.coders import Decoder
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.nn.trunk import EncoderTrunk


class Discriminator(nn.Module):
    """ln of the odds that x is an example rather than a sample: an encoder's trunk, then one linear unit.

    Args:
        trunk: x [B, C, H, W] -> features [B, F].

    Example:
        >>> from vae_rd.model.nn.mlp import mlp_encoder
        >>> Discriminator(mlp_encoder((1, 4, 4), [8]))(torch.zeros(5, 1, 4, 4)).shape
        torch.Size([5])
    """

    def __init__(self, trunk: EncoderTrunk) -> None:
        super().__init__()
        self.trunk, self.odds = trunk, nn.Linear(trunk.features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] to log odds, [B]."""
        return at_least_single(self.odds(self.trunk(x))[:, 0])


class GAN(GenerativeModel):
    """A generator, its exponential moving average, and the discriminator that it is trained against.

    The average is the decoder: what is saved, evaluated and sampled. Both are p(x|z) of a VAE's trunk and likelihood,
    and there is no q(z|x). Source: Goodfellow et al., 2014; the average: Karras et al., 2018.

    Args:
        generator: z [S, B, D] -> p(x|z) of event shape [C, H, W]; the average begins as a copy of it.
        discriminator: x [B, C, H, W] -> log odds, [B].
        prior: () -> m(z), a `Prior` of event shape [D], without parameters.
        latent_dim: D.

    Example:
        >>> from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
        >>> from vae_rd.model.nn.mlp import mlp_decoder, mlp_encoder
        >>> from vae_rd.model.priors.normal import StandardNormalPrior
        >>> model = GAN(
        ...     Decoder(mlp_decoder((1, 4, 4), [8], latent_dim=2), BernoulliLikelihood()),
        ...     Discriminator(mlp_encoder((1, 4, 4), [8])),
        ...     StandardNormalPrior(2),
        ...     latent_dim=2,
        ... )
        >>> model.generate(7, generator=torch.Generator()).x.shape
        torch.Size([7, 1, 4, 4])
    """

    decoder: Decoder

    def __init__(
        self, generator: Decoder, discriminator: Discriminator, prior: LazyDistribution, *, latent_dim: int
    ) -> None:
        super().__init__()
        self.generator, self.discriminator, self.prior = generator, discriminator, prior
        self.decoder, self.latent_dim = copy.deepcopy(generator).requires_grad_(False), latent_dim

    def begin(self) -> None:
        """Let the generator begin where the decoder is, which the data may have moved before training."""
        self.generator.load_state_dict(self.decoder.state_dict())

    @torch.no_grad()
    def average(self, decay: float) -> None:
        """Move the decoder towards the generator: w <- decay w + (1 - decay) w'.

        Args:
            decay: share of the decoder's weights that stays.
        """
        pairs = list(zip(self.decoder.parameters(), self.generator.parameters(), strict=True))
        torch._foreach_lerp_([mean for mean, _ in pairs], [now for _, now in pairs], 1.0 - decay)
