"""The numbers of one validation of a LightningModule, those of a few examples beside them, and their record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from vae_rd.errors import InputError
from vae_rd.experiment.matching import network_of
from vae_rd.foreign.collecting import Collected, of_terms
from vae_rd.foreign.contents import Contents
from vae_rd.foreign.measuring import said_of
from vae_rd.foreign.passes import Pass, information, means, objectives
from vae_rd.foreign.result import RateDistortionResult
from vae_rd.foreign.returned import Batch, Reading
from vae_rd.foreign.subsets import fetched, few_of, flattened, in_batches, own_streams, size_of
from vae_rd.metrics.dependence import Dependence, dependence_entries, dependence_of
from vae_rd.model.terms import DrawnTerms
from vae_rd.process.collectives import own_shard
from vae_rd.run.record import Json
from vae_rd.training.diagnosis import LEAST, MOST, SHARE, columns_of

PER_UNIT = 256  # Units, of whose each a rate is logged.


@dataclass(frozen=True)
class Examples:
    """How many examples are looked at for what.

    Attributes:
        train: of the training set, as validation is; 0 for none.
        information: of validation in the record, for I.
    """

    train: int
    information: int


class Found(NamedTuple):
    """What one validation has found.

    Attributes:
        row: columns of history, nan where undefined.
        objectives: D + beta R of each example, [N]; None where undefined.
        val: the values of validation's examples.
        train: those of some of training's; None where nobody can pick any.
        dependence: of some of validation's; likewise.
    """

    row: dict[str, float]
    objectives: Tensor | None
    val: Collected
    train: Collected | None = None
    dependence: Dependence | None = None

    @property
    def unit_columns(self) -> int:
        """For how many units history has columns."""
        values = self.val.chunks[0].values
        units = next((values[name].shape[-1] for name in ("rate_per_dim", "mean", "z") if name in values), 0)
        return units if units <= PER_UNIT else 0

    def logged(self) -> dict[str, float]:
        """What loggers get: means that are defined, and the standard error of the objective."""
        hidden = ("_stderr", "/loss")
        return {
            name: value
            for name, value in self.row.items()
            if value == value and (not name.endswith(hidden) or name.endswith("/objective_stderr"))
        }


class Validation:
    """Measures the validations of one trainer.

    Args:
        trainer: whose loaders there are.
        reading: how batches are read.
        examples: how many are looked at.
        split: "val", or "test" for the loaders of a test, of which nothing is compared with training's.
        dataloader: index of the loader that counts.

    Raises:
        InputError: where there is none of that index.
    """

    def __init__(self, trainer: Trainer, reading: Reading, examples: Examples, *, split: str, dataloader: int) -> None:
        self.trainer, self.reading, self.examples, self.split = trainer, reading, examples, split
        loaders = trainer.val_dataloaders if split == "val" else trainer.test_dataloaders
        self.loaders, self.dataloader = flattened(loaders), dataloader
        if not 0 <= dataloader < len(self.loaders):
            raise InputError(f"dataloader: {dataloader}, of {len(self.loaders)} {split} loaders; count from 0")
        self.loader = self.loaders[dataloader]
        self.train_loader = trainer.train_dataloader
        trained = size_of(self.train_loader)
        few = MOST if trained is None else min(MOST, max(LEAST, round(SHARE * trained)))
        self._unread = Contents()  # Nobody asks what training's x are, nor those of loaders that do not count.
        self._contents: Contents | None = None  # Of those of the one that does, noted in its first pass.
        self._few = few_of(self.loader, few, reading.seed, "diagnosis")
        self._trained = few_of(self.train_loader, examples.train, reading.seed, "trained")

    def begun(self, index: int) -> Pass:
        """A pass over a loader, before its first batch."""
        n = size_of(self.loaders[index])
        contents = self._contents if index == self.dataloader else self._unread
        return Pass(self.reading.noise(self.split, n), contents=contents)

    def found(self, module: LightningModule, here: Pass, *, beta: float | None, index: int) -> Found | None:
        """The numbers of a loader's examples, of all processes; None where there were none.

        Args:
            module: in eval mode.
            here: its batches.
            beta: weight of R.
            index: of the loader; of the one that counts more is asked.
        """
        val = here.gathered()
        if not val.chunks:
            return None
        row = _prefixed(self.split, means(val.chunks[0], slope=beta))
        if index != self.dataloader:
            return Found(_within_reason(row), None, val)
        self._contents = val.contents
        dependence, train = self._dependence(module), self._train(module)
        if self.split == "val" and dependence is not None:
            latent_dim = 0 if dependence.rate_per_dim is None else dependence.rate_per_dim.shape[1]
            row |= columns_of(dependence, row, latent_dim=latent_dim)
            row["val/shuffle_rise_stderr"] = dependence.shuffled_stderr(dependence.rise)
        if train is not None:
            some = MOST if dependence is None else len(dependence.distortion)
            row |= _prefixed("train", means(train.chunks[0], slope=beta))
            row["train/information"] = information(train.chunks[0], some)
        return Found(_within_reason(row), objectives(val.chunks[0], slope=beta), val, train, dependence)

    def _dependence(self, module: LightningModule) -> Dependence | None:
        """Of a few examples, which each process measures; None where they are not at hand, or have no p(x|z)."""
        if self._few is None or len(self._few) < 2:
            return None
        read = [self._read(module, self.loader, index) for index in in_batches(self.loader, self._few)]
        parts = [(of.model.eval(), of.x, None) for of in read if of.model is not None and of.x is not None]
        return dependence_of(parts, seed=self.reading.seed) if parts else None

    def _train(self, module: LightningModule) -> Collected | None:
        """Values of some examples of training, of which each process measures its share."""
        if self.split != "val" or not self._trained or self.train_loader is None:
            return None
        batches = in_batches(self.train_loader, self._trained)
        here = Pass(self.reading.noise("train", len(self._trained)), contents=self._unread)
        for number in own_shard(len(batches)) or [0]:  # One who has no share does the first, whose places are one's.
            first = sum(map(len, batches[:number]))
            read = self._read(module, self.train_loader, batches[number])
            here.add(read, torch.arange(first, first + read.n))
        return here.gathered()

    def _read(self, module: LightningModule, loader: DataLoader[Any], index: Sequence[int]) -> Batch:
        with own_streams(self.reading.seed):
            return self.reading.batch(module, fetched(self.trainer, loader, index))

    def result(
        self, module: LightningModule, found: Found, *, beta: float | None, data: str
    ) -> RateDistortionResult | None:
        """The metrics of a record; None where a process had no batch."""
        if found.val.last is None:
            return None
        terms = found.val.last.terms
        distortion = said_of(terms.likelihood) if isinstance(terms, DrawnTerms) else None
        result = self._of(module, found.val, self.split, beta=beta, data=data, distortion=distortion)
        result.metrics |= {} if found.dependence is None else dependence_entries(found.dependence)
        result.network = network_of(module)
        result.values_per_example = result.values_per_example.on("cpu")  # A trainer's device has better use for memory.
        return result

    def trained(self, module: LightningModule, found: Found, *, beta: float | None) -> Json | None:
        """The metrics of the examples of training."""
        if found.train is None or found.train.last is None:
            return None
        return self._of(module, found.train, "train", beta=beta).metrics

    def _of(
        self,
        module: LightningModule,
        collected: Collected,
        split: str,
        *,
        beta: float | None,
        data: str = "loader",
        distortion: Json | None = None,
    ) -> RateDistortionResult:
        return of_terms(
            collected,
            beta=beta,
            split=split,
            data=data,
            seed=self.reading.seed,
            information_examples=self.examples.information,
            device=module.device,
            distortion=distortion,
        )


def _within_reason(row: dict[str, float]) -> dict[str, float]:
    """Without the rates of single units where they are too many for a logger, as those of spatial z are."""
    if not any(name.endswith(f"/rate_dim_{PER_UNIT}") for name in row):
        return row
    return {name: value for name, value in row.items() if "/rate_dim_" not in name}


def _prefixed(split: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{split}/{name}": value for name, value in values.items()}
