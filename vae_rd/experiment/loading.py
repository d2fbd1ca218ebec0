"""A run's files back to a model: its kept checkpoint, its data and its config, in its precision."""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from vae_rd.config.cli import recorded
from vae_rd.config.fields import FitConfig
from vae_rd.config.names import checkpoint_owners
from vae_rd.data.base import DataCard
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted
from vae_rd.experiment import build
from vae_rd.experiment.door import check_network_and_data, data_set_of
from vae_rd.experiment.matching import check_data, check_network, data_differences
from vae_rd.experiment.trainer import device_here
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.vae import VAE
from vae_rd.run.checkpoints import read_checkpoint
from vae_rd.run.files import RECORD_FILE
from vae_rd.run.finding import check_finished
from vae_rd.run.folder import KEPT, refuse_given
from vae_rd.run.points import kept_of, point_folder, points_of, run_of_point
from vae_rd.run.record import RunRecord

_ALONE = threading.RLock()  # A thread that opens a run on the way to measuring it holds it twice.


def open_run(
    run_dir: str | Path,
    *,
    model: VAE | None = None,
    data: Any = None,
    data_file: str | None = None,
    opened: Sequence[Fitted] = (),
) -> Fitted:
    """A finished run with its model, its data and its config, ready to be measured again on this machine's device.

    Args:
        run_dir: the run's folder.
        model: the network, where the run was fitted with one's own.
        data: the data, where the run was fitted to some given from Python.
        data_file: where the file or folder of one's own data is now.
        opened: runs whose data it shares where its own are the same, so that they are in memory once.

    Raises:
        InputError: when the folder holds no finished run that flags alone can rebuild, or the data have changed.
    """
    folder = Path(run_dir)
    record = RunRecord.read(folder)
    check_finished(record, folder)
    config = recorded(record.config, where=str(folder / RECORD_FILE))
    config = config if data_file is None else _moved(config, data_file, folder)
    device = torch.device(device_here(config))
    refuse_given(record, folder, of_data=data is None, of_network=model is None, otherwise="")
    with precision_of(config):
        loaded = load(folder, model=model).to(device).at(config.beta)
        data = _data_of(config, record, opened) if data is None else data_set_of(data, config)
    moved = "" if record.data["is_own"] else ", or say by --data_file where they are now"
    check_data(data, record, folder, otherwise=moved)
    data.to(device)
    return Fitted(folder, config, loaded, data, record.model["slope"])


def _data_of(config: FitConfig, record: RunRecord, opened: Sequence[Fitted]) -> DataSet:
    """The data of a run: those of one that is open, where the flags and what the record says of them are the same."""
    for other in opened:
        if data_flags(other.config) == data_flags(config) and not any(data_differences(other.data, record)):
            return other.data
    return build.build_data(config)


def data_flags(config: FitConfig) -> list[Any]:
    """The flags that decide what data are, in which numbers and where."""
    return [getattr(config, f.name) for f in fields(config) if f.metadata["group"] in ("data", "device")] + [
        *(config.target, config.precision)
    ]


def _moved(config: FitConfig, data_file: str, folder: Path) -> FitConfig:
    if config.data_file is None:
        raise InputError(
            f"--data_file {data_file}: {folder} is of --data {config.data}, which has no file; leave it out"
        )
    return replace(config, data_file=data_file)


def load(run_dir: str | Path, *, beta: float | None = None, model: VAE | None = None) -> GenerativeModel:
    """The model of a finished run at its kept checkpoint, in eval mode on the CPU.

    Args:
        run_dir: the run's folder, or that of one of its points.
        beta: at which beta, of a run that holds several; None for the one of its record.
        model: the network, where the run was fitted with one's own.

    Raises:
        InputError: when the folder holds no readable run, the run needs `model`, or has no such beta.
    """
    folder = Path(run_dir)
    at = folder if beta is None else folder_at(folder, beta)
    record = RunRecord.read(at or folder)
    config = recorded(record.config, where=str(folder / RECORD_FILE))
    check_network_and_data(model, None)
    refuse_given(record, folder, of_data=False, of_network=model is None, otherwise="")
    found: GenerativeModel
    if model is None:
        card = DataCard.from_json(record.data)
        with precision_of(config):
            found = build.build_model(config, card)
    else:
        found = model
    check_network(found, record, folder, otherwise="")
    _take_weights(found, at or folder, record)
    if at is None and beta is not None:
        check_beta(found.betas, folder, beta, asked=f"load(beta={beta:g})")
    with precision_of(config):
        return found if beta is None else found.at(beta)


def _take_weights(model: GenerativeModel, folder: Path, record: RunRecord) -> None:
    """Those of a run, of a point that has its own, or those of its run."""
    run = run_of_point(folder) or folder
    whole = record if run == folder else RunRecord.read(run)
    kept = kept_of(folder)
    (record if kept == folder / KEPT else whole).check(kept.parent.parent, KEPT)
    owners = checkpoint_owners(recorded(whole.config, where=str(run / RECORD_FILE)))
    load_weights(model.eval(), kept, owners=owners)


def folder_at(folder: Path, beta: float) -> Path | None:
    """The folder in which a run has a record of a beta: its own, or that of a point; None where it has none."""
    run = run_of_point(folder) or folder
    if RunRecord.read(run).model.get("slope") == beta:
        return run
    point = point_folder(run, beta)
    return point if (point / RECORD_FILE).is_file() else None


def check_beta(betas: Sequence[float] | None, folder: Path, beta: float, *, asked: str) -> None:
    """Refuse a beta at which a run's model cannot be.

    Args:
        betas: the least and the greatest of its model; None where it is of one.
        folder: of the run.
        beta: which.
        asked: how it was asked for.

    Raises:
        InputError: naming those at which it can.
    """
    if betas is not None:
        low, high = betas
        if not low <= beta <= high:
            raise InputError(f"{asked}: {folder} is of betas from {low:g} to {high:g}; choose one of these")
        return
    others = [place.name for place in points_of(run_of_point(folder) or folder)]
    has = f"one of its points, beta {', '.join(others)}" if others else "its own, by leaving beta out"
    raise InputError(f"{asked}: {folder} is not of this beta; choose {has}")


def load_weights(model: GenerativeModel, path: Path, *, owners: Collection[str]) -> None:
    """Put the weights of a run's checkpoint into a model.

    Raises:
        InputError: when the file is missing, damaged, of another run, or of another network.
    """
    state, prefix = read_checkpoint(path, owners=owners)["state_dict"], "model."
    try:
        model.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    except RuntimeError as error:
        raise InputError(f"{path}: of another network ({str(error).splitlines()[0]})") from None


@contextmanager
def precision_of(config: FitConfig) -> Iterator[None]:
    """Make tensors in the run's precision by default within the block, which one thread at a time may be in.

    The default is the whole process's, as is the generator that networks are initialised from: in two threads at once,
    fits would mix their precisions and their weights.
    """
    with _alone():
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64 if config.precision == "64" else torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


@contextmanager
def _alone() -> Iterator[None]:
    if not _ALONE.acquire(blocking=False):
        print("waiting for another thread of this process, which is at work on a run", file=sys.stderr)
        _ALONE.acquire()
    try:
        yield
    finally:
        _ALONE.release()
