"""A run that has passed every check: it trains, evaluates the kept checkpoint, and writes down what was found."""

from __future__ import annotations

import math
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from lightning.pytorch import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException

from vae_rd.config.fields import FitConfig, to_dict, to_yaml
from vae_rd.config.names import checkpoint_owners, identity, is_read
from vae_rd.config.versions import ONCE
from vae_rd.data.description import described
from vae_rd.data.module import TensorDataModule
from vae_rd.errors import Diverged, InputError, Interrupted, LostProcess
from vae_rd.experiment import build
from vae_rd.experiment.failures import Failure, cause_of, log_failure, mark_failed, read_failure, report_failure
from vae_rd.experiment.forecasting import betas_of, forecast_entry, forecast_words
from vae_rd.experiment.loading import load_weights
from vae_rd.experiment.matching import check_data, check_network, network_of
from vae_rd.experiment.preparing import Prepared
from vae_rd.experiment.recipe import settled
from vae_rd.experiment.splits import measure, measure_passed
from vae_rd.experiment.starting import start_of
from vae_rd.experiment.trainer import accelerator, build_trainer
from vae_rd.objectives.base import Objective
from vae_rd.process.collectives import broadcast, is_first, world_size
from vae_rd.process.signals import SignalGuard
from vae_rd.run.checkpoints import read_checkpoint, whole_checkpoint
from vae_rd.run.environment import capture_environment, capture_git, command_line
from vae_rd.run.files import CONFIG_FILE, HISTORY_FILE, write_atomic
from vae_rd.run.folder import KEPT, Claim, refuse_given
from vae_rd.run.record import RunRecord
from vae_rd.training.advice import validation_advice
from vae_rd.training.diagnosis import CollapseMonitor
from vae_rd.training.keeper import CheckpointKeeper
from vae_rd.training.media import MediaWriter, keep_media
from vae_rd.training.notes import TrainingNotes
from vae_rd.training.packed import PackSeat
from vae_rd.training.points import PointKeeper
from vae_rd.training.progress import RateDistortionProgress
from vae_rd.training.samples import SampleMonitor
from vae_rd.training.signals import HoldSignals
from vae_rd.training.tracking import RunLogger, finish_tracking, mark_preempting, start_tracking, tracking_state
from vae_rd.training.vae import VAEBlocks
from vae_rd.verdicts.notes import TrainingFacts

AIMED = ("slope", "achieved_slope", "target_rate", "target_distortion", "bound_samples")  # Of a record's model.
REPORT_SECONDS = 5.0  # For another process to write down why it has ended.


