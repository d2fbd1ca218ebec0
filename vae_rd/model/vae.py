"""The variational autoencoder: an encoder, a decoder and a prior, and the terms of one joint draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, cast

import torch
from torch import Tensor
from torch.distributions import Distribution

from vae_rd.model.closed_forms import expected_log_prob
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.likelihoods.base import ImageDistribution, Likelihood
from vae_rd.model.posteriors.base import Draw, Posterior
from vae_rd.model.terms import DrawnTerms, Group

Network = Callable[[Tensor], Distribution]


class VAE(GenerativeModel):
    """Encoder, decoder and prior, each a module whose call returns a Distribution.

    Args:
        encoder: x [B, C, H, W] -> q(z|x), a `Posterior` of event shape [D].
        decoder: z [S, B, D] -> p(x|z) of event shape [C, H, W].
        prior: () -> m(z), a `Prior` of event shape [D].
        latent_dim: D.
        noise_dim: numbers of noise that one z takes; None for D.

    Example:
        >>> import torch
        >>> from vae_rd.model.coders import Decoder, Encoder
        >>> from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
        >>> from vae_rd.model.nn.mlp import mlp_decoder, mlp_encoder
        >>> from vae_rd.model.posteriors.diagonal import DiagonalPosterior
        >>> from vae_rd.model.priors.normal import StandardNormalPrior
        >>> trunk = mlp_encoder((1, 4, 4), [8])
        >>> model = VAE(
        ...     encoder=Encoder(trunk, DiagonalPosterior(trunk.features, latent_dim=2)),
        ...     decoder=Decoder(mlp_decoder((1, 4, 4), [8], latent_dim=2), BernoulliLikelihood()),
        ...     prior=StandardNormalPrior(2),
        ...     latent_dim=2,
        ... )
        >>> x, generator = torch.zeros(5, 1, 4, 4), torch.Generator()
        >>> terms = model.terms(x, model.noise(3, x, generator))
        >>> terms.log_px_z.shape, terms.rate.shape
        (torch.Size([3, 5]), torch.Size([3, 5]))
        >>> model.generate(7, generator=generator).x.shape
        torch.Size([7, 1, 4, 4])
    """

    has_encoder: ClassVar[bool] = True

    def __init__(
        self,
        encoder: LazyDistribution,
        decoder: LazyDistribution,
        prior: LazyDistribution,
        *,
        latent_dim: int,
        noise_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.prior = encoder, decoder, prior  # In the order that checkpoints have.
        self.latent_dim, self.noise_dim = latent_dim, latent_dim if noise_dim is None else noise_dim

    def noise(self, samples: int, like: Tensor, generator: torch.Generator, *, examples: int | None = None) -> Tensor:
        """The noise of S draws of z per example, [S, B, noise_dim]: on the device of x, in its precision if it has one.

        Args:
            samples: S.
            like: x, [B, ...].
            generator: of the draws, on any device.
            examples: B, where it is not that of x.
        """
        shape = (samples, len(like) if examples is None else examples, self.noise_dim)
        dtype = like.dtype if like.is_floating_point() else None
        return torch.randn(shape, generator=generator, device=generator.device, dtype=dtype).to(like.device)

    def terms(
        self,
        x: Tensor,
        eps: Tensor,
        *,
        context: Tensor | None = None,
        target: Tensor | None = None,
        is_pathwise: bool = True,
    ) -> DrawnTerms:
        """Draw z from q(z|x) with the given noise and return the terms of (x, z).

        Args:
            x: images, [B, C, H, W].
            eps: from `noise`, [S, B, noise_dim].
            context: what a conditional model is given, as `given` takes it.
            target: what the decoder's distribution is of, where that is not x: labels, [B, 1, 1, K].
            is_pathwise: whether z carries a gradient to the encoder; else it is a constant at which ln q is taken.
        """
        encoder, decoder = self.given(context)
        posterior, scored = cast(Posterior, encoder(x)), x if target is None else target
        draw = posterior.from_noise(eps)
        draw = draw if is_pathwise else Draw(draw.z.detach())
        return DrawnTerms(
            x=scored,
            groups=[Group(draw, posterior, self.prior())],
            likelihood=decoder(draw.z),
            expectation=lambda: expected_log_prob(posterior, decoder, scored),
            observe=self._observe,
            is_pathwise=is_pathwise,
            context=context,
        )

    def given(self, context: Tensor | None) -> tuple[Network, Network]:
        """Encoder and decoder as they are under a context; this model takes none."""
        return self.encoder, self.decoder

    def _observe(self, p: Distribution, x: Tensor) -> None:
        likelihood = getattr(self.decoder, "likelihood", None)
        if isinstance(likelihood, Likelihood):
            likelihood.after_step(p.given(x) if isinstance(p, ImageDistribution) else p, x)
