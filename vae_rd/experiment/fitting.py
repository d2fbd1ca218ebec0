"""One run from config to record: claim a folder, train, evaluate the kept checkpoint, write down what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch

from vae_rd.config.cli import from_mapping
from vae_rd.config.fields import FitConfig, to_dict
from vae_rd.config.names import identity
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.experiment.door import check_given, data_set_of
from vae_rd.experiment.experiment import Experiment
from vae_rd.experiment.failures import cause_of, log_failure, mark_failed
from vae_rd.experiment.loading import precision_of
from vae_rd.experiment.preparing import Prepared, check_same_run, prepare
from vae_rd.model.vae import VAE
from vae_rd.process.collectives import broadcast, check_same, connected, is_first, on_all_ranks, rank_zero_first
from vae_rd.process.signals import SignalGuard
from vae_rd.process.terminal import lasting_output
from vae_rd.run.environment import command_line
from vae_rd.run.folder import Claim, check_unread, claim
from vae_rd.run.record import RunRecord
from vae_rd.training.packed import PackSeat


def fit_model(config: FitConfig, *, model: VAE | None = None, data: Any = None) -> RunRecord:
    """Train a VAE as the config says, in its run folder, and return the record.

    Args:
        config: as parsed from flags, or `FitConfig(beta=4.0, ...)`.
        model: one's own network in place of the one `config` names; it is trained where it stands.
        data: one's own data in place of the one `config` names: a DataSet, or whatever `from_datasets` takes.

    Raises:
        InputError: bad input; nothing has been written.
        Interrupted: a signal ended the run, which `resume="auto"` continues.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as runs:
        ...     settings = FitConfig(max_steps=2, hidden=[8], latent_dim=2, n_train=256, wandb="off", run_dir=runs)
        ...     record = fit_model(settings)  # doctest: +ELLIPSIS
        sprites: ...
        >>> record.status, sorted(record.metrics)
        ('finished', ['test', 'train', 'val'])
    """
    check_given(config, model, data)
    config = from_mapping(to_dict(config), where="config")
    check_unread(config)
    return fit_checked(config, model=model, data=data_set_of(data, config))


def fit_models(configs: Sequence[FitConfig]) -> list[RunRecord]:
    """`fit_model` of each config, one after another."""
    return [fit_model(config) for config in configs]


def fit_checked(config: FitConfig, *, model: VAE | None = None, data: DataSet | None = None) -> RunRecord:
    """`fit_model` of a config that was checked as it was read."""
    cuda = config.accelerator != "cpu" and torch.cuda.is_available()
    together = connected(devices=config.devices, num_nodes=config.num_nodes, cuda=cuda)
    with precision_of(config), lasting_output(), together, SignalGuard() as guard:
        check_same(to_dict(config), what="flags")
        return fit_claimed(config, guard, model=model, data=data)


def fit_claimed(
    config: FitConfig,
    guard: SignalGuard,
    *,
    model: VAE | None = None,
    data: DataSet | None = None,
    read: Callable[[FitConfig], DataSet] = build.build_data,
    seat: PackSeat | None = None,
) -> RunRecord:
    """Claim the folder of a config and fit it, within `precision_of` it; to be called by all its processes.

    Args:
        config: as checked.
        guard: of signals.
        model, data: one's own.
        read: gives the data that the flags ask for.
        seat: its place among members that train together.
    """
    claimed = broadcast(lambda: claim(config))
    if claimed.action == "finished" and claimed.record is not None:
        broadcast(lambda: check_same_run(config, claimed, model, data))
        if is_first():
            print(f"{claimed.folder}: finished already, nothing to do")
        return claimed.record

    def ready() -> Prepared:
        return on_all_ranks(lambda: rank_zero_first(lambda: prepare(config, model, data, read=read)))

    try:
        prepared = ready() if seat is None else seat.in_main_thread(ready)
    except Exception as error:
        if not isinstance(error, InputError) and is_first():  # A fault of the code, not of its input.
            _leave_failure(config, claimed, error)
        raise
    check_same(prepared.data.card.to_json(), what="data")
    return Experiment(config, claimed, prepared, seat=seat).run(guard)


def _leave_failure(config: FitConfig, claimed: Claim, error: Exception) -> None:
    """A run that failed before it was begun: its folder says so, unless anything is there already, which stays."""
    if claimed.folder.exists() and any(claimed.folder.iterdir()):
        return
    with suppress(InputError), claimed.taken(config) as folder:  # Another process may hold it by now.
        record = RunRecord(folder.name, command_line(), to_dict(config), {}, identity(config))
        mark_failed(record, cause_of(error))
        record.write(folder)
        log_failure(folder, error)
