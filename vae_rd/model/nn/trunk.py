"""What trunks share: networks from images to features (encoder side), from z to likelihood parameters (decoder side).

Shape = (C, H, W) of images, (C, L) of sequences, (C, D, H, W) of volumes; of vectors (1, 1, D). An encoder trunk maps
[B, *shape] to [B, features]; a decoder trunk maps [B, latents] to [B, *shape] with C the number of parameter channels.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from vae_rd.model.nn.whitening import Colour, Offset

Shape = tuple[int, ...]
_AFFINE = (nn.Sequential, nn.Linear, nn.Flatten, nn.Unflatten, Colour, Offset)
Activation = Callable[[], nn.Module]


class EncoderTrunk(nn.Sequential):
    """A network that knows the number of features it returns."""

    def __init__(self, *layers: nn.Module, features: int) -> None:
        super().__init__(*layers)
        self.features = features


def is_affine(trunk: nn.Module) -> bool:
    """Whether a trunk is an affine map by construction: layers that are, one after another.

    Example:
        >>> is_affine(nn.Sequential(nn.Linear(2, 8), nn.Linear(8, 4)))
        True
        >>> is_affine(nn.Sequential(nn.Linear(2, 8), nn.ReLU()))
        False
    """
    return all(isinstance(m, _AFFINE) for m in trunk.modules())
