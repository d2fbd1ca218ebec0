"""A run's files back to a model: its kept checkpoint, its data and its config, in its precision."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from vae_rd.config.cli import recorded
from vae_rd.config.fields import FitConfig
from vae_rd.config.names import checkpoint_owner
from vae_rd.data.base import DataCard
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted
from vae_rd.experiment import build
from vae_rd.experiment.trainer import accelerator
from vae_rd.model.vae import VAE
from vae_rd.run.checkpoints import read_checkpoint
from vae_rd.run.files import RECORD_FILE
from vae_rd.run.folder import KEPT
from vae_rd.run.record import RunRecord


def open_run(run_dir: str | Path) -> Fitted:
    """A finished run with its model, its data and its config, ready to be measured again on this machine's device.

    Raises:
        InputError: when the folder holds no finished run that flags alone can rebuild, or the data have changed.
    """
    folder = Path(run_dir)
    record = RunRecord.read(folder)
    if record.status != "finished":
        raise InputError(f"{folder}: this run is {record.status}; finish it with --resume auto")
    config = recorded(record.config, where=str(folder / RECORD_FILE))
    device = torch.device(accelerator(config))
    with precision_of(config):
        model = load(folder).to(device)
        data = build.build_data(config)
    check_data(data, record, folder)
    data.to(device)
    return Fitted(folder, config, model, data, record.model["slope"])


def check_data(data: DataSet, record: RunRecord, folder: Path) -> None:
    """Refuse data that are not those a run was begun with, by the facts that its record has."""
    found = json.loads(json.dumps(data.card.to_json()))
    found["params"] = {name: value for name, value in found["params"].items() if name in record.data.get("params", {})}
    if {name: found[name] for name in found.keys() & {"params", *record.data}} != record.data:
        raise InputError(f"{folder}: --data {data.card.name} is not what this run was fitted to; restore its files")


def load(run_dir: str | Path, *, model: VAE | None = None) -> VAE:
    """The VAE of a finished run at its kept checkpoint, in eval mode on the CPU.

    Args:
        run_dir: the run's folder.
        model: the network, where the run was fitted with one's own.

    Raises:
        InputError: when the folder holds no readable run, or the run needs `model`.
    """
    folder = Path(run_dir)
    record = RunRecord.read(folder)
    config = recorded(record.config, where=str(folder / RECORD_FILE))
    if model is None:
        if record.model["is_own"]:
            raise InputError(f"{folder}: fitted with one's own network; pass that network as model=")
        card = DataCard.from_json(record.data)
        with precision_of(config):
            model = build.build_model(config, card)
    record.check(folder, KEPT)
    load_weights(model, folder / KEPT, run=checkpoint_owner(config))
    return model.eval()


def load_weights(model: VAE, path: Path, *, run: str) -> None:
    """Put the weights of a run's checkpoint into a model.

    Raises:
        InputError: when the file is missing, damaged, of another run, or of another network.
    """
    state, prefix = read_checkpoint(path, run=run)["state_dict"], "model."
    try:
        model.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    except RuntimeError as error:
        raise InputError(f"{path}: of another network ({str(error).splitlines()[0]})") from None


@contextmanager
def precision_of(config: FitConfig) -> Iterator[None]:
    """Make tensors in the run's precision by default within the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if config.precision == "64" else torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
