"""Weights & Biases as a second reader of a run's numbers: it is never asked for, never asks, and never fails a fit."""

from __future__ import annotations

import csv
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lightning.pytorch.loggers import WandbLogger

from vae_rd.config.fields import FitConfig
from vae_rd.run.files import HISTORY_FILE, RECORD_FILE
from vae_rd.run.record import Json, RunRecord
from vae_rd.training.wandb_runs import PLANE, STEP, Mode, Place, client, contained, environment, run_of, tracking_mode
from vae_rd.verdicts.collapse import collapse_words
from vae_rd.verdicts.fit_words import fit_words
from vae_rd.verdicts.modes import modes_words

CHART_SECONDS = 5.0  # Before it sends a table, the client asks the server several questions, each for up to 20 s.
CHART = "rate_distortion"
_ATTEMPTS: Mapping[Mode, tuple[Mode, ...]] = MappingProxyType(
    {"off": (), "offline": ("offline",), "online": ("online", "offline")}
)
# W&B starts a requeued run with every key it logged: a bare name, such as lr, would be taken for a flag.
_BARE = ("epoch", "beta_effective")


class RunLogger(WandbLogger):
    """Logs to a W&B run; when the client breaks down, training goes on without it.

    W&B's own step is the optimiser's. A step is logged once, however often a run is killed and trains it again: what
    W&B had at the start is not sent a second time, and what it had not is caught up on.

    Args:
        run: what `wandb.init` returned, or will.
        folder: the run's folder.
    """

    def __init__(self, run: Any, folder: Path) -> None:
        super().__init__(experiment=run, save_dir=folder)
        self.run, self.is_broken = run, False
        self._next_step: int = run.starting_step  # 0 offline, where nobody knows what W&B has.

    @property
    def experiment(self) -> Any:
        """The run, without the import of wandb that Lightning's own logger adds."""
        return self.run

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log all metrics of one step, unless W&B has the step or the client broke down earlier."""
        assert step is not None, "every row of history has its step"
        if self.is_broken or step < self._next_step:
            return
        row = {_logged_name(name): value for name, value in metrics.items()}
        with self.surviving("W&B gets no more of this run, its folder has every number"):
            place = {PLANE[name]: row[name] for name in PLANE if name in row}
            self.experiment.log({**row, **place, STEP: step}, step=step, commit=True)
            self._next_step = step + 1

    def note(self, kind: str, text: str) -> None:
        """Put a note on the training into the run's summary, where it stands while the run goes on."""
        if not self.is_broken:
            with self.surviving("W&B gets no more of this run, its folder has every number"):
                self.experiment.summary[f"note/{kind}"] = text

    def show(self, paths: Mapping[str, Path], *, step: int | None) -> None:
        """Put pictures into the step's row, which closes after them, unless W&B has the step.

        Args:
            paths: of PNGs, by what they show.
            step: of the optimiser; None for the one after all others.
        """
        step = self._next_step if step is None else step
        if self.is_broken or step < self._next_step:
            return
        with self.surviving("W&B gets no more of this run, its folder has every picture"):
            images = {f"media/{kind}": client().Image(str(path)) for kind, path in paths.items()}
            self.experiment.log(images, step=step, commit=False)

    def catch_up(self, history: Path) -> None:
        """Log the rows of an earlier start, of which a kill may have kept some from W&B."""
        if history.is_file():
            with history.open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream):
                    values = {name: float(text) for name, text in row.items() if text}
                    self.log_metrics(values, step=int(values.pop("step")))

    def attach(self, folder: Path, *names: str) -> None:
        """Send files of the run's folder, as they are now, to lie beside the numbers of the run."""
        for name in names:
            if (folder / name).is_file():
                self.experiment.save(folder / name, base_path=folder, policy="now", glob=False)

    def announce(self, folder: Path) -> None:
        """Send the record that says the run is running: what data and flags the numbers of its history are of."""
        if not (self.is_broken or self.experiment.offline):
            with self.surviving("W&B gets no more of this run, its folder has every number"):
                self.attach(folder, RECORD_FILE)

    def draw(self, record: RunRecord, folder: Path) -> None:
        """Put the kept checkpoint's points on a chart that W&B shares, by its key, between all runs of a page."""
        rows = [[split, *(m[name]["value"] for name in ("rate", "distortion"))] for split, m in record.metrics.items()]
        if all(distortion is None for *_, distortion in rows):
            return  # A GAN has no point.
        columns = ["split", "rate", "distortion", "beta"]
        with environment(WANDB_DATA_DIR=str(folder.absolute() / "wandb")):  # Else tables pass through the home folder.
            wandb = client()
            table = wandb.Table(columns=columns, data=[[*row, record.model["slope"]] for row in rows])
            chart = wandb.plot.scatter(table, "rate", "distortion", title="D over R of kept checkpoints, nats")
            self.experiment.log({CHART: chart}, step=self._next_step, commit=True)

    @contextmanager
    def surviving(self, consequence: str) -> Iterator[None]:
        """Whatever the client raises is one line of warning, since a fit does not depend on it."""
        try:
            yield
        except Exception as error:
            self.is_broken = True
            _warn(error, consequence)
            if isinstance(error, ConnectionError):  # The client's own process is gone; a next run starts a new one.
                with suppress(Exception, SystemExit):
                    client().teardown()


