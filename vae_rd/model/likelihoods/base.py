"""What likelihoods p(x|z) share: heads that turn a decoder trunk's output into a normalised distribution over images.

Each takes [..., k C, H, W] parameters, k its `params_per_value`, and returns a distribution of event shape [C, H, W].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.nn.raster import Together
from vae_rd.model.nn.whitening import Sample

IMAGE_DIMS = 3  # [C, H, W]; of sequences [C, L] it is 2, of volumes [C, D, H, W] 4.
_COUNTED = ("binary", "one_hot", "levels")


def per_channel(like: Tensor) -> Tensor:
    """Ones, one for each channel of [k C, ...], which broadcast to it: [k C, 1, ...]."""
    return like.new_ones(len(like), *[1] * (like.ndim - 1))


class ImageDistribution(Distribution):
    """A distribution of event shape [C, H, W], or of other axes of x after its channels.

    Args:
        like: a tensor of its batch and event shape, [..., C, H, W].
        dims: how many axes an event has.

    Attributes:
        is_drawn_in_turn: whether a draw takes a pass of the network for each of its values.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    is_drawn_in_turn: ClassVar[bool] = False

    def __init__(self, like: Tensor, dims: int = IMAGE_DIMS) -> None:
        self.dims = dims
        super().__init__(like.shape[:-dims], like.shape[-dims:], validate_args=False)

    def given(self, value: Tensor) -> Distribution:
        """The distribution of a likelihood's own family whose density at `value` this one's is: mostly this one."""
        return self


class Likelihood(LazyDistribution):
    """Base of all likelihoods.

    Attributes:
        dims: how many axes x has; see `over`.
        params_per_value: trunk outputs per pixel and channel; number j C + c is the j-th of channel c.
        together: which values of x one draw has jointly, whose parameters decide it alone; all others are independent.
        supports: what x it is a normalised distribution of, any of these: "binary", "one_hot" rows, grey "levels" k of
            0..L-1 as k / (L - 1), "grey" points on which its density is bounded, the "unit" interval, the "real" line.
        writes_means: whether the trunk's output is one mean for each value of x.
        scales_each_pixel: whether every pixel has a learned scale of its own, which one that never changes sends to 0.
        takes_draws: whether its parameters take draws of z, so that no closed form over z has them.
        learns_scale: whether the noise of p(x|z) is learned with the rest, and falls as z tells more of x.
        starts_at_best: whether `start` is the best p(x) that ignores z, and not merely one of its moments.
    """

    dims: int = IMAGE_DIMS
    params_per_value: int = 1
    together: Together = "value"
    supports: ClassVar[tuple[str, ...]]
    writes_means: ClassVar[bool] = False
    scales_each_pixel: ClassVar[bool] = False
    takes_draws: ClassVar[bool] = False
    learns_scale: ClassVar[bool] = False
    starts_at_best: ClassVar[bool] = True

    def over(self, dims: int) -> Self:
        """This likelihood, of x of so many axes: 2 of sequences [C, L], 3 of images, 4 of volumes [C, D, H, W].

        Example:
            >>> from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
            >>> BernoulliLikelihood().over(2)(torch.zeros(5, 1, 8)).event_shape
            torch.Size([1, 8])
        """
        self.dims = dims
        return self

    def scores(self, kinds: Iterable[str]) -> bool:
        """Whether it is a distribution of an x of these kinds, as a card of data has them.

        Example:
            >>> from vae_rd.model.likelihoods.gaussian import SharedGaussianLikelihood
            >>> likelihood = SharedGaussianLikelihood()
            >>> likelihood.scores(("levels", "grey")), likelihood.scores(("unit", "real"))
            (False, True)
        """
        return any(kind in self.supports for kind in kinds)

    @property
    def measure(self) -> Literal["discrete", "differential"]:
        """Whether D is -ln of a probability, or of a density."""
        return "discrete" if set(self.supports) <= set(_COUNTED) else "differential"

    @property
    def precision(self) -> Tensor | float | None:
        """1 / scale^2 where p(x|z) is a Gaussian around the trunk's output of one scale for all x and z; else None."""
        return None

    @property
    def squared_error_weight(self) -> float | None:
        """C = 1 / (2 scale^2) in D = C * squared error + constant; None where D is no such thing."""
        return None if self.precision is None else torch.as_tensor(self.precision).detach().item() / 2

    @property
    def fixed_scale(self) -> float | None:
        """The scale of a Gaussian whose scale is not learned; else None."""
        return None

    def start(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """The parameters of the best p(x) that ignores z, and by how much one unit of a trunk's output moves them.

        A likelihood with a scale of its own sets that, too.

        Args:
            sample: of training examples x, of shape [C, H, W] each.

        Returns:
            [k C, H, W] and [k C, 1, 1].
        """
        channels, *size = sample.mean.shape
        like = sample.mean.new_zeros(self.params_per_value * channels, *size)
        return like, per_channel(like)

    def noise_variance(self, variance: Tensor) -> Tensor | None:
        """The variance of p(x|z) where it ignores z and is the best that it then can be; None for no such noise.

        What a little of z in the decoder gains is the score of x by this noise, so that a latent unit is worth beta
        times its rate where the eigenvalues of Cov(x / s) are above beta (`vae_rd.theory.forecast`).

        Args:
            variance: of each value of x over the data, [n].

        Returns:
            s^2, [n].
        """
        return None

    def beside_data(self, p: Distribution, uniform: Callable[[], Tensor]) -> Tensor:
        """What of p(x|z) a discriminator is shown beside examples of x, with a gradient to the parameters: its mean.

        Args:
            p: what `forward` returned, of batch shape [B].
            uniform: noise between 0 and 1, one for each value of x, [B, C, H, W].

        Returns:
            [B, C, H, W].
        """
        return p.mean

    def after_step(self, p: Distribution, x: Tensor) -> None:
        """Take note of what a training step has seen, for running scales.

        Args:
            p: what `forward` returned in the step.
            x: what it was asked about, [B, C, H, W].
        """

    def statement(self, values: int) -> dict[str, Any]:
        """What D is, for the record: D = C * squared error + constant where it is that, for x of so many values.

        Its measure is of a probability, "discrete", or of a density, "differential".

        Example:
            >>> from vae_rd.model.likelihoods.gaussian import GaussianLikelihood
            >>> GaussianLikelihood(0.5).statement(2)
            {'measure': 'differential', 'scale': 0.5, 'squared_error_weight': 2.0, 'constant': 0.4515827052894548}
        """
        weight = self.squared_error_weight
        constant = None if weight is None else 0.5 * values * math.log(math.pi / weight)
        return {
            "measure": self.measure,
            "scale": self.fixed_scale,
            "squared_error_weight": weight,
            "constant": constant,
        }
