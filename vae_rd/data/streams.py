"""Training examples that stay in their files, read a block of batches ahead by a worker process.

Which examples a step has is decided before, by (seed, epoch), so that it does not matter who reads them: a streamed set
trains as the same set in memory does, to the last bit.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vae_rd.config.fields import Layout
from vae_rd.data.base import Streamed, subset
from vae_rd.data.splits import channels_first

BLOCK = 50  # Batches that are read at once, as many as Lightning is handed at once,
MOST_BYTES = 32 << 20  # or fewer where these would be more than this.
HELD = 10_000  # Examples of each split that are held in memory, to evaluate on.


@dataclass(frozen=True)
class Stream:
    """Stored pixels of training examples, by their place in a few files.

    Attributes:
        files: .npy arrays [n, ...], one after another.
        ends: how many examples there are up to the end of each.
        index: of the training examples, positions among all.
        kind: the type that pixels are stored in: counts in uint8, int16 or int32, or float32.
        layout: which axis has the channels.
        threshold: of counts that become bits, the least that is a 1; None for none.
    """

    files: tuple[Path, ...]
    ends: np.ndarray
    index: np.ndarray
    kind: np.dtype[Any]
    layout: Layout = "channels_last"
    threshold: int | None = None

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, places: Tensor) -> Tensor:
        """Pixels of some training examples, [n, C, H, W]; files are open for the time of this call alone."""
        found = self._found(self.index[places.numpy()])
        pixels = torch.from_numpy(
            np.ascontiguousarray(channels_first(found, self.layout)).astype(self.kind, copy=False)
        )
        # In place: one block more at a time leaves gaps in the heap of the worker, which grows all through an epoch.
        return pixels if self.threshold is None else pixels.ge_(self.threshold).to(torch.uint8)

    def _found(self, positions: np.ndarray) -> np.ndarray:
        """Examples as they are stored, by their positions among all."""
        which = np.searchsorted(self.ends, positions, side="right")
        used = [int(i) for i in np.unique(which)]
        mapped = {i: np.load(self.files[i], mmap_mode="r", allow_pickle=False) for i in used}
        rows = np.empty((len(positions), *mapped[used[0]].shape[1:]), mapped[used[0]].dtype)
        for i in used:
            here = np.flatnonzero(which == i)
            _read_rows(mapped[i], positions[here] - (self.ends[i - 1] if i else 0), rows, here)
        return rows

    def bits(self, least: int) -> Stream:
        """The same, 1 where a count is at least so much."""
        return replace(self, threshold=least)

    def part(self, places: Tensor) -> Stream:
        """Some of the training examples."""
        return replace(self, index=self.index[places.numpy()])


def evaluated(n: int, data_seed: int) -> Tensor:
    """Places of the streamed training examples that "train" is evaluated on: all, or so many at random, in order."""
    return torch.arange(n) if n <= HELD else subset(n, HELD, data_seed, "evaluated").sort().values


def _read_rows(mapped: np.ndarray, positions: np.ndarray, rows: np.ndarray, places: np.ndarray) -> None:
    """Put examples of one file at these places of `rows`.

    Each is read by itself: of a mapped file a look at one example holds the pages around it, too, and of many examples
    hundreds of megabytes of them. In Fortran's order an example lies all over its file, and is left to the mapping.
    """
    if not (isinstance(mapped, np.memmap) and mapped.flags.c_contiguous):
        rows[places] = mapped[positions]
        return
    size, into = mapped[:1].nbytes, memoryview(rows.reshape(-1).view(np.uint8))
    with Path(str(mapped.filename)).open("rb", buffering=0) as file:
        for place, position in zip((places * size).tolist(), (positions * size + mapped.offset).tolist(), strict=True):
            file.seek(position)
            if file.readinto(into[place : place + size]) != size:
                raise OSError(f"{mapped.filename}: cut short while it is read; give the whole file again")


class _Blocks(Dataset[Tensor]):
    def __init__(self, stream: Streamed, blocks: Sequence[Tensor]) -> None:
        self.stream, self.blocks = stream, blocks

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, block: int) -> Tensor:
        return self.stream.rows(self.blocks[block])


def read_ahead(stream: Streamed, batches: Sequence[Tensor]) -> Iterator[Tensor]:
    """The pixels of each batch, [B, C, H, W], by one worker process that is two blocks ahead.

    Args:
        stream: of which.
        batches: positions in it, [B] each.
    """
    if not batches:
        return
    size = batches[0].numel() * stream.rows(batches[0][:1]).nbytes
    together = max(1, min(BLOCK, MOST_BYTES // max(size, 1)))
    groups = [batches[first : first + together] for first in range(0, len(batches), together)]
    loader = DataLoader(
        _Blocks(stream, [torch.cat(list(group)) for group in groups]),
        batch_size=None,
        num_workers=1,
        worker_init_fn=_leave_signals,
        generator=torch.Generator(),  # Else it would draw from torch's global stream.
    )
    for group, pixels in zip(groups, loader, strict=True):
        yield from pixels.split([len(batch) for batch in group])


def _leave_signals(worker: int) -> None:
    """Ctrl-C is for the process that trains, which ends its worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(other, signal.SIG_DFL)
