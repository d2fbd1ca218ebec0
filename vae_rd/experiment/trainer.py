"""Lightning's Trainer, set up for a run."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Literal

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import LightningEnvironment, TorchElasticEnvironment

from vae_rd.config.fields import FitConfig
from vae_rd.config.names import checkpoint_owners
from vae_rd.errors import InputError
from vae_rd.experiment.tables import PRECISIONS
from vae_rd.process.collectives import world_size
from vae_rd.training.history import HistoryWriter
from vae_rd.training.keeper import CheckpointKeeper, StagedCheckpointIO


def accelerator(config: FitConfig) -> Literal["cuda", "cpu"]:
    """The device of a fit: `--accelerator auto` takes a CUDA GPU where there is one, else the CPU.

    Raises:
        InputError: when a GPU is asked for and there is none.
    """
    if config.accelerator == "gpu" and not torch.cuda.is_available():
        raise InputError("--accelerator gpu: torch finds no CUDA device here; choose --accelerator cpu")
    return device_here(config)


def device_here(config: FitConfig) -> Literal["cuda", "cpu"]:
    """The device on which a finished run is opened: one that was fitted on a GPU may be where there is none."""
    return "cuda" if config.accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def build_trainer(config: FitConfig, folder: Path, *, logger: Logger | None, callbacks: list[Callback]) -> Trainer:
    """A Trainer that writes into the run's folder and leaves batches, noise and validation order to us."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")
    warnings.filterwarnings("ignore", message=".*`srun` command is available.*")  # docs/slurm.md says how to use it.
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")  # What is logged is a sum over processes already.
    together = world_size() > 1
    return Trainer(
        accelerator=accelerator(config),
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy="ddp" if together else "auto",
        precision=PRECISIONS[config.precision],
        max_epochs=config.max_epochs,
        check_val_every_n_epoch=config.val_every,
        logger=logger or False,
        callbacks=[*callbacks, HistoryWriter(folder), CheckpointKeeper(folder, patience=config.patience)],
        # Named, so that Lightning neither starts processes nor takes SLURM's variables and requeueing for its own.
        plugins=[
            StagedCheckpointIO(checkpoint_owners(config)[0]),
            TorchElasticEnvironment() if together else LightningEnvironment(),
        ],
        default_root_dir=folder,
        log_every_n_steps=1,  # Nothing is logged within an epoch.
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
