"""What a sweep takes in packs, beside its fits one after another, in one process and by a command each.

    python benchmarks/packed.py [--data digits] [--members 8] [--epochs 50] [--hidden 256] [--repeats 3] [--write]
    python benchmarks/packed.py --steps --epochs 3 [--data static_mnist]
    python benchmarks/packed.py --accelerator gpu --members 32 --data static_mnist

Every way fits the same MLPs (batch 128, 16 latent units, betas even in logarithm from 0.1 to 10) with all that a fit
does: validation and diagnosis each epoch, checkpoints, the evaluation of three splits. In turns, each from the start of
its first process to the end of its last, imports and exit with it: one script that calls `fit_model` for one after
another, on as many threads as torch takes; one that calls `fit_packed`; `python -m vae_rd.sweep --launcher packed`, a
pack a core; `python -m vae_rd.fit` of each, one after another. Reported are the medians over turns of seconds, of those
from the moment that the first run began, and of CPU seconds of all processes; and the first way's seconds over each
one's, whole and from that moment on, the median of the turns with the least and the most. `--write` puts the table into
docs/packed.md.
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
# They end as commands do, without a last search for garbage.
SCRIPT = """
import json, sys
from vae_rd import FitConfig, fit_model
from vae_rd.experiment.packing import fit_packed
from vae_rd.process.imports import end_without_collection

end_without_collection()
configs = [FitConfig(**flags) for flags in json.loads(sys.argv[1])]
{call}
"""
IN_TURN, PACKED = "for config in configs: fit_model(config)", "fit_packed(configs)"


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


def scripted(call: str, args: argparse.Namespace) -> Callable[[Path], None]:
    """A call with all configs, in a process of its own."""

    def run(folder: Path) -> None:
        each = json.dumps([{**flags(args, folder), "beta": beta} for beta in betas(args)])
        called([sys.executable, "-c", SCRIPT.format(call=call), each])

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
    """Seconds of a way, those from the moment that its first run began, and CPU seconds of all its processes."""

    wall: float
    running: float
    cpu: float


def timed(way: Callable[[Path], None]) -> Turn:
    """Of a way, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        began, used, clock = time.perf_counter(), cpu_seconds(), time.time()
        way(Path(folder))
        wall, cpu = time.perf_counter() - began, cpu_seconds() - used
        first = min(path.stat().st_mtime for path in Path(folder).glob(f"*/{CONFIG_FILE}"))  # Written as a run begins.
        return Turn(wall, wall - (first - clock), cpu)


def ways(args: argparse.Namespace) -> dict[str, Callable[[Path], None]]:
    """By what the table calls them."""
    return {
        "fits one after another in one process": scripted(IN_TURN, args),
        "one pack in one process": scripted(PACKED, args),
        "`sweep --launcher packed`, a pack a core": swept(args),
        "`python -m vae_rd.fit` of each": commands(args),
    }


def steps(args: argparse.Namespace) -> Iterator[str]:
    """What a step takes alone and in a stack."""
    stacking.MOST_VALUES = sys.maxsize
    alone = least_time(VAEBlocks, "take_steps", lambda found: len(found[0]))
    stacked = least_time(Pack, "_steps", lambda found: len(found) * len(found[0].seen))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        configs = [FitConfig(**flags(args, Path(folder)), beta=beta) for beta in betas(args)]  # type: ignore[arg-type]
        fit_packed(configs)
        fit_models([replace(config, overwrite=True) for config in configs])
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
    yield "| way | s | s from its first run on | CPU s | times as fast as the first way | from its first run on |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    first = next(iter(turns.values()))
    for name, own in turns.items():
        wall, running, cpu = (statistics.median(column) for column in zip(*own, strict=True))
        pairs = list(zip(first, own, strict=True))
        whole, later = _spread([a.wall / b.wall for a, b in pairs]), _spread([a.running / b.running for a, b in pairs])
        yield f"| {name} | {wall:.1f} | {running:.1f} | {cpu:.1f} | {whole} | {later} |"
    yield ""
    machine = f"{torch.get_num_threads()} threads in the first two ways, {os.cpu_count()} cores of {platform.machine()}"
    commit = ((capture_git() or {}).get("commit") or "unknown")[:10]
    yield (
        f"{args.members} fits of {args.epochs} epochs on {args.data}, {args.hidden} hidden units, {args.repeats} "
        f"turns; {machine}, torch {torch.__version__}, vae_rd {vae_rd.__version__} at {commit}."
    )


def _spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


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
    timed(scripted(PACKED, short))  # The disk's caches.
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
