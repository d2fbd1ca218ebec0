"""Whether fits in one process, one after another, make it grow: its resident memory and its open files."""

from __future__ import annotations

import ctypes
import gc
import os
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from breaking.forks import CONTEXT, OUTPUT

FITS = 30
SETTLED = 5  # Fits after which allocator and caches have what they need.
GROWTH = 1.05


def growth_of_fits(folder: Path) -> list[str]:
    """Run FITS fits in one process; what grew."""
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_fit_and_measure, args=(folder, sender))
    process.start()
    sender.close()
    sizes = [receiver.recv() for _ in range(FITS)]
    process.join()
    memory, files = zip(*sizes[SETTLED - 1 :], strict=True)
    print(f"MiB of one process, fit by fit: {[round(rss / 2**20) for rss, _ in sizes]}; open files {files[-1]}")
    problems = [f"memory grew from {memory[0]} to {memory[-1]} bytes"] if memory[-1] > GROWTH * memory[0] else []
    return problems + ([f"open files grew from {files[0]} to {files[-1]}"] if files[-1] > files[0] else [])


def _fit_and_measure(folder: Path, sender: Connection) -> None:
    """Send resident bytes and open files after each fit."""
    os.chdir(folder)
    with open(OUTPUT, "a", encoding="utf-8") as stream:  # noqa: PTH123
        os.dup2(stream.fileno(), 1)
    from vae_rd import fit_model
    from vae_rd.config.fields import FitConfig

    me = psutil.Process()
    for number in range(FITS):
        settings: dict[str, Any] = {
            "n_train": 256,
            "hidden": [200],
            "latent_dim": 2,
            "batch_size": 64,
            "eval_samples": 2,
        }
        fit_model(FitConfig(max_epochs=5, wandb="off", name=f"fit{number}", **settings))
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # What is held is counted, not what glibc keeps for the next fit.
        sender.send((me.memory_info().rss, me.num_fds()))
