"""Grey levels as rounded draws of a mixture of logistics; of colours, each channel knows those before it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vae_rd.functional.bounding import bounded
from vae_rd.model.likelihoods.base import IMAGE_DIMS, per_channel
from vae_rd.model.likelihoods.levels import LevelsImage, LevelsLikelihood
from vae_rd.model.nn.whitening import Sample

COLOURS = 3  # Channels of which one depends on those before it.


class LogisticMixtureImage(LevelsImage):
    """Grey levels over [C, H, W], each the nearest to a draw of one of K logistics, all independent but for colours.

    Of three channels p(r, g, b) = p(r) p(g|r) p(b|r, g), in which the locations of green move with red, and those of
    blue with red and green: by slope * (x - 1/2).

    Args:
        logits: of the components, [..., K, C, H, W].
        loc: their locations, in units of x = k / (L - 1), of the same shape.
        log_scale: ln of their scales, of the same shape.
        slopes: of green on red, blue on red and blue on green, [..., K, 3, H, W]; None where values are independent.
        levels: L.

    Example:
        >>> zero = torch.zeros(1, 1, 1, 1)
        >>> p = LogisticMixtureImage(zero, zero, zero, None, 2)
        >>> p.log_prob(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)).exp()  # Below and above 1 / 2.
        tensor([0.6225, 0.3775])
    """

    def __init__(
        self,
        logits: Tensor,
        loc: Tensor,
        log_scale: Tensor,
        slopes: Tensor | None,
        levels: int,
        dims: int = IMAGE_DIMS,
    ) -> None:
        super().__init__(logits.select(-1 - dims, 0), levels, dims)
        self.logits, self.loc, self.log_scale, self.slopes = logits, loc, log_scale, slopes

    def log_mass(self, level: Tensor) -> Tensor:
        """ln P(k) of each value, of colours given those before it in k."""
        return self._log_mass(level, self._located(level / (self.levels - 1)))

    def _located(self, x: Tensor) -> Tensor:
        """The locations given x, [..., K, C, H, W]."""
        if self.slopes is None:
            return self.loc
        x = (x - 0.5).unsqueeze(-1 - self.dims)
        red, green = x.narrow(-self.dims, 0, 1), x.narrow(-self.dims, 1, 1)
        green_red, blue_red, blue_green = self.slopes.split(1, dim=-self.dims)
        moves = [torch.zeros_like(green_red * red), green_red * red, blue_red * red + blue_green * green]
        return self.loc + torch.cat(moves, dim=-self.dims)

    def _log_mass(self, level: Tensor, loc: Tensor) -> Tensor:
        """By s(high) - s(low) = s(high) s(-low) (1 - e^(low - high)), which is never 0; the ends take the tails."""
        top = self.levels - 1
        level = level.unsqueeze(-1 - self.dims)
        middle, width = (level / top - loc) * (-self.log_scale).exp(), (-self.log_scale).exp() / top
        below, above = F.logsigmoid(middle + width / 2), F.logsigmoid(width / 2 - middle)
        inside = below + above + torch.log(-torch.expm1(-width))
        each = torch.where(level == 0, below, torch.where(level == top, above, inside))
        return (self.logits.log_softmax(-1 - self.dims) + each).logsumexp(-1 - self.dims)

    @property
    def mean(self) -> Tensor:
        """[..., C, H, W].

        Raises:
            NotImplementedError: for colours, of which green and blue have no closed form.
        """
        if self.slopes is not None:
            raise NotImplementedError("the mean of colours that depend on each other has no closed form; average draws")
        return super().mean

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws of shape [*sample_shape, ..., C, H, W]: a component each, then a rounded logistic; colours in turn."""
        shape = (*sample_shape, *self.logits.shape)
        gumbel = -torch.empty(shape, dtype=self.logits.dtype, device=self.logits.device).exponential_().log()
        chosen = (self.logits + gumbel).argmax(-1 - self.dims, keepdim=True)
        sides = torch.empty(2, *sample_shape, *self.like.shape, dtype=self.like.dtype, device=self.like.device)
        step = sides.exponential_().log()
        x = torch.zeros_like(step[0])
        for _ in range(1 if self.slopes is None else COLOURS):  # The first is right after one turn, the last after all.
            loc, log_scale = (
                values.expand(shape).gather(-1 - self.dims, chosen).squeeze(-1 - self.dims)
                for values in (self._located(x), self.log_scale)
            )
            x = self._nearest(loc + log_scale.exp() * (step[0] - step[1]))
        return x

    def _nearest(self, x: Tensor) -> Tensor:
        return (x * (self.levels - 1)).round().clamp(0, self.levels - 1) / (self.levels - 1)


class LogisticMixtureLikelihood(LevelsLikelihood):
    """A mixture of K discretised logistics for each value; the trunk gives logits, locations, log scales, slopes.

    Every value has its own components, so that its parameters are its own; the published one shares the choice between
    the channels of a pixel.

    Args:
        levels: L.
        components: K.
        channels: of x; of 3, each depends on those before it.
        bound: of |ln scale^2|, within which it is held, and which its gradient leads back to; None for none.

    Source: Salimans, Karpathy, Chen and Kingma 2017, "PixelCNN++", arXiv 1701.05517, sections 2.1 and 2.2.
    """

    starts_at_best = False

    def __init__(self, levels: int, *, components: int, channels: int, bound: float | None = None) -> None:
        super().__init__(levels)
        self.components, self.bound = components, bound
        self.parts = 4 if channels == COLOURS else 3
        self.together = "pixel" if channels == COLOURS else "value"
        self.params_per_value = self.parts * components

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Components spread as the quantiles of a normal of each value's mean and variance, which they have together.

        Equal ones would stay equal. A unit of a location is the one scale of x; others are 1.
        """
        mean, variance = self.smoothed(sample)
        shares = (torch.arange(self.components, dtype=mean.dtype, device=mean.device) + 0.5) / self.components
        spread = torch.special.ndtri(shares)
        within = 1 - spread.square().mean()  # Of the variance, what is within components.
        loc = mean + variance.sqrt() * spread.view(-1, *[1] * mean.ndim)
        log_scale = (0.5 * (3 * within * variance).log() - math.log(math.pi)).expand_as(loc)
        zero = torch.zeros_like(loc)
        params = torch.cat([zero, loc, log_scale, *[zero] * (self.parts - 3)]).flatten(end_dim=1)
        unit = per_channel(params)
        channels = self.components * len(mean)
        unit[channels : 2 * channels] = sample.scale
        return params, unit

    def forward(self, context: Tensor) -> LogisticMixtureImage:
        """[..., k C, H, W] to a distribution of grey levels."""
        split = context.unflatten(-self.dims, (self.parts, self.components, -1)).unbind(-2 - self.dims)
        logits, loc, log_scale = split[:3]
        held = log_scale if self.bound is None else bounded(log_scale, self.bound / 2)
        slopes = split[3] if self.parts > 3 else None
        return LogisticMixtureImage(logits, loc, held, slopes, self.levels, self.dims)
