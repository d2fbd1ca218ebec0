"""Memory, seconds a step and resumption of a fit to a set that stays in its files.

    OMP_NUM_THREADS=1 python benchmarks/memory_mapped.py [--examples 2000000] [--turns 10] [--folder FOLDER] [--write]

Makes a folder of four .npy shards of distinct 28 x 28 grey images, 1.57 GB of 2 million, a part at a time, and fits the
default network to it by `python -m vae_rd.fit --data npy`. Three things are measured:

- memory: one epoch over all of them, with what every process of the fit holds, read from /proc 20 times a second. VmHWM
  is the kernel's own mark of the most resident pages; they are anonymous ones (the process's own), shared ones (batches
  on their way from the worker) and those of mapped files, libraries among them. What a forked worker shares with its
  parent counts in both, but once in PSS.
- seconds a step: the same batches from the files and from memory, one epoch of each in turn within one fit, because a
  shared machine changes its pace within seconds; by the clock, and by the processor over all threads and the worker.
- resumption: a fit ended by SIGTERM within its second epoch and continued, against one that was not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback
from torch import Tensor

from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.data.module import TensorDataModule, TrainBatches
from vae_rd.data.shards import npy
from vae_rd.experiment import build
from vae_rd.experiment.trainer import build_trainer
from vae_rd.process.signals import SignalGuard
from vae_rd.training.progress import RateDistortionProgress
from vae_rd.training.signals import HoldSignals

SIDE, SHARDS, PART, BATCH = 28, 4, 20_000, 128
TIMED = 100_000  # Examples of the set whose epochs are timed, from all over the files; in memory they are 78 MB.
MOST_MB, MOST_RATIO, LOOKS = 2_000, 1.15, 20
PAGE = Path(__file__).parents[1] / "docs" / "data.md"
BEGIN, END = "<!-- begin: python benchmarks/memory_mapped.py --write -->\n", "<!-- end -->"
PEAKS = {
    "VmHWM": "resident",
    "RssAnon": "anonymous",
    "RssShmem": "shared",
    "RssFile": "of mapped files",
    "Pss": "proportional",
}
FLAGS = ["--data", "npy", "--binarization", "threshold", "--wandb", "off", "--accelerator", "cpu", "--media_every", "0"]


def images(n: int, seed: int) -> np.ndarray:
    """n grey images of one blurred spot each, of random place, width and brightness, [n, 28, 28] uint8."""
    rng, at = np.random.default_rng(seed), np.arange(SIDE, dtype=np.float32)
    centres = rng.uniform(4, SIDE - 4, (2, n, 1)).astype(np.float32)
    widths = rng.uniform(2, 6, (n, 1)).astype(np.float32)
    rows, columns = np.exp(-(((at - centres) / widths) ** 2))
    return (rng.uniform(150, 255, (n, 1, 1)).astype(np.float32) * rows[:, :, None] * columns[:, None]).astype(np.uint8)


def make(folder: Path, n: int) -> None:
    """The shards, written a part at a time."""
    each = n // SHARDS
    for shard in range(SHARDS):
        with (folder / f"{shard}.npy").open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (each, SIDE, SIDE)}
            np.lib.format.write_array_header_1_0(file, header)
            for part, first in enumerate(range(0, each, PART)):
                images(min(PART, each - first), seed=shard * n + part).tofile(file)


def fit(data: Path, runs: Path, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "vae_rd.fit", *FLAGS, "--data_file", str(data), "--run_dir", str(runs), *flags]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def held(pid: int, file: str) -> dict[str, float]:
    """What a process holds by one of its files in /proc, in MB; nothing of one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return {}
    words = (line.split() for line in lines if line.endswith("kB"))
    return {name[:-1]: int(kilobytes) * 1024 / 1e6 for name, kilobytes, _ in words if name[:-1] in PEAKS}


def children(pid: int) -> list[int]:
    try:
        return [int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()]
    except OSError:
        return []


