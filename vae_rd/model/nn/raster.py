"""The order in which an autoregressive p(x|z) takes the values of x, and which of them it takes at once."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from vae_rd.model.nn.trunk import Shape

Together = Literal["value", "pixel", "row"]
Place = tuple[slice, slice, slice]


class Raster:
    """Row by row from the top, in a row pixel by pixel from the left, and in a pixel channel by channel (r, g, b).

    A likelihood that draws several values jointly gives them one place in that order: all channels of a pixel, or a
    row of one channel. Those of one place do not see each other.

    Args:
        shape: of x, (C, H, W).
        params_per_value: k, how many parameters of p(x|z) belong to a value; k C channels, number j C + c the j-th of
            channel c.
        together: what is drawn jointly: single values, pixels, or rows of a channel.

    Attributes:
        steps: T, how many places there are.
        step: the place of each value, from 0 to T - 1, [C, H, W].

    Example:
        >>> Raster((2, 1, 2)).step.tolist()
        [[[0, 2]], [[1, 3]]]
        >>> Raster((2, 1, 2), together="pixel").step.tolist(), Raster((2, 1, 2), together="row").step.tolist()
        ([[[0, 1]], [[0, 1]]], [[[0, 0]], [[1, 1]]])
    """

    def __init__(self, shape: Shape, params_per_value: int = 1, together: Together = "value") -> None:
        self.shape, self.params_per_value, self.together = shape, params_per_value, together
        channels, height, width = shape  # Of an image or a vector; others are refused before.
        self.steps = {"value": channels * height * width, "pixel": height * width, "row": channels * height}[together]
        self.step = torch.empty(shape, dtype=torch.long)
        for step in range(self.steps):
            self.step[self.place(step)] = step

    @property
    def parameter_shape(self) -> Shape:
        """(k C, H, W)."""
        return self.params_per_value * self.shape[0], *self.shape[1:]

    @property
    def parameter_step(self) -> Tensor:
        """The place of the value that each parameter belongs to, [k C, H, W]."""
        return self.step.repeat(self.params_per_value, 1, 1)

    def place(self, step: int) -> Place:
        """Channels, rows and columns of the values of one step."""
        channels, _, width = self.shape
        if self.together == "row":
            row, channel = divmod(step, channels)
            return _one(channel), _one(row), slice(None)
        pixel, channel = divmod(step, channels) if self.together == "value" else (step, 0)
        row, column = divmod(pixel, width)
        return slice(None) if self.together == "pixel" else _one(channel), _one(row), _one(column)

    def crop(self, images: Tensor, step: int) -> Tensor:
        """Of x, or of parameters, what belongs to one step.

        Args:
            images: [..., j C, H, W].
            step: from 0 to T - 1.

        Returns:
            [..., j c, h, w] for the c x h x w values of that step.
        """
        _, rows, columns = self.place(step)
        return self.channels(images[..., rows, columns], step)

    def channels(self, images: Tensor, step: int) -> Tensor:
        """Of the rows and columns of a step, [..., j C, h, w], what belongs to it, [..., j c, h, w]."""
        return images.unflatten(-3, (-1, self.shape[0]))[..., self.place(step)[0], :, :].flatten(-4, -3)


def _one(index: int) -> slice:
    return slice(index, index + 1)
