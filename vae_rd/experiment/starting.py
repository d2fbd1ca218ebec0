"""Where training starts from another run: its weights, its optimiser, and what the record says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vae_rd.config.cli import recorded
from vae_rd.config.fields import FitConfig
from vae_rd.config.names import is_read
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment.loading import check_beta, load
from vae_rd.experiment.matching import data_differences, network_of
from vae_rd.model.generative import GenerativeModel
from vae_rd.run.checkpoints import read_checkpoint
from vae_rd.run.files import RECORD_FILE, sha256
from vae_rd.run.finding import check_finished
from vae_rd.run.folder import KEPT, LAST
from vae_rd.run.record import Json, RunRecord

MODEL = "model."  # What the names of a model's weights begin with in a checkpoint.


class Start(NamedTuple):
    """What training takes over from another run.

    Attributes:
        weights: of the model.
        optimizer: the state of the optimiser; None of a run of many betas, whose parameters are others.
        entry: of the record: the run's name, the slope it was trained at, the direction from there to this run's, and
            the checksum of its checkpoint.
    """

    weights: Mapping[str, Any]
    optimizer: Mapping[str, Any] | None
    entry: Json


def start_of(config: FitConfig, model: GenerativeModel, data: DataSet) -> Start | None:
    """What a config starts from: the end of another run, or the model at its beta of a run of many; None for neither.

    Raises:
        InputError: where the run is not finished, of another network, of other data or of other betas, or its
            checkpoint is damaged.
    """
    if config.start_from is None:
        return None
    folder = Path(config.start_from)
    record = RunRecord.read(folder)
    check_finished(record, folder)
    asked = f"--start_from {folder}"
    for difference in data_differences(data, record):
        raise InputError(f"{asked}: was fitted to other data: {difference}; give a run of the same flags of the data")
    beta = config.beta if is_read("beta", vars(config)) else None
    if record.model.get("network") == network_of(model):
        return _from_end(folder, record, beta)
    return _from_many(folder, record, model, beta, asked=asked)


def _from_end(folder: Path, record: RunRecord, beta: float | None) -> Start:
    """The last weights and the optimiser of a run of the same network."""
    content = read_checkpoint(folder / LAST)
    weights = {k.removeprefix(MODEL): v for k, v in content["state_dict"].items() if k.startswith(MODEL)}
    return Start(weights, content["optimizer_states"][0], _entry(folder / LAST, record, record.model["slope"], beta))


def _from_many(folder: Path, record: RunRecord, model: GenerativeModel, beta: float | None, *, asked: str) -> Start:
    """The kept weights that a run of many betas has at this one, where they are those of such a network."""
    theirs = recorded(record.config, where=str(folder / RECORD_FILE))
    if beta is None or not is_read("beta_range", vars(theirs)):
        raise _another(asked)
    check_beta(theirs.beta_range, folder, beta, asked=f"{asked} --beta {beta:g}")
    plain = load(folder, beta=beta)
    if network_of(plain) != network_of(model):
        raise _another(asked)
    return Start(plain.state_dict(), None, _entry(folder / KEPT, record, beta, beta))


def _another(asked: str) -> InputError:
    return InputError(f"{asked}: its network is another one; give a run of the same flags of the model")


def _entry(checkpoint: Path, record: RunRecord, slope: float | None, beta: float | None) -> Json:
    return {
        "run": record.name,
        "slope": slope,
        "direction": direction(slope, beta),
        "checkpoint_sha256": sha256(checkpoint),
    }


def direction(before: float | None, now: float | None) -> str | None:
    """Whether beta went down or up from one run to the next; None where it stayed, or one of them has none.

    Example:
        >>> direction(4.0, 1.0), direction(1.0, 4.0), direction(1.0, None)
        ('down', 'up', None)
    """
    if before is None or now is None or before == now:
        return None
    return "down" if now < before else "up"