def watch(process: subprocess.Popen[bytes]) -> dict[str, dict[str, float]]:
    """The peaks of a fit's process, of its worker, and of both together, until it ends."""
    most: dict[str, dict[str, float]] = {"fit": {}, "worker": {}, "together": {}}
    for look in itertools.count():
        if process.poll() is not None:
            break
        file = "status" if look % LOOKS else "smaps_rollup"  # Which is dear.
        own, workers = held(process.pid, file), [held(child, file) for child in children(process.pid)]
        together = {name: sum(found.get(name, 0.0) for found in (own, *workers)) for name in own}
        for who, found in (("fit", own), *(("worker", worker) for worker in workers), ("together", together)):
            most[who] |= {name: max(value, most[who].get(name, 0.0)) for name, value in found.items()}
        time.sleep(1 / LOOKS)
    if process.returncode:
        raise SystemExit(f"the fit ended with code {process.returncode}")
    return most


def row(what: str, found: str, wanted: str = "") -> str:
    return f"| {what} | {found} | {wanted} |"


def memory_rows(data: Path, runs: Path) -> Iterator[str]:
    """What one epoch over all examples and its evaluation hold at most."""
    most = watch(fit(data, runs, "--name", "memory", "--max_epochs", "1"))
    record = json.loads((runs / "memory" / "record.json").read_text())
    pixels = sum(file.stat().st_size for file in data.iterdir()) / 1e6
    yield row("training examples", f"{record['data']['streamed']:,} of {pixels:,.0f} MB of files")
    yield row("one epoch and its evaluation", f"{record['seconds']:.0f} s")
    for who, found in most.items():
        own = ", ".join(f"{said} {found[name]:,.0f}" for name, said in PEAKS.items())
        is_bar = who == "together"
        yield row(f"peak MB, {who}", own, f"resident under {MOST_MB:,}" if is_bar else "")


class Alternating:
    """Epochs of two data sets in turn, of the same batches: those of epoch 2 k and 2 k + 1 are epoch k of each."""

    def __init__(self, sets: tuple[DataSet, DataSet], epoch: Any) -> None:
        self.epoch = epoch
        own = {"batch_size": BATCH, "seed": 0, "epoch": lambda: epoch() // 2, "rank": 0, "world_size": 1}
        self.batches = [TrainBatches(data, **own) for data in sets]

    def __len__(self) -> int:
        return len(self.batches[0])

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches[self.epoch() % 2])


class Turns(TensorDataModule):
    """Training batches from the files and from memory in turn."""

    def __init__(self, streamed: DataSet, in_memory: DataSet) -> None:
        super().__init__(in_memory, batch_size=BATCH, seed=0)
        self.sets = (streamed, in_memory)

    def train_dataloader(self) -> Any:
        """Epochs of both."""
        return Alternating(self.sets, lambda: self._trainer.current_epoch)


def now() -> np.ndarray:
    """Seconds of the clock and of the processor, with those of workers that have ended."""
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    return np.array([time.perf_counter(), time.process_time() + workers.ru_utime + workers.ru_stime])


