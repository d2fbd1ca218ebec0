"""A linear-Gaussian VAE whose likelihood and posterior have closed forms, with any encoder one likes."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_rd.model.coders import Decoder, Encoder
from vae_rd.model.likelihoods.gaussian import GaussianLikelihood
from vae_rd.model.nn.mlp import linear_decoder, linear_encoder
from vae_rd.model.posteriors.diagonal import DiagonalPosterior
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.model.vae import VAE


@dataclass(frozen=True)
class LinearGaussian:
    """x = W z + b + N(0, s2 I) with z ~ N(0, I): p(z|x) = N(V W^T (x - b) / s2, V), V^-1 = I + W^T W / s2."""

    w: Tensor
    b: Tensor
    s2: float

    @classmethod
    def random(cls, *, pixels: int, latent_dim: int, s2: float) -> "LinearGaussian":
        return cls(torch.randn(pixels, latent_dim), torch.randn(pixels), s2)

    @property
    def precision(self) -> Tensor:
        return torch.eye(self.w.shape[1]) + self.w.T @ self.w / self.s2

    @property
    def regression(self) -> Tensor:
        """A in E[z|x] = A (x - b)."""
        return torch.linalg.solve(self.precision, self.w.T) / self.s2

    def sample(self, n: int) -> Tensor:
        """n fresh images, [n, 1, 1, P]."""
        z = torch.randn(n, self.w.shape[1])
        return (z @ self.w.T + self.b + math.sqrt(self.s2) * torch.randn(n, len(self.b)))[:, None, None]

    def log_px(self, x: Tensor) -> Tensor:
        """ln N(x; b, W W^T + s2 I), [N]."""
        covariance = self.w @ self.w.T + self.s2 * torch.eye(len(self.b))
        return torch.distributions.MultivariateNormal(self.b, covariance).log_prob(x[:, 0, 0])

    def vae(self, *, matrix: Tensor, variance: Tensor, shift: Tensor | float = 0.0) -> VAE:
        """This decoder with the encoder N(matrix (x - b) + shift, diag(variance))."""
        pixels, latent_dim = self.w.shape
        trunk = linear_encoder((1, 1, pixels), ())
        posterior = DiagonalPosterior(pixels, latent_dim)
        decoder = linear_decoder((1, 1, pixels), (), latent_dim=latent_dim)
        with torch.no_grad():
            posterior.head.weight.copy_(torch.cat([matrix, torch.zeros_like(matrix)]))
            posterior.head.bias.copy_(torch.cat([shift - matrix @ self.b, variance.log()]))
            decoder[0].weight.copy_(self.w)
            decoder[0].bias.copy_(self.b)
        likelihood = GaussianLikelihood(math.sqrt(self.s2))
        prior = StandardNormalPrior(latent_dim)
        return VAE(Encoder(trunk, posterior), Decoder(decoder, likelihood), prior, latent_dim=latent_dim).eval()
