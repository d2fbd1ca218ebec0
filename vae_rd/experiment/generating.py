"""What `python -m vae_rd.generate` does: draws of a finished run as a file of arrays or a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.estimates.priors import model_under
from vae_rd.experiment.loading import open_run, precision_of
from vae_rd.explore.media.pages import grid, png
from vae_rd.explore.media.pictures import can_be_shown
from vae_rd.functional.seeding import generator
from vae_rd.run.files import staged


def generate(
    run: Path, out: Path, *, count: int, seed: int = 0, marginal: str | None = None, data_file: str | None = None
) -> Path:
    """Draw z from m(z) and x from p(x|z), and write them; returns the path.

    Args:
        run: folder of a finished run.
        out: .npz for `images`, [n, H, W] or [n, H, W, C], or with channels first, as the run's file had x, and `z`,
            [n, D]; else a picture.
        count: n.
        seed: of all draws.
        marginal: word of the fitted prior that z comes from in place of the run's own.
        data_file: where the file or folder of one's own data is now.

    Raises:
        InputError: where the run cannot be opened, no such prior was fitted to it, or nothing can be written there.
    """
    opened = open_run(run, data_file=data_file)
    if opened.data.card.target is not None:
        raise InputError(f"{run}: a run of --target label has no p(x|z) to draw images from; choose a run without it")
    with precision_of(opened.config):
        model = model_under(opened, marginal)
        device = next(model.parameters()).device
        z, x = model.generate(count, generator=generator(device, seed, "generate"))
    is_picture = out.suffix.lower() != ".npz"
    if is_picture and not can_be_shown(opened.data.card):
        shape = "x".join(map(str, opened.data.card.shape))
        raise InputError(f"-o {out}: x of {run} is of shape {shape}, which is no picture; give a name in .npz")
    images = x.cpu().numpy() if opened.config.layout == "channels_first" and not is_picture else _channels_last(x)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with staged(out) as path, path.open("wb") as stream:
            if is_picture:
                stream.write(png(grid(images)))
            else:
                np.savez_compressed(stream, images=images, z=z.cpu().numpy())
    except OSError as error:
        raise InputError(f"-o {out}: cannot be written ({error.strerror}); give another place") from None
    return out


def _channels_last(x: Tensor) -> np.ndarray:
    """[n, C, H, W] to [n, H, W] or [n, H, W, C]; x of other axes as it is."""
    if x.ndim != 4:
        return x.cpu().numpy()
    images = x.permute(0, 2, 3, 1).cpu().numpy()
    return images[..., 0] if images.shape[-1] == 1 else images
