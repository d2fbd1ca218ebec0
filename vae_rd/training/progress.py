"""What a user sees during a fit: a bar with D and R on a terminal, elsewhere a line an epoch; and what is awaited."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vae_rd.process.collectives import is_first
from vae_rd.training.base import TrainedModule

REFRESH_SECONDS = 0.2  # A refresh costs milliseconds, as much as a training step.


class RateDistortionProgress(Callback):
    """Shows steps, time left, and the last validation: D and R, or how far samples are; reads no tensor in an epoch."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.console = Console()
        self.bar: Progress | None = None
        self.seen = ""  # Of the last validation.
        self._refreshed = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar, where there is a terminal to draw it on."""
        if not (trainer.is_global_zero and self.console.is_terminal):
            return
        columns = ("epoch", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[seen]}"))
        self.bar = Progress(*columns, console=self.console, auto_refresh=False)
        self.task = self.bar.add_task("fit", total=self.epochs, completed=trainer.current_epoch, seen="")
        self.bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar, a few times a second at most."""
        if self.bar is not None and time.monotonic() - self._refreshed > REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            part = (batch_idx + 1) / trainer.num_training_batches
            self.bar.update(self.task, completed=round(trainer.current_epoch + part, 2), refresh=True)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the validation's numbers (the training's come after this hook)."""
        assert isinstance(pl_module, TrainedModule)
        epoch, values = trainer.current_epoch + 1, pl_module.members[0].epoch_values
        is_validated = "val/distortion" in values
        if is_validated:
            means = f"val D {values['val/distortion']:.2f}  R {rounded(values['val/rate'])}"
            self.seen = f"{means}  active {rounded(values['val/active_units'], digits=0)}"
        elif is_validated := "val/frechet" in values:
            self.seen = f"val Frechet distance {values['val/frechet']:.3g}  spread {values['val/spread']:.2f}"
        if self.bar is not None:
            self.bar.update(self.task, completed=epoch, seen=self.seen, refresh=True)
        elif trainer.is_global_zero:
            print(f"epoch {epoch}/{self.epochs}" + is_validated * f"  {self.seen}", flush=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar."""
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()


def rounded(value: float, *, digits: int = 2) -> str:
    """To so many digits; a dash for what is undefined."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


@contextmanager
def shown(work: str) -> Iterator[None]:
    """Say what is being done within the block: for as long as it takes on a terminal, else on a line.

    Example:
        >>> with shown("evaluating the test split (9 examples)"):
        ...     pass
        evaluating the test split (9 examples) ...
    """
    console = Console(quiet=not is_first())
    if console.is_terminal:
        with console.status(f"{work} ..."):
            yield
        return
    if is_first():
        print(f"{work} ...", flush=True)
    yield
