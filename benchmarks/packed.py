"""What a sweep takes in packs, beside its fits one after another, in one process and by a command each.

    python benchmarks/packed.py [--data digits] [--members 8] [--epochs 50] [--hidden 256] [--repeats 3] [--commands]
    python benchmarks/packed.py --steps --epochs 3 [--data static_mnist]
    python benchmarks/packed.py --accelerator gpu --members 32 --data static_mnist

Every way fits the same MLPs (batch 128, 16 latent units, betas even in logarithm from 0.1 to 10) with all that a fit
does: validation and diagnosis each epoch, checkpoints, the evaluation of three splits. In turns: one after another in a
process that has all imports behind it, on all cores; `fit_packed` in such a process; `python -m vae_rd.sweep --launcher
packed` with one pack, and with one a core; with --commands `python -m vae_rd.fit` of each. The last three pay for their
imports. Reported are seconds and CPU seconds of each, the median over turns, and the first way's seconds over each; the
processes that a sweep forks are in its seconds, not in its CPU seconds.
With --steps it is the CPU time of an optimiser step of a member in a stack and alone, the least over blocks of steps,
even where a pack would take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from vae_rd.config.fields import FitConfig
from vae_rd.experiment.fitting import fit_model
from vae_rd.experiment.packing import fit_packed
from vae_rd.training import stacking
from vae_rd.training.packed import Pack
from vae_rd.training.vae import VAEBlocks

BITS = {"digits": {"binarization": "threshold"}}
SWEEP = ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"]


def flags(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """What all fits have in common."""
    return {
        "data": args.data,
        **BITS.get(args.data, {}),
        "hidden": [args.hidden],
        "max_epochs": args.epochs,
        "accelerator": args.accelerator,
        "wandb": "off",
        "run_dir": str(folder),
    }


def betas(args: argparse.Namespace) -> list[float]:
    """Of the members."""
    return [round(float(beta), 4) for beta in torch.logspace(-1, 1, args.members)]


def in_process(way: Callable[[list[FitConfig]], object], args: argparse.Namespace) -> Callable[[Path], None]:
    """A way that takes configs, here."""

    def run(folder: Path) -> None:
        common = FitConfig(**flags(args, folder))  # type: ignore[arg-type]
        with contextlib.redirect_stdout(io.StringIO()):
            way([replace(common, beta=beta) for beta in betas(args)])

    return run


def swept(args: argparse.Namespace, *words: str) -> Callable[[Path], None]:
    """The sweep's command."""

    def run(folder: Path) -> None:
        named = {name: {"value": value} for name, value in flags(args, folder).items()}
        content = {"method": "grid", "command": SWEEP, "parameters": {"beta": {"values": betas(args)}, **named}}
        (folder / "sweep.yaml").write_text(json.dumps(content))
        called("vae_rd.sweep", str(folder / "sweep.yaml"), "--launcher=packed", *words)

    return run


def commands(args: argparse.Namespace) -> Callable[[Path], None]:
    """`python -m vae_rd.fit` of each."""

    def run(folder: Path) -> None:
        words = [f"--{name}={value}" for name, value in flags(args, folder).items()]
        for beta in betas(args):
            called("vae_rd.fit", *words, f"--beta={beta}")

    return run


def called(module: str, *words: str) -> None:
    """A command of this package, which must succeed."""
    subprocess.run([sys.executable, "-m", module, *words], check=True, stdout=subprocess.DEVNULL)


def cpu() -> float:
    """CPU seconds of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in used)


def timed(way: Callable[[Path], None]) -> tuple[float, float]:
    """Seconds and CPU seconds of a way, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        began, used = time.perf_counter(), cpu()
        way(Path(folder))
        return time.perf_counter() - began, cpu() - used


def ways(args: argparse.Namespace) -> dict[str, Callable[[Path], None]]:
    """By name."""
    found = {
        "one after another": in_process(lambda configs: [fit_model(config) for config in configs], args),
        "fit_packed": in_process(fit_packed, args),
        "packed, 1 job": swept(args, "--jobs=1"),
        "packed": swept(args),
    }
    return found | ({"commands": commands(args)} if args.commands else {})


def steps(args: argparse.Namespace) -> Iterator[str]:
    """What a step takes alone and in a stack."""
    stacking.MOST_VALUES = sys.maxsize
    alone = least_time(VAEBlocks, "take_steps", lambda found: len(found[0]))
    stacked = least_time(Pack, "_steps", lambda found: len(found) * len(found[0].seen))
    for name in ("fit_packed", "one after another"):
        timed(ways(args)[name])
    one, each = (1e3 * min(times) for times in (alone, stacked))
    yield f"a step takes {one:.3f} ms alone, {each:.3f} ms a member in a stack: {one / each:.2f} x"


def least_time(owner: type, name: str, count: Callable[[Any], int]) -> list[float]:
    """The CPU seconds of each call of a method from now on, over what `count` finds in what it gives."""
    method, times = getattr(owner, name), []

    def clocked(*given: Any) -> Any:
        began = time.thread_time()
        found = method(*given)
        times.append((time.thread_time() - began) / count(found))
        return found

    setattr(owner, name, clocked)
    return times


def report(seconds: dict[str, list[tuple[float, float]]]) -> Iterator[str]:
    """A line for each way."""
    first = next(iter(seconds))
    for name, turns in seconds.items():
        wall, used = (statistics.median(column) for column in zip(*turns, strict=True))
        ratio = statistics.median(one[0] / other[0] for one, other in zip(seconds[first], turns, strict=True))
        yield f"{name:20} {wall:8.1f} s {used:8.1f} CPU s   {first} takes {ratio:.2f} of it"


def main(argv: Sequence[str]) -> None:
    """Take the turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--accelerator", default="cpu")
    for name, default in {"members": 8, "epochs": 50, "hidden": 256, "repeats": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--commands", action="store_true")
    parser.add_argument("--steps", action="store_true")
    args = parser.parse_args(argv)
    if args.steps:
        print(*steps(args), sep="\n")
        return
    short = argparse.Namespace(**{**vars(args), "epochs": 1})
    for name in ("one after another", "fit_packed"):
        timed(ways(short)[name])  # Imports, allocation, caches.
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways(args)}
    for _ in range(args.repeats):
        for name, way in ways(args).items():
            seconds[name].append(timed(way))
    threads = f"{torch.get_num_threads()} threads here, {os.cpu_count()} cores, torch {torch.__version__}"
    print(f"{args.members} fits of {args.epochs} epochs on {args.data}, {args.hidden} hidden units; {threads}")
    print(*report(seconds), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
