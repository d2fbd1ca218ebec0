"""The hooks of a Lightning callback that lead the batches of validations and tests to their numbers."""

from __future__ import annotations

from abc import ABC
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from vae_rd.foreign.modules import measured
from vae_rd.foreign.passes import Pass
from vae_rd.foreign.returned import Reading
from vae_rd.foreign.subsets import places
from vae_rd.foreign.validation import Examples, Found, Validation


class Watching(Callback, ABC):
    """Measures each batch of a validation or a test; what becomes of the numbers at its end is a subclass's to say.

    Args:
        reading: how batches are read.
        examples: how many are looked at for what.
        beta: weight of R in the objective.
        dataloader: index of the loader that counts.
    """

    def __init__(self, reading: Reading, examples: Examples, *, beta: float | None, dataloader: int) -> None:
        self.reading, self.examples, self.beta, self.dataloader = reading, examples, beta, dataloader
        self._passes: dict[int, Pass] = {}
        self._validation: Validation | None = None

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with no examples."""
        self._begin(trainer, "val")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Likewise."""
        self._begin(trainer, "test")

    def _begin(self, trainer: Trainer, split: str) -> None:
        self._passes = {}
        if trainer.sanity_checking:  # There is no training loader yet.
            return
        if self._validation is None or (self._validation.trainer, self._validation.split) != (trainer, split):
            self._validation = Validation(trainer, self.reading, self.examples, split=split, dataloader=self.dataloader)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Measure a batch."""
        if trainer.sanity_checking:
            return
        assert self._validation is not None
        if dataloader_idx not in self._passes:
            self._passes[dataloader_idx] = self._validation.begun(dataloader_idx)
        here = self._passes[dataloader_idx]
        with measured([pl_module]):
            read = self.reading.batch(pl_module, batch)
            here.add(read, places(here.count, read.n))

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Likewise."""
        self.on_validation_batch_end(trainer, pl_module, outputs, batch, batch_idx, dataloader_idx)

    def _ended(self, module: LightningModule) -> Found | None:
        """Log the means of each loader; what was found of the one that counts."""
        counts = None
        with measured([module]):
            for index, here in sorted(self._passes.items()):
                assert self._validation is not None
                if (found := self._validation.found(module, here, beta=self.beta, index=index)) is None:
                    continue
                counts, end = (found, "") if index == self.dataloader else (counts, f"/dataloader_idx_{index}")
                logged = {f"{name}{end}": value for name, value in found.logged().items()}
                module.log_dict(logged, sync_dist=True, add_dataloader_idx=False)
        self._passes = {}
        return counts
