"""Fits in one process whose optimiser steps are taken together, each with a run folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from vae_rd.config.cli import from_mapping
from vae_rd.config.fields import FitConfig, to_dict
from vae_rd.config.packs import packs_of
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.experiment.fitting import fit_claimed
from vae_rd.experiment.loading import precision_of
from vae_rd.process.signals import SignalGuard
from vae_rd.process.terminal import lasting_output
from vae_rd.run.folder import check_unread
from vae_rd.run.record import RunRecord
from vae_rd.training.packed import Pack, PackSeat

Outcome = RunRecord | BaseException


def fit_packed(
    configs: Sequence[FitConfig],
    *,
    commands: Sequence[Sequence[str]] = (),
    logs: Sequence[Path] = (),
    most: int | None = None,
) -> list[Outcome]:
    """Fit models of one kind together, each as `fit_model` would; what one raises does not touch the others.

    Args:
        configs: of the fits, on one device.
        commands: of each, the flags of `python -m vae_rd.fit` that its record states; those of this process by default.
        logs: of each, the file that what it prints is appended to; by default it is printed.
        most: the largest number that is stacked; None for no limit.

    Returns:
        of each fit its record, or what it raised, in order.

    Raises:
        InputError: for fits that are not of one kind, before anything is written.

    Example:
        >>> import tempfile
        >>> same = {"max_steps": 2, "hidden": [8], "latent_dim": 2, "n_train": 256, "wandb": "off"}
        >>> with tempfile.TemporaryDirectory() as runs:
        ...     configs = [FitConfig(**same, beta=b, run_dir=runs) for b in (1.0, 4.0)]
        ...     records = fit_packed(configs)  # doctest: +ELLIPSIS
        sprites: ...
        >>> [record.model["slope"] for record in records]
        [1.0, 4.0]
    """
    configs = [from_mapping(to_dict(config), where="config") for config in configs]
    if len(packs_of(configs)) != 1:
        raise InputError("fits of several kinds, or none: give those of one network and one data set, as packs_of says")
    read = cache(lambda _: build.build_data(configs[0]))
    with precision_of(configs[0]), lasting_output(), SignalGuard() as guard:
        works = [_member(config, read) for config in configs]
        return Pack(guard, most=most).run(works, commands=commands, logs=logs)


def _member(config: FitConfig, read: Callable[[None], DataSet]) -> Callable[[PackSeat], Any]:
    """What fits one of them, at its seat."""

    def work(seat: PackSeat) -> RunRecord:
        check_unread(config)
        return fit_claimed(config, seat.guard, read=lambda _: read(None), seat=seat)

    return work
