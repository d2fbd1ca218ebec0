"""One run from config to record: claim a folder, train, evaluate the kept checkpoint, write down what was found."""

from __future__ import annotations

import json
import math
import pickle
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException
from rich.console import Console

from vae_rd import build
from vae_rd.callbacks.progress import RateDistortionProgress
from vae_rd.callbacks.signals import HoldSignals
from vae_rd.cli import from_mapping
from vae_rd.config import FitConfig, to_dict, to_yaml
from vae_rd.data.base import DataCard
from vae_rd.data.dataset import DataSet
from vae_rd.data.module import TensorDataModule
from vae_rd.errors import InputError, Interrupted
from vae_rd.estimates.base import Fitted
from vae_rd.evaluation import evaluate_split
from vae_rd.folders import KEPT, LAST, Claim, claim
from vae_rd.functional.collapse import collapse_verdict
from vae_rd.model import VAE
from vae_rd.nn.whitening import set_moments
from vae_rd.records import (
    CONFIG_FILE,
    ERROR_FILE,
    RECORD_FILE,
    SPLITS,
    RunRecord,
    capture_environment,
    capture_git,
    command_line,
    write_atomic,
)
from vae_rd.signals import SignalGuard
from vae_rd.tracking import RunLogger, finish_tracking, start_tracking, tracking_state

WHITENING_CHUNKS = 40  # 20,000 examples: the moments are a change of coordinates, which needs no great precision.


def fit_model(config: FitConfig, *, model: VAE | None = None, data: DataSet | None = None) -> RunRecord:
    """Train a VAE as the config says, in its run folder, and return the record.

    Args:
        config: as parsed from flags, or `FitConfig(beta=4.0, ...)`.
        model: one's own network in place of the one `config` names; it is trained where it stands.
        data: one's own data set in place of the one `config` names.

    Raises:
        InputError: bad input; nothing has been written.
        Interrupted: a signal ended the run, which `resume="auto"` continues.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as runs:
        ...     settings = FitConfig(max_steps=2, hidden=[8], latent_dim=2, n_train=256, wandb="off", run_dir=runs)
        ...     record = fit_model(settings)  # doctest: +ELLIPSIS
        epoch ...
        >>> record.status, sorted(record.metrics)
        ('finished', ['test', 'train', 'val'])
    """
    config = from_mapping(to_dict(config), where="config")
    claimed = claim(config)
    if claimed.action == "finished" and claimed.record is not None:
        print(f"{claimed.folder}: finished already, nothing to do")
        return claimed.record
    with precision_of(config), SignalGuard() as guard:
        experiment = Experiment(config, claimed, model=model, data=data)
        return experiment.run(guard)