def start_tracking(config: FitConfig, folder: Path, *, name: str, run_id: str | None) -> RunLogger | None:
    """A logger for the run, online or offline as the mode says, or None; a server out of reach costs a line and a wait.

    Args:
        config: sent as the W&B run's config.
        folder: the run's folder; W&B keeps its own files in the `wandb` folder there.
        name: the run's name.
        run_id: the id of the W&B run to go on with, or None for a new one.
    """
    with contained(folder):  # To ask for the mode may start the client.
        for mode in _ATTEMPTS[tracking_mode(config)]:
            try:
                run = run_of(config, folder, mode, name=name, run_id=run_id, place=Place(config.wandb_project))
            except Exception as error:
                _warn(error, "logging offline, for `wandb sync`")
            else:
                if mode == "online":
                    print(f"W&B: {run.url}")
                logger = RunLogger(run, folder)
                logger.catch_up(folder / HISTORY_FILE)
                return logger
    return None


def tracking_state(logger: RunLogger | None) -> Json | None:
    """What the record says about W&B: enough to find the run again and go on with it."""
    if logger is None:
        return None
    run = logger.experiment
    return {
        "id": run.id,
        "project": run.project,
        "entity": run.entity or None,
        "mode": "offline" if run.offline else "online",
    }


def mark_preempting(logger: RunLogger | None) -> None:
    """Tell W&B that the run was told to make room: a sweep's server then starts it again under the same id."""
    if logger is not None and not logger.is_broken:
        with logger.surviving("the run is not marked as preempting"):
            logger.experiment.mark_preempting()


def finish_tracking(logger: RunLogger | None, record: RunRecord, folder: Path) -> None:
    """Send the kept checkpoint's numbers as the summary, attach record and history as files, and close the run."""
    if logger is None or logger.is_broken:
        return
    run = logger.experiment
    with logger.surviving(f"`wandb sync --include-online {folder}/wandb/*run-*` sends what W&B has not got"):
        run.summary.update(summary_of(record))
        logger.attach(folder, RECORD_FILE, HISTORY_FILE)
        try:
            if record.status == "finished":
                _within(CHART_SECONDS, lambda: logger.draw(record, folder))
        finally:
            run.finish(exit_code=0 if record.status == "finished" else 1)


def track_afterwards(config: FitConfig, record: RunRecord, folder: Path, paths: Mapping[str, Path]) -> None:
    """Send pictures of a finished run to its W&B run, if it has one and W&B is not switched off since.

    It lies where the record says: an agent's runs are in the sweep's project, whatever their config says.

    Args:
        config: of the run.
        record: of the run.
        folder: of the run.
        paths: of PNGs, by the names under which they are logged.
    """
    mode = "off" if record.wandb is None or not paths else tracking_mode(config)
    if record.wandb is None or mode == "off":
        return
    place = Place(record.wandb.get("project") or config.wandb_project, record.wandb.get("entity"))
    try:
        run = run_of(config, folder, mode, name=record.name, run_id=record.wandb["id"], place=place)
        with contained(folder):
            run.log({name: client().Image(str(path)) for name, path in paths.items()})
            run.finish()
    except Exception as error:
        _warn(error, f"its pictures are in {folder} all the same")


def summary_of(record: RunRecord) -> Json:
    """Flat W&B summary: `test/distortion`, `test/distortion_stderr`, ..., `test/rate_dim_0`, ..., verdict and notes.

    Example:
        >>> metrics = {"test": {"rate": {"value": 2.0, "stderr": 0.1, "n": 9}}}
        >>> metrics["test"]["rate_per_dim"] = {"value": [1.5, 0.5], "stderr": [0.1, 0.1], "n": 9}
        >>> summary_of(RunRecord("a", "", {}, {}, metrics=metrics))
        {'test/rate': 2.0, 'test/rate_stderr': 0.1, 'test/rate_dim_0': 1.5, 'test/rate_dim_1': 0.5}
    """
    summary: Json = {}
    for split, metrics in record.metrics.items():
        scalars = {name: entry for name, entry in metrics.items() if not isinstance(entry["value"], list)}
        for name, entry in scalars.items():
            summary[f"{split}/{name}"] = entry["value"]
            if entry["stderr"] is not None:
                summary[f"{split}/{name}_stderr"] = entry["stderr"]
        for d, rate in enumerate(metrics.get("rate_per_dim", {"value": None})["value"] or []):
            summary[f"{split}/rate_dim_{d}"] = rate
    if record.model.get("forecast"):
        summary["forecast/collapse_beta"] = record.model["forecast"]["collapse_beta"]
    if record.verdicts.get("collapse"):
        summary["collapsed"] = record.verdicts["collapse"]["collapsed"]
        summary["verdict/collapse"] = collapse_words(record.verdicts["collapse"])
    if record.verdicts.get("modes"):
        summary["verdict/modes"] = modes_words(record.verdicts["modes"])
    if record.verdicts.get("fit"):
        summary |= {"fit": record.verdicts["fit"]["verdict"], "fit/text": fit_words(record.verdicts["fit"])}
    return summary | {f"note/{note['kind']}": note["text"] for note in record.verdicts.get("training", [])}


def _within(seconds: float, action: Callable[[], None]) -> None:
    """Carry out an action that may hang, and go on without it after some time.

    Raises:
        Exception: what the action raised, or TimeoutError.
    """
    raised: list[Exception] = []

    def act() -> None:
        try:
            action()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer in {seconds:g} s")
    if raised:
        raise raised[0]


def _logged_name(name: str) -> str:
    return name if "/" in name or name in _BARE else f"train/{name}"


def _warn(error: Exception, consequence: str) -> None:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    print(f"warning: W&B: {reason}; {consequence}", file=sys.stderr)
