"""D, R, I and warnings of collapse from the validations of anyone's LightningModule, by a callback."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from vae_rd.foreign.epochs import Epochs
from vae_rd.foreign.leaving import RunFolder
from vae_rd.foreign.measuring import check_counts
from vae_rd.foreign.modules import measured
from vae_rd.foreign.result import RateDistortionResult, check_beta
from vae_rd.foreign.returned import PriorOf, Reading, Returned
from vae_rd.foreign.testing import add_test, sums_of_weights
from vae_rd.foreign.validation import Examples, Found
from vae_rd.foreign.watching import Watching
from vae_rd.process.collectives import on_all_ranks
from vae_rd.run.record import RunRecord
from vae_rd.training.notes import note_line
from vae_rd.verdicts.notes import TrainingFacts


class RateDistortionCallback(Watching):
    """Measures D, R and I at each validation of a LightningModule, which stays as it is.

        Trainer(callbacks=[RateDistortionCallback(terms=lambda module, batch: (module.encode(batch[0]), module.decode),
                                                  beta=4.0, folder="runs/mine"), EarlyStopping("val/objective")])

    It logs `val/distortion`, `val/rate`, `val/elbo`, `val/objective` = D + beta R, `val/active_units`,
    `val/information` and others by the module's own `log`, so that any logger, EarlyStopping and ModelCheckpoint see
    them; says in words what goes wrong; and leaves a run folder that `analysis` draws: history.csv with a row for each
    epoch, record.json of the epoch of the lowest `val/objective`.

    Args:
        terms: (module, batch) to (q, decode), (x, q, decode), or a mapping of tensors. q is q(z|x), a Distribution of
            batch shape [B]; decode maps z [B, *event] to p(x|z), likewise; without an x that of the batch is taken.
            Tensors are those of `RateDistortion.update`, [B] or [S, B] and [B, D], and "x" and "z" where there are any.
        beta: weight of R in the loss at the end of training, as `python -m vae_rd.beta` finds it; 1 is the ELBO's. None
            where there is none: `val/objective` is then undefined, and the best epoch that of the highest ELBO.
        weight: module to the weight of R now, where that is not always beta.
        folder: of the run, such as "runs/mine"; None leaves no files.
        prior: m(z), or module to m(z); None for N(0, I).
        key: where x is in a batch that is a dict, or in a tuple whose first item it is not.
        samples: draws of z for each x of validation.
        seed: of the noise, which is the same at every validation, and of the choice of examples.
        train_examples: of the training set, measured as validation is, in eval mode; 0 for none.
        information_examples: how many x of validation I is a mean over in the record, each against all.
        dataloader: index of the validation loader that counts; others are logged with `/dataloader_idx_<i>`.
        name: that figures call the run by; None for that of its folder.
        data: what figures and tables call the examples.
        overwrite: whether another training's files in the folder may be replaced.

    Attributes:
        result: of the best epoch so far, as `rate_distortion` returns it; None before the first validation.

    Raises:
        InputError: for a beta that is no weight, and for counts below 1; in training for what `terms` must not return,
            and for a folder in use.

    Example:
        >>> from lightning.pytorch.demos.boring_classes import BoringModel
        >>> from torch.distributions import Independent, Normal
        >>> def terms(module, batch):
        ...     z = Independent(Normal(module.layer(batch), 1.0), 1)
        ...     return z, lambda z: Independent(Normal(z.repeat(1, 16), 1.0), 1)
        >>> rd = RateDistortionCallback(terms=terms)
        >>> quiet = dict(logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")
        >>> trainer = Trainer(max_epochs=1, callbacks=[rd], enable_checkpointing=False, **quiet)
        >>> trainer.fit(BoringModel())
        >>> rd.result["rate"]["n"], sorted(trainer.callback_metrics)[-2:]
        (64, ['val/rate_dim_1', 'val/shuffled_distortion'])
    """

    def __init__(
        self,
        terms: Callable[[Any, Any], Returned],
        *,
        beta: float | None = 1.0,
        weight: Callable[[Any], float] | None = None,
        folder: str | Path | None = None,
        prior: PriorOf = None,
        key: str | int | None = None,
        samples: int = 1,
        seed: int = 0,
        train_examples: int = 1_000,
        information_examples: int = 500,
        dataloader: int = 0,
        name: str | None = None,
        data: str = "loader",
        overwrite: bool = False,
    ) -> None:
        check_counts(samples=samples, information_examples=information_examples)
        super().__init__(
            Reading(terms, prior, key, seed, samples),
            Examples(train=train_examples, information=information_examples),
            beta=None if beta is None else check_beta(beta),
            dataloader=dataloader,
        )
        self.weight, self.name, self.data = weight, name, data
        self.folder = None if folder is None else RunFolder(Path(folder), overwrite=overwrite)
        self.result: RateDistortionResult | None = None
        self.epochs = Epochs()
        self._is_resumed = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew, unless a checkpoint was loaded or the trainer goes on, and take the folder."""
        if not self._is_resumed and trainer.current_epoch == 0:
            self.epochs, self.result = Epochs(), None
        self._is_resumed, self._validation = False, None
        if (folder := self._folder(trainer)) is not None:
            on_all_ranks(lambda: folder.take(self.epochs) if trainer.is_global_zero else None)
            kept = trainer.strategy.broadcast(trainer.is_global_zero and folder.has_record_of(self.epochs.kept_epoch))
            self.epochs.best = self.epochs.best if kept else math.inf

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say so where nothing will be measured."""
        if not sum(map(bool, trainer.num_val_batches or [])):
            rank_zero_warn(
                "RateDistortionCallback: this fit has no validation batches, at which D and R are measured; give a "
                "validation loader, such as trainer.fit(module, train_loader, val_loader)"
            )

    @torch.no_grad()
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the means of the examples; of a fit, add the epoch's row, say what there is to say, leave the files."""
        if trainer.sanity_checking or (found := self._ended(pl_module)) is None or trainer.state.fn != "fit":
            return
        with measured([pl_module]):
            self._keep(trainer, pl_module, found)

    @torch.no_grad()
    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log them, and put them into the record, where that is of these weights."""
        if (found := self._ended(pl_module)) is None or self._validation is None:
            return
        with measured([pl_module]):
            result = self._validation.result(pl_module, found, beta=self.beta, data=self.data)
        if result is None or not trainer.is_global_zero or (folder := self._folder(trainer)) is None:
            return
        if (words := add_test(folder.folder, pl_module, result)) is not None:
            print(f"note: {words}", flush=True)

    def _keep(self, trainer: Trainer, module: LightningModule, found: Found) -> None:
        """What a validation of a fit leaves."""
        weight = 1.0 if self.beta is None else self.beta if self.weight is None else float(self.weight(module))
        is_annealing = self.beta is not None and not math.isclose(weight, self.beta, rel_tol=1e-6)
        rates = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
        place = {"epoch": trainer.current_epoch, "step": trainer.global_step, "annealing": int(is_annealing)}
        row = place | {"beta_effective": weight, "lr": max(rates, default=math.nan)} | found.row
        self.epochs.add(row, found.objectives)
        record = None
        score = row["val/objective"] if self.beta is not None else -row["val/elbo"]
        if not is_annealing and self.epochs.is_best(score, trainer.current_epoch):
            record = self._record(module, found)
        self._say(trainer)
        if trainer.is_global_zero and (folder := self._folder(trainer)) is not None:
            folder.write(record, self.epochs, latent_dim=found.unit_columns)

    def _record(self, module: LightningModule, found: Found) -> RunRecord | None:
        """Of the weights as they are, which are the best so far."""
        assert self._validation is not None
        self.result = self._validation.result(module, found, beta=self.beta, data=self.data) or self.result
        trained = self._validation.trained(module, found, beta=self.beta)
        if self.result is None or self.folder is None:
            return None
        record = self.result.record(self.folder.folder.resolve().name, beta=self.beta, name=self.name)
        record.status = "running"
        record.model |= {"kept_epoch": self.epochs.kept_epoch, "sums_of_weights": sums_of_weights(module)}
        record.metrics |= {} if trained is None else {"train": trained}
        return record

    def _say(self, trainer: Trainer, *, at_end: bool = False) -> None:
        shape = () if self.result is None else self.result.card.shape
        facts = TrainingFacts(self.beta, is_sample=True, values=math.prod(shape))
        notes = self.epochs.notes(facts, at_end=at_end)
        if trainer.is_global_zero:
            for note in notes:
                print(note_line(note), flush=True)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what only the end shows, and in the record that it has come."""
        self._say(trainer, at_end=True)
        self._end(trainer, "finished")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Say in the record that it has not."""
        is_stop = isinstance(exception, KeyboardInterrupt)
        self._end(trainer, "interrupted" if is_stop else "failed", f"{type(exception).__name__}: {exception}")

    def _end(self, trainer: Trainer, status: str, error: str | None = None) -> None:
        if trainer.state.fn == "fit" and trainer.is_global_zero and (folder := self._folder(trainer)) is not None:
            folder.end(self.epochs, status, error)

    def _folder(self, trainer: Trainer) -> RunFolder | None:
        """Where files go; `fast_dev_run` leaves none, as with Lightning's own loggers and checkpoints."""
        return None if trainer.fast_dev_run else self.folder  # type: ignore[attr-defined]

    def state_dict(self) -> dict[str, Any]:
        """What must survive a resume."""
        return self.epochs.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint left off."""
        self.epochs.load_state_dict(state_dict)
        self._is_resumed = True