class Experiment:
    """A run that has passed every check of its input and has not written anything yet."""

    def __init__(self, config: FitConfig, claimed: Claim, prepared: Prepared, *, seat: PackSeat | None = None) -> None:
        self.config, self.claimed, self.seat = config, claimed, seat
        self.data, self.model, self.steps = prepared.data, prepared.model, prepared.steps
        # It is about betas: where the objective has none, it says nothing of the run.
        self.forecast = prepared.forecast if betas_of(config) else None
        self.settled = settled(config, steps=self.steps, forecast=prepared.forecast)
        self.record = RunRecord(
            name=claimed.folder.name,
            command=command_line(),
            config=to_dict(config),
            data=self.data.card.to_json() | {"is_own": prepared.own_data, "file_sha256": prepared.file_sha256},
            identity=identity(config),
            model={
                "kind": config.model,
                "is_own": prepared.own_model,
                "network": network_of(prepared.model),
                "latent_dim": prepared.model.latent_dim,
                "forecast": forecast_entry(self.forecast),
                "beta_warmup": self.settled.beta_warmup,
                "beta_start": self.settled.beta_start,
            },
        )
        self.checkpoint = broadcast(self._checkpoint)
        self.start = start_of(config, self.model, self.data) if self.checkpoint is None else None
        started = None if claimed.record is None else claimed.record.model.get("start")
        self.record.model["start"] = started if self.start is None else self.start.entry
        if claimed.record is not None:
            self.record.seconds, self.record.wandb = claimed.record.seconds, claimed.record.wandb

    def _checkpoint(self) -> Path | None:
        """Where training goes on, if it does and the flags allow it."""
        if self.claimed.action != "continue" or self.claimed.record is None:
            return None
        path = whole_checkpoint(self.claimed.folder, owners=checkpoint_owners(self.config))
        before, folder = self.claimed.record, self.claimed.folder
        refuse_given(before, folder, of_data=not self.record.data["is_own"], of_network=not self.record.model["is_own"])
        check_network(self.model, before, folder)
        check_data(self.data, before, folder)
        if is_read("trajectory", vars(self.config)):
            self._check_length(before)
        taken = read_checkpoint(path)["global_step"]
        asked = f"--max_epochs {self.config.max_epochs} --max_steps {self.config.max_steps}"
        if taken > self.steps:
            raise InputError(f"{asked}: {self.claimed.folder} has taken {taken} steps already; ask for no fewer")
        if taken < self.steps and taken % self.data.card.steps_per_epoch(self.config.batch_size):
            fault = f"{self.claimed.folder} ended within an epoch, and goes on from whole ones alone"
            raise InputError(f"{asked}: {fault}; choose another --name, or --overwrite")
        return path

    def _check_length(self, before: RunRecord) -> None:
        """Refuse another length of a training whose betas have their parts of it."""
        names = ("max_epochs", "max_steps")
        if any(before.config[name] != getattr(self.config, name) for name in names):
            was = " ".join(f"--{name} {before.config[name]}" for name in names if before.config[name] is not None)
            raise InputError(
                f"{self.claimed.folder}: each beta of --trajectory has its part of all steps, of {was}; give these, or "
                "choose another --name"
            )

    def run(self, guard: SignalGuard) -> RunRecord:
        """Train, evaluate, and leave a record that says how it ended, whatever happens; the first process writes it."""
        with ExitStack() as held:  # The first process holds the run's lock.
            self.folder = broadcast(lambda: self._begin(held))
            record = self._lead(guard) if is_first() else self._follow(guard)
            return broadcast(lambda: record)

    def _lead(self, guard: SignalGuard) -> RunRecord:
        logger: RunLogger | None = None
        before, began = self.record.seconds, time.monotonic()
        try:
            known = (self.record.wandb or {}).get("id")
            logger = start_tracking(self.config, self.folder, name=self.record.name, run_id=known)
            self.record.wandb = tracking_state(logger) or self.record.wandb
            self.record.write(self.folder)
            if logger is not None:
                logger.announce(self.folder)
            print(described(self.data), flush=True)
            if (forecast := self.forecast) is not None:
                print(forecast_words(forecast, betas_of(self.config), latent_dim=self.model.latent_dim), flush=True)
            self._train(guard, logger)
            if self.seat is None:
                self._evaluate()
            else:
                self.seat.in_main_thread(self._evaluate)
            if self.config.media_every != 0:
                epoch = self.record.model["kept_epoch"]
                keep_media(self.measured, self.data, self.folder, epoch=epoch, logger=logger)
            self.record.seal(self.folder, (KEPT, HISTORY_FILE))
            self.record.status = "finished"
        except Interrupted as stop:
            raise self._ended(stop, read_failure(self.folder, within=0.0), logger) from None
        except BaseException as error:  # A network of one's own may even end the program.
            cause = cause_of(error)
            elsewhere = read_failure(self.folder, within=REPORT_SECONDS) if cause is not error else None
            if guard.received is not None:  # It broke something before it could be raised.
                cause = Interrupted(guard.received)
            raise self._ended(cause, elsewhere, logger) from None
        finally:
            waited = 0.0 if self.seat is None else self.seat.waited
            self.record.seconds = round(before + time.monotonic() - began - waited, 3)
            self.record.write(self.folder)
            finish_tracking(logger, self.record, self.folder)
        return self.record

    def _ended(self, cause: BaseException, elsewhere: Failure | None, logger: RunLogger | None) -> BaseException:
        """Write down how the run ended early: as another process reports, else by the cause at hand; what to raise."""
        if elsewhere is not None:
            cause = LostProcess(str(elsewhere)) if elsewhere.signal is None else Interrupted(elsewhere.signal)
        if isinstance(cause, Interrupted):
            self.record.status, self.record.error = "interrupted", str(cause)
            self.record.stopped_by = cause.signum
            if cause.signum == signal.SIGUSR1:
                mark_preempting(logger)
            return cause
        mark_failed(self.record, cause)
        log_failure(self.folder, cause)
        return cause

    def _begin(self, held: ExitStack) -> Path:
        """Take the folder until `held` is closed, and write what is known before training."""
        self.record.environment = capture_environment(_device_name(accelerator(self.config)))
        self.record.environment["processes"] = world_size()
        self.record.git = capture_git()
        folder = held.enter_context(self.claimed.taken(self.config))
        self.record.write(folder)  # First: a folder with anything else and no record is taken for a stranger's.
        write_atomic(folder / CONFIG_FILE, to_yaml(replace(self.config, **ONCE)))
        return folder

    def _follow(self, guard: SignalGuard) -> RunRecord:
        """Take part in what the first process does; only a failure is written down, for the first one to report."""
        try:
            self._train(guard, None)
            self._evaluate()
        except (Exception, Interrupted) as error:
            report_failure(self.folder, error)
            raise
        return self.record

    def _train(self, guard: SignalGuard, logger: RunLogger | None) -> None:
        config = self.config
        module = build.build_module(self.settled, self.model, self.data.card, steps=self.steps, after_step=guard.check)
        if self.start is not None:
            self.model.load_state_dict(self.start.weights)
            module.taken_over = self.start.optimizer
        epochs = math.ceil(self.steps / self.data.card.steps_per_epoch(config.batch_size))
        (member,) = module.members
        objective = member.objective
        facts = TrainingFacts.of(self.record.data, None if objective is None else objective.slope())
        notes = TrainingNotes(facts, said=self.record.verdicts["training"])
        callbacks = [RateDistortionProgress(epochs), HoldSignals(guard), self._monitor(), notes]
        if config.media_every:
            callbacks.append(MediaWriter(self.folder, self.data, every=config.media_every))
        self.passed = [] if objective is None else [*objective.passed.values()]
        if self.passed:
            callbacks.append(PointKeeper(self.folder, run=checkpoint_owners(config)[0]))
        trainer = build_trainer(config, self.folder, logger=logger, callbacks=callbacks)
        batches = TensorDataModule(self.data, batch_size=config.batch_size, seed=config.seed)
        if self.seat is not None and isinstance(module, VAEBlocks):
            module.seat, batches.shared = self.seat, self.seat.pack.batches
        try:
            trainer.fit(module, batches, ckpt_path=self.checkpoint)
        except SIGTERMException:  # Lightning's own handler beats our check between epochs.
            raise Interrupted(signal.SIGTERM) from None
        notes.finish(trainer)
        self.rows = notes.rows
        if not (self.folder / KEPT).is_file():
            remedy = validation_advice(self.data.pixels["val"])
            raise Diverged(f"no validation had a finite objective; {remedy}")
        load_weights(self.model.eval(), self.folder / KEPT, owners=checkpoint_owners(config))
        (keeper,) = (c for c in trainer.checkpoint_callbacks if isinstance(c, CheckpointKeeper))
        self._note_kept(objective, score=keeper.best)
        self.measured = self.model.to(trainer.strategy.root_device).at(config.beta)

    def _monitor(self) -> Callback:
        """What looks at the model after each validation."""
        config = self.config
        if not self.model.has_encoder:
            return SampleMonitor(self.data, seed=config.seed)
        examples = config.batch_size * self.data.card.steps_per_epoch(config.batch_size)
        measure = None if self.seat is None else self.seat.measure
        return CollapseMonitor(self.data, examples=examples, seed=config.seed, measure=measure)

    def _note_kept(self, objective: Objective | None, *, score: float) -> None:
        """Write down which checkpoint was kept and by what score, its aim, and what a multiplier had come to there."""
        kept = read_checkpoint(self.folder / KEPT)
        trained = sum(p.numel() for p in self.model.parameters())  # Of many betas more than a model at one has.
        self.record.model |= {"kept_epoch": kept["epoch"], "score": score, "parameters": trained} | dict.fromkeys(AIMED)
        if objective is None:
            return
        prefix = "objective."
        state = {k.removeprefix(prefix): v for k, v in kept["state_dict"].items() if k.startswith(prefix)}
        objective.load_state_dict(state)
        self.record.model |= {
            "slope": objective.slope(),
            "achieved_slope": objective.achieved_slope(),
            "target_rate": objective.target_rate(),
            "target_distortion": objective.target_distortion(),
            "bound_samples": self.config.samples if objective.weighs_draws else None,
        }

    def _evaluate(self) -> None:
        measure(self.record, self.measured, self.data, self.config, rows=self.rows)
        measure_passed(self.record, self.folder, self.measured, self.data, self.config, self.passed)


def _device_name(kind: str) -> str:
    return torch.cuda.get_device_name() if kind == "cuda" else f"cpu, {torch.get_num_threads()} threads"
