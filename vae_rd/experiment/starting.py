"""Where training starts from another run: its last weights, its optimiser, and what the record says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vae_rd.config.fields import FitConfig
from vae_rd.config.names import is_read
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment.matching import data_differences, network_of
from vae_rd.model.generative import GenerativeModel
from vae_rd.run.checkpoints import read_checkpoint
from vae_rd.run.files import sha256
from vae_rd.run.finding import check_finished
from vae_rd.run.folder import LAST
from vae_rd.run.record import Json, RunRecord

MODEL = "model."  # What the names of a model's weights begin with in a checkpoint.


class Start(NamedTuple):
    """What training takes over from another run.

    Attributes:
        weights: of the model.
        optimizer: the state of the optimiser.
        entry: of the record: the run's name, the slope it was trained at, the direction from there to this run's, and
            the checksum of its checkpoint.
    """

    weights: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    entry: Json


def start_of(config: FitConfig, model: GenerativeModel, data: DataSet) -> Start | None:
    """The last checkpoint of the run that a config starts from; None where it starts from none.

    Raises:
        InputError: where the run is not finished, of another network or of other data, or its checkpoint is damaged.
    """
    if config.start_from is None:
        return None
    folder = Path(config.start_from)
    record = RunRecord.read(folder)
    check_finished(record, folder)
    _check(record, model, data, asked=f"--start_from {folder}")
    content = read_checkpoint(folder / LAST)
    weights = {k.removeprefix(MODEL): v for k, v in content["state_dict"].items() if k.startswith(MODEL)}
    slope = record.model["slope"]
    entry = {
        "run": record.name,
        "slope": slope,
        "direction": direction(slope, config.beta if is_read("beta", vars(config)) else None),
        "checkpoint_sha256": sha256(folder / LAST),
    }
    return Start(weights, content["optimizer_states"][0], entry)


def direction(before: float | None, now: float | None) -> str | None:
    """Whether beta went down or up from one run to the next; None where it stayed, or one of them has none.

    Example:
        >>> direction(4.0, 1.0), direction(1.0, 4.0), direction(1.0, None)
        ('down', 'up', None)
    """
    if before is None or now is None or before == now:
        return None
    return "down" if now < before else "up"


def _check(record: RunRecord, model: GenerativeModel, data: DataSet, *, asked: str) -> None:
    """Refuse weights of another network, and those of other data."""
    if record.model.get("network") != network_of(model):
        raise InputError(f"{asked}: its network is another one; give a run of the same flags of the model")
    for difference in data_differences(data, record):
        raise InputError(f"{asked}: was fitted to other data: {difference}; give a run of the same flags of the data")