class Experiment:
    """A run that has passed every check of its input and has not written anything yet."""

    def __init__(self, config: FitConfig, claimed: Claim, *, model: VAE | None, data: DataSet | None) -> None:
        self.config, self.claimed = config, claimed
        build.accelerator(config)
        self.data = data or build.build_data(config)
        self.steps = build.steps_of(config, self.data.card)
        if claimed.action == "continue":
            read_checkpoint(claimed.folder / LAST)
        if any(self.data.card.population.values()) and config.eval_samples == 1:
            raise InputError("--eval_samples 1: on a population only z is random, its standard error takes 2 or more")
        self.model = model or build.build_model(config, self.data.card)
        if config.whiten:
            chunks = range(min(self.data.chunks("train"), WHITENING_CHUNKS))
            set_moments(self.model, torch.cat([self.data.evaluation_chunk("train", chunk) for chunk in chunks]))
        self.record = RunRecord(
            name=claimed.folder.name,
            command=command_line(),
            config=to_dict(config),
            data=self.data.card.to_json(),
            model={"is_own": model is not None},
        )
        if claimed.record is not None:
            self.record.seconds, self.record.wandb = claimed.record.seconds, claimed.record.wandb

    def run(self, guard: SignalGuard) -> RunRecord:
        """Train, evaluate, and leave a record that says how it ended, whatever happens."""
        self.folder = self.claimed.prepare()
        write_atomic(self.folder / CONFIG_FILE, to_yaml(self.config))
        self.record.environment = capture_environment(_device_name(build.accelerator(self.config)))
        self.record.git = capture_git()
        self.record.write(self.folder)
        logger: RunLogger | None = None
        before, began = self.record.seconds, time.monotonic()
        try:
            known = (self.record.wandb or {}).get("id")
            logger = start_tracking(self.config, self.folder, name=self.record.name, run_id=known)
            self.record.wandb = tracking_state(logger) or self.record.wandb
            self.record.write(self.folder)
            self._train(guard, logger)
            self._evaluate()
            self.record.status = "finished"
        except Interrupted as stop:
            self.record.status, self.record.error = "interrupted", str(stop)
            raise
        except Exception as error:
            self.record.status, self.record.error = "failed", f"{type(error).__name__}: {error}"
            log = write_atomic(self.folder / ERROR_FILE, traceback.format_exc())
            error.add_note(f"the traceback is in {log}")
            raise
        finally:
            self.record.seconds = round(before + time.monotonic() - began, 3)
            self.record.write(self.folder)
            finish_tracking(logger, self.record, self.folder)
        return self.record

    def _train(self, guard: SignalGuard, logger: RunLogger | None) -> None:
        config = self.config
        module = build.build_module(config, self.model, steps=self.steps, after_step=guard.check)
        epochs = math.ceil(self.steps / self.data.card.steps_per_epoch(config.batch_size))
        callbacks = [RateDistortionProgress(epochs), HoldSignals(guard)]
        trainer = build.build_trainer(config, self.folder, logger=logger, callbacks=callbacks)
        batches = TensorDataModule(self.data, batch_size=config.batch_size, seed=config.seed)
        last = self.folder / LAST if self.claimed.action == "continue" else None
        try:
            trainer.fit(module, batches, ckpt_path=last, weights_only=True if last else None)
        except SIGTERMException:  # Lightning's own handler beats our check between epochs.
            raise Interrupted(signal.SIGTERM) from None
        if not (self.folder / KEPT).is_file():
            raise FloatingPointError("no validation had a finite objective; lower --lr")
        load_weights(self.model.eval(), self.folder / KEPT)
        self.model.to(trainer.strategy.root_device)

    def _evaluate(self) -> None:
        config = self.config
        for split in SPLITS:
            with Console().status(f"evaluating the {split} split ..."):
                self.record.metrics[split] = evaluate_split(
                    self.model, self.data, split, beta=config.beta, seed=config.seed, samples=config.eval_samples
                )
        likelihood = getattr(self.model.decoder, "likelihood", None)
        self.record.model |= {
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "squared_error_weight": getattr(likelihood, "squared_error_weight", None),
        }
        test = self.record.metrics["test"]
        self.record.verdicts["collapse"] = collapse_verdict(
            rate=test["rate"]["value"], active=test["active_units"]["value"], latent_dim=self.model.latent_dim
        )


def open_run(run_dir: str | Path) -> Fitted:
    """A finished run with its model, its data and its config, ready to be measured again on this machine's device.

    Raises:
        InputError: when the folder holds no finished run that flags alone can rebuild, or the data have changed.
    """
    folder = Path(run_dir)
    record = RunRecord.read(folder)
    if record.status != "finished":
        raise InputError(f"{folder}: this run is {record.status}; --resume auto takes it to its end")
    config = from_mapping(record.config, where=str(folder / RECORD_FILE))
    device = torch.device(build.accelerator(config))
    with precision_of(config):
        model = load(folder).to(device)
        data = build.build_data(config)
    if json.loads(json.dumps(data.card.to_json())) != record.data:
        raise InputError(f"{folder}: --data {config.data} is not what this run was fitted to; restore its files")
    data.to(device)
    return Fitted(folder, config, model, data)


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
    if model is None:
        if record.model["is_own"]:
            raise InputError(f"{folder}: fitted with one's own network; pass that network as model=")
        config = from_mapping(record.config, where=str(folder / CONFIG_FILE))
        card = DataCard.from_json(record.data)
        with precision_of(config):
            model = build.build_model(config, card)
    load_weights(model, folder / KEPT)
    return model.eval()


def load_weights(model: VAE, path: Path) -> None:
    """Put a checkpoint's weights into a model.

    Raises:
        InputError: when the file is missing, damaged, or of another network.
    """
    state, prefix = read_checkpoint(path), "model."
    try:
        model.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    except RuntimeError as error:
        raise InputError(f"{path}: of another network ({str(error).splitlines()[0]})") from None


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint; only tensors and plain values are ever unpickled.

    Raises:
        InputError: when the file is missing or damaged.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such checkpoint; fit the run to its end") from None
    except (RuntimeError, KeyError, OSError, EOFError, ValueError, TypeError, pickle.UnpicklingError):
        raise InputError(f"{path}: damaged, no checkpoint can be read; fit the run again with --overwrite") from None


@contextmanager
def precision_of(config: FitConfig) -> Iterator[None]:
    """Make tensors in the run's precision by default within the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if config.precision == "64" else torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _device_name(kind: str) -> str:
    return torch.cuda.get_device_name() if kind == "cuda" else f"cpu, {torch.get_num_threads()} threads"