class Clock(Callback):
    """Seconds a step of each epoch, by the clock and by the processor."""

    def __init__(self) -> None:
        self.seconds: list[tuple[float, float]] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start."""
        self.began = now()

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        """Stop; the worker has ended with its epoch."""
        self.seconds.append(tuple((now() - self.began) / (TIMED // BATCH)))


def in_memory(streamed: DataSet, source: Source) -> DataSet:
    """The same examples, held."""
    assert streamed.stream is not None
    rows = streamed.stream.rows(torch.arange(len(streamed.stream)))
    stored = {split: source.images[split] for split in ("val", "test")}
    return DataSet(Source("npy", {"train": rows, **stored}, levels=2))


def same_batches(streamed: DataSet, memory: DataSet) -> None:
    own = {"batch_size": BATCH, "seed": 0, "epoch": lambda: 1, "rank": 0, "world_size": 1}
    first: list[Tensor] = []
    for data in (streamed, memory):
        first.append(torch.stack([batch.x for batch in next(iter(TrainBatches(data, **own)))]))
    if not torch.equal(*first):
        raise SystemExit("the batches differ")


def time_rows(data: Path, *, turns: int) -> Iterator[str]:
    """Epochs in turn; the first of each is not counted."""
    source = npy(data)
    small = {split: part[:500] for split, part in source.images.items()}
    streamed = DataSet(replace(source, images=small), n_train=TIMED, binarization="threshold")
    memory = in_memory(streamed, Source("npy", {s: (small[s] >= 128).to(torch.uint8) for s in small}, levels=2))
    same_batches(streamed, memory)
    epochs = 2 * turns + 2
    config = FitConfig(max_epochs=epochs, wandb="off", lr_schedule="constant", accelerator="cpu", val_every=epochs)
    guard, clock = SignalGuard(), Clock()
    steps = epochs * (TIMED // BATCH)
    model = build.build_model(config, memory.card)
    module = build.build_module(config, model, memory.card, steps=steps, after_step=guard.check)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "checkpoints").mkdir()
        callbacks = [RateDistortionProgress(epochs), HoldSignals(guard), clock]
        trainer = build_trainer(config, Path(folder), logger=None, callbacks=callbacks)
        trainer.fit(module, Turns(streamed, memory))
    seconds = np.array(clock.seconds[2:]).reshape(turns, 2, 2)  # By turn, by set, by clock and processor.
    for i, name in enumerate(("the clock", "the processor")):
        files, held_there = (1e3 * statistics.median(seconds[:, j, i]) for j in (0, 1))
        ratios = seconds[:, 0, i] / seconds[:, 1, i]
        found = f"{files:.2f} from the files, {held_there:.2f} in memory: {statistics.median(ratios):.3f} x"
        yield row(
            f"ms a step by {name}", f"{found} ({ratios.min():.3f} to {ratios.max():.3f})", f"at most {MOST_RATIO} x"
        )


def weights(folder: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state


def resumption(data: Path, runs: Path) -> Iterator[str]:
    """A fit of two epochs in one go, and one that SIGTERM ends within the second and that goes on."""
    flags = ["--name", "r", "--max_epochs", "2", "--n_train", str(TIMED), "--resume", "auto"]
    if fit(data, runs / "whole", *flags).wait():
        raise SystemExit("the fit failed")
    stopped, history = fit(data, runs / "parts", *flags), runs / "parts" / "r" / "history.csv"
    while not (history.is_file() and history.read_text().count("\n") > 1):
        time.sleep(0.02)
    time.sleep(0.5)
    stopped.send_signal(signal.SIGTERM)
    code = stopped.wait()
    before = json.loads((runs / "parts" / "r" / "record.json").read_text())["status"]
    if fit(data, runs / "parts", *flags).wait():
        raise SystemExit("the fit failed")
    whole, parts = (runs / name / "r" for name in ("whole", "parts"))
    metrics = [json.loads((folder / "record.json").read_text())["metrics"] for folder in (whole, parts)]
    states = [weights(folder) for folder in (whole, parts)]
    equal = states[0].keys() == states[1].keys() and all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    what = f"ended by SIGTERM in epoch 2 (code {code}, {before}) and continued: metrics"
    yield row(what, said(metrics[0] == metrics[1]), "equal")
    yield row(f"the same: {len(states[0])} tensors of the last checkpoint, bit for bit", said(equal), "equal")


def said(is_so: bool) -> str:
    return "equal" if is_so else "DIFFER"


def put(lines: list[str]) -> None:
    """Put the table into its place in the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{chr(10).join(lines)}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="What a fit to a set that stays in its files takes.")
    parser.add_argument("--examples", type=int, default=2_000_000)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="where the files are made, for the time of this [a temporary one]")
    parser.add_argument("--write", action="store_true", help="put the table into docs/data.md")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    lines = ["| | measured | wanted |", "|---|---|---|"]
    print(*lines, sep="\n", flush=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        data, runs = Path(folder, "shards"), Path(folder, "runs")
        data.mkdir()
        make(data, arguments.examples)
        rows = (memory_rows(data, runs), time_rows(data, turns=arguments.turns), resumption(data, runs))
        for line in itertools.chain(*rows):
            print(line, flush=True)
            lines.append(line)
    threads = "one thread" if torch.get_num_threads() == 1 else f"{torch.get_num_threads()} threads"
    lines += [
        "",
        f"{threads} and one worker on {os.cpu_count()} cores, {arguments.turns} turns, torch {torch.__version__}",
    ]
    print(*lines[-2:], sep="\n")
    if arguments.write:
        put(lines)


if __name__ == "__main__":
    main()
