"""What a sweep takes in packs, beside its fits one after another, in one process and by a command each.

    python benchmarks/packed.py [--data digits] [--members 8] [--epochs 50] [--hidden 256] [--repeats 3] [--write]
    python benchmarks/packed.py --steps --epochs 3 [--data static_mnist]
    python benchmarks/packed.py --accelerator gpu --members 32 --data static_mnist

Every way fits the same MLPs (batch 128, 16 latent units, betas even in logarithm from 0.1 to 10) with all that a fit
does: validation and diagnosis each epoch, checkpoints, the evaluation of three splits. In turns: one after another in a
process that has all imports behind it, on as many threads as torch takes; one pack in such a process; `python -m
vae_rd.sweep --launcher packed`, a pack a core; `python -m vae_rd.fit` of each, one after another. The last two pay for
their imports, of which the sweep's end when its first run begins. Reported are the medians over turns of seconds, of
those until the first run began, and of CPU seconds with all processes; and the first way's seconds over each one's, the
median of the turns with the least and the most. `--write` puts the table into docs/packed.md.
With --steps it is the CPU time of an optimiser step of a member in a stack and alone, the least over blocks of steps,
even where a pack would take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from known_answers.processes import called, cpu_seconds
from known_answers.tables import ROOT, put_table

import vae_rd
from vae_rd.config.fields import FitConfig
from vae_rd.experiment.fitting import fit_models
from vae_rd.experiment.packing import fit_packed
from vae_rd.run.environment import capture_git
from vae_rd.run.files import CONFIG_FILE
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


def swept(args: argparse.Namespace) -> Callable[[Path], None]:
    """The sweep's command."""

    def run(folder: Path) -> None:
        named = {name: {"value": value} for name, value in flags(args, folder).items()}
        content = {"method": "grid", "command": SWEEP, "parameters": {"beta": {"values": betas(args)}, **named}}
        (folder / "sweep.yaml").write_text(json.dumps(content))
        called([sys.executable, "-m", "vae_rd.sweep", str(folder / "sweep.yaml"), "--launcher=packed"])

    return run


def commands(args: argparse.Namespace) -> Callable[[Path], None]:
    """`python -m vae_rd.fit` of each."""

    def run(folder: Path) -> None:
        words = [f"--{name}={value}" for name, value in flags(args, folder).items()]
        for beta in betas(args):
            called([sys.executable, "-m", "vae_rd.fit", *words, f"--beta={beta}"])

    return run


class Turn(NamedTuple):
    """Seconds of a way, those until its first run began, and CPU seconds of all its processes."""

    wall: float
    start: float
    cpu: float


def timed(way: Callable[[Path], None]) -> Turn:
    """Of a way, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        began, used, clock = time.perf_counter(), cpu_seconds(), time.time()
        way(Path(folder))
        wall, cpu = time.perf_counter() - began, cpu_seconds() - used
        first = min(path.stat().st_mtime for path in Path(folder).glob(f"*/{CONFIG_FILE}"))  # Written as a run begins.
        return Turn(wall, first - clock, cpu)


def ways(args: argparse.Namespace) -> dict[str, Callable[[Path], None]]:
    """By what the table calls them."""
    return {
        "fits one after another in one process": in_process(fit_models, args),
        "one pack in one process": in_process(fit_packed, args),
        "`sweep --launcher packed`, a pack a core": swept(args),
        "`python -m vae_rd.fit` of each": commands(args),
    }


def steps(args: argparse.Namespace) -> Iterator[str]:
    """What a step takes alone and in a stack."""
    stacking.MOST_VALUES = sys.maxsize
    alone = least_time(VAEBlocks, "take_steps", lambda found: len(found[0]))
    stacked = least_time(Pack, "_steps", lambda found: len(found) * len(found[0].seen))
    for way in (fit_packed, fit_models):
        timed(in_process(way, args))
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


def table(turns: dict[str, list[Turn]], args: argparse.Namespace) -> Iterator[str]:
    """A row of each way, and under what it was measured."""
    yield "| way | s | of these until the first run began | CPU s | times as fast as the first way (least to most) |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    first = next(iter(turns.values()))
    for name, own in turns.items():
        wall, start, cpu = (statistics.median(column) for column in zip(*own, strict=True))
        ratios = sorted(one.wall / other.wall for one, other in zip(first, own, strict=True))
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        yield f"| {name} | {wall:.1f} | {start:.1f} | {cpu:.1f} | {spread} |"
    yield ""
    machine = f"{torch.get_num_threads()} threads in the first two ways, {os.cpu_count()} cores of {platform.machine()}"
    commit = ((capture_git() or {}).get("commit") or "unknown")[:10]
    yield (
        f"{args.members} fits of {args.epochs} epochs on {args.data}, {args.hidden} hidden units, {args.repeats} "
        f"turns; {machine}, torch {torch.__version__}, vae_rd {vae_rd.__version__} at {commit}."
    )


def main(argv: Sequence[str]) -> None:
    """Take the turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--accelerator", default="cpu")
    for name, default in {"members": 8, "epochs": 50, "hidden": 256, "repeats": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args(argv)
    if args.steps:
        print(*steps(args), sep="\n")
        return
    short = argparse.Namespace(**{**vars(args), "epochs": 1})
    for way in (fit_models, fit_packed):
        timed(in_process(way, short))  # Imports, allocation, caches.
    turns: dict[str, list[Turn]] = {name: [] for name in ways(args)}
    for _ in range(args.repeats):
        for name, way in ways(args).items():
            turns[name].append(timed(way))
    text = "\n".join(table(turns, args))
    print(text)
    if args.write:
        put_table(text, command="python benchmarks/packed.py", file=ROOT / "docs" / "packed.md")


if __name__ == "__main__":
    main(sys.argv[1:])
