"""Pictures of a run while it is trained, and of what it kept: files of its folder, and images of its W&B run.

Nothing of it is on a step's path, and a fit never fails for want of a picture.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from lightning.pytorch import Callback, LightningModule, Trainer

from vae_rd.data.dataset import DataSet
from vae_rd.explore.media.files import forget_pictures, write_latents, write_pictures
from vae_rd.explore.media.latents import latents
from vae_rd.explore.media.pictures import pictures, shown_examples
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.vae import VAE
from vae_rd.training.base import TrainedModule
from vae_rd.training.tracking import RunLogger


class MediaWriter(Callback):
    """Writes pictures every so many epochs; of several processes the first.

    Args:
        folder: the run's folder.
        data: whose validation examples are shown.
        every: epochs from one to the next.
    """

    def __init__(self, folder: Path, data: DataSet, *, every: int) -> None:
        self.folder, self.data, self.every = folder, data, every

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove what was shown of epochs that are trained again."""
        if trainer.is_global_zero:
            with surviving(self.folder):
                forget_pictures(self.folder, since=trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write, and hand on to W&B before the epoch's row closes its step."""
        assert isinstance(pl_module, TrainedModule)
        epoch = trainer.current_epoch
        if not trainer.is_global_zero or (epoch + 1) % self.every:
            return
        (member,) = pl_module.members
        logger = trainer.logger if isinstance(trainer.logger, RunLogger) else None
        draw_media(member.model, self.data, self.folder, epoch=epoch, logger=logger, step=trainer.global_step)


def draw_media(
    model: GenerativeModel,
    data: DataSet,
    folder: Path,
    *,
    epoch: int,
    logger: RunLogger | None,
    step: int | None = None,
) -> None:
    """Write the pictures of a model as it is, and log them.

    Args:
        model: what is drawn; its modes are afterwards as before.
        data: whose validation examples are shown.
        folder: the run's folder.
        epoch: of the weights.
        logger: of W&B.
        step: of the optimiser; None for the one after all others.
    """
    with surviving(folder), evaluated(model):
        if (shown := shown_examples(data)) is None:
            return
        paths = write_pictures(folder, pictures(model, shown), shown, epoch=epoch)
        if logger is not None:
            logger.show(paths, step=step)


def keep_media(model: GenerativeModel, data: DataSet, folder: Path, *, epoch: int, logger: RunLogger | None) -> None:
    """The pictures and `latents.npz` of the checkpoint that a run kept.

    Args:
        model: at that checkpoint.
        data: whose validation examples are shown.
        folder: the run's folder.
        epoch: of the checkpoint.
        logger: of W&B.
    """
    draw_media(model, data, folder, epoch=epoch, logger=logger)
    with surviving(folder), evaluated(model):
        if model.has_encoder:
            write_latents(folder, latents(cast(VAE, model), data))


@contextmanager
def evaluated(model: GenerativeModel) -> Iterator[None]:
    """The model in eval mode within the block; each of its modules is afterwards in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def surviving(folder: Path) -> Iterator[None]:
    """Whatever goes wrong is one line of warning, since a fit does not depend on it."""
    try:
        yield
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0].rstrip(".")
        print(f"warning: {folder}: no media, {type(error).__name__}: {reason}; the fit goes on", file=sys.stderr)
