"""The LightningDataModule: whole batches indexed out of tensors that live on the training device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch import Tensor

from vae_rd.data.dataset import DataSet
from vae_rd.data.streams import read_ahead
from vae_rd.data.targets import Scored
from vae_rd.functional.seeding import generator


class Batch(NamedTuple):
    """x [B, C, H, W] and which part of its split it is: the step of the epoch, or the fixed evaluation chunk.

    Beside them what p(.|z) is of, where it is not x, as `VAE.terms` takes it.
    """

    x: Tensor
    part: int
    scored: Scored = Scored()


# Batches per turn of Lightning's loop, whose hooks cost a small model a tenth of every step that they surround, and a
# fifth of a chunk of validation.
BLOCK = 50


class TrainBatches:
    """Shuffled or fresh batches of one epoch, in blocks of BLOCK; each process takes its own rows of the global batch.

    The order of stored examples is a function of (seed, epoch), their pixel noise of (seed, epoch, step), and so is a
    fresh batch. The examples that do not fill a last batch sit this epoch out: every step then averages over the same
    number of examples on every process.

    Args:
        data: the data set.
        batch_size: over all processes.
        seed: of order and noise.
        epoch: gives the current one.
        rank, world_size: of this process.
        shared: where several members train in step, what makes each batch of theirs once.
    """

    def __init__(
        self,
        data: DataSet,
        *,
        batch_size: int,
        seed: int,
        epoch: Callable[[], int],
        rank: int,
        world_size: int,
        shared: SharedBatches | None = None,
    ) -> None:
        self.data, self.batch_size, self.seed, self.epoch = data, batch_size, seed, epoch
        self.shared = shared
        self.rows = slice(rank * batch_size // world_size, (rank + 1) * batch_size // world_size)

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return self.data.card.steps_per_epoch(self.batch_size)

    def __len__(self) -> int:
        return -(-self.steps // BLOCK)

    def __iter__(self) -> Iterator[Iterator[Batch]]:
        make = self._fresh if self.data.card.unlimited["train"] else self._shuffled
        batches = make() if self.shared is None else self.shared.of((self.seed, self.epoch()), make)
        return (islice(batches, BLOCK) for _ in range(len(self)))

    def _fresh(self) -> Iterator[Batch]:
        for step in range(self.steps):
            x = self.data.fresh(self.batch_size, "training", self.seed, self.epoch(), step)
            yield Batch(x[self.rows], step)

    def _shuffled(self) -> Iterator[Batch]:
        device, epoch = self.data.pixels["train"].device, self.epoch()
        transform, noise = self.data.transform, generator(device, self.seed, "pixels", epoch)
        for step, (index, pixels) in enumerate(self._stored(epoch, device)):
            if transform.is_random:
                noise = generator(device, self.seed, "pixels", epoch, step)
            x = transform.draw(pixels, noise)[self.rows]
            yield Batch(x, step, self.data.scored("train", index[self.rows]))

    def _stored(self, epoch: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each step, which examples it has, and their pixels as stored: held here, or read by a worker."""
        held, stream = self.data.pixels["train"], self.data.stream
        n = len(held if stream is None else stream)
        order = torch.randperm(n, generator=generator("cpu", self.seed, "shuffle", epoch))
        if stream is None:
            for index in order.to(device).split(self.batch_size)[: self.steps]:
                yield index, held.index_select(0, index)
            return
        batches = order.split(self.batch_size)[: self.steps]
        shares = read_ahead(stream, [index[self.rows] for index in batches])
        for index, share in zip(batches, shares, strict=True):
            yield index, self._in_place(share).to(device)

    def _in_place(self, share: Tensor) -> Tensor:
        """This process's rows where the whole batch has them: the noise of x is that of the whole batch."""
        if len(share) == self.batch_size:
            return share
        pixels = share.new_zeros(self.batch_size, *share.shape[1:])
        pixels[self.rows] = share
        return pixels


class SharedBatches:
    """Batches that members of one seed have in common, made once where they ask for them in step.

    A member that has fallen behind the others makes its own.

    Example:
        >>> shared, made = SharedBatches(), []
        >>> def make():
        ...     for step in range(2):
        ...         made.append(step)
        ...         yield Batch(torch.full((1,), step), step)
        >>> [a.x is b.x for a, b in zip(shared.of((0, 0), make), shared.of((0, 0), make))], made
        ([True, True], [0, 1])
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[tuple[int, int], Iterator[Batch], Batch]] = {}  # By seed.

    def of(self, key: tuple[int, int], make: Callable[[], Iterator[Batch]]) -> Iterator[Batch]:
        """The batches of a (seed, epoch).

        Args:
            key: of the batches.
            make: begins them.
        """
        for step in count():
            known = self._last.get(key[0])
            if step == 0 and (known is None or known[0] != key):
                source = make()
            elif known is not None and known[0] == key and known[2].part == step:
                yield known[2]
                continue
            elif known is not None and known[0] == key and known[2].part == step - 1:
                source = known[1]
            else:
                yield from islice(make(), step, None)
                return
            try:
                batch = next(source, None)
            except BaseException:
                self._last.pop(key[0], None)  # It gives no more; whoever asks next comes to the fault by itself.
                raise
            if batch is None:
                return
            self._last[key[0]] = key, source, batch
            yield batch


class EvaluationBatches:
    """The fixed evaluation chunks of a split, every `world_size`-th of them on this process, in blocks of BLOCK.

    None is padded. A process without any gets an empty one: Lightning would leave out its validation, and the others
    would wait.
    """

    def __init__(self, data: DataSet, split: str, *, rank: int, world_size: int) -> None:
        self.data, self.split, self.rank, self.world_size = data, split, rank, world_size

    def __len__(self) -> int:
        return max(1, -(-len(self._own_chunks()) // BLOCK))

    def __iter__(self) -> Iterator[Iterator[Batch]]:
        batches = self._batches()
        return (islice(batches, BLOCK) for _ in range(len(self)))

    def _batches(self) -> Iterator[Batch]:
        for chunk in self._own_chunks():
            yield Batch(self.data.evaluation_chunk(self.split, chunk), chunk, self.data.scored_chunk(self.split, chunk))
        if not self._own_chunks():
            yield Batch(self.data.evaluation_chunk(self.split, 0)[:0], 0, self.data.scored(self.split, slice(0)))

    def _own_chunks(self) -> range:
        return range(self.rank, self.data.chunks(self.split), self.world_size)


class TensorDataModule(LightningDataModule):
    """Train and validation batches of a DataSet for Lightning's Trainer."""

    def __init__(self, data: DataSet, *, batch_size: int, seed: int, shared: SharedBatches | None = None) -> None:
        super().__init__()
        self.data, self.batch_size, self.seed, self.shared = data, batch_size, seed, shared

    def setup(self, stage: str) -> None:
        """Move the pixels to this process's device."""
        self.data.to(self._trainer.strategy.root_device)

    def train_dataloader(self) -> TrainBatches:
        """This process's rows of the shuffled training batches."""
        trainer = self._trainer
        return TrainBatches(
            self.data,
            batch_size=self.batch_size,
            seed=self.seed,
            epoch=lambda: trainer.current_epoch,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            shared=self.shared,
        )

    def val_dataloader(self) -> EvaluationBatches:
        """This process's share of the validation chunks."""
        trainer = self._trainer
        return EvaluationBatches(self.data, "val", rank=trainer.global_rank, world_size=trainer.world_size)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Batches are made on the device already."""
        return batch

    @property
    def _trainer(self) -> Trainer:
        assert self.trainer is not None, "a TensorDataModule serves batches once a Trainer has taken it"
        return self.trainer
