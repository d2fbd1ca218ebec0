"""What a curve of betas costs on static MNIST: seconds of each way to it, and how far from retraining each ends.

    OMP_NUM_THREADS=1 VAE_RD_DATA=... python benchmarks/cost.py [--seeds 1] [--epochs 8] [--pythae PYTHON] [--write]

The network is 784-512-512-32, the betas are ten from 0.01 to 10. Each way runs in one process of its own, whose
seconds, by the clock and of CPU, count from after its imports to its last record. The packed sweep and the two
multi-rate models at once are commands: their seconds are of all processes that they start, with their imports. What
is there under runs/cost (`--runs`) is not done again. The deficit is the mean over test examples of D + beta R less
that of the model that was retrained at this beta with the same seed, under the same noise, and its standard error is
that of these differences. `--pythae` names the Python of an environment with benchmarks/requirements.txt, whose
trainer then takes as many epochs, in batches of as many (its default is 64). `--write` puts the table into
docs/cost.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from known_answers.processes import called, cpu_seconds
from known_answers.tables import ROOT, put_table

import vae_rd
from vae_rd import fit
from vae_rd.config.options import betas as parsed_betas
from vae_rd.experiment.loading import open_run
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import over_draws
from vae_rd.launch.points.continuation import continuation
from vae_rd.launch.points.multirate import multirate as planned_many
from vae_rd.launch.points.plan import PlannedRun, plan
from vae_rd.launch.points.sweep_file import read_sweep_file
from vae_rd.model.vae import VAE
from vae_rd.run.files import RECORD_FILE
from vae_rd.run.points import point_folder
from vae_rd.run.record import RunRecord

DOCS = ROOT / "docs" / "cost.md"
BETAS = parsed_betas("logspace(-2, 1, 10)")
FLAGS = {"data": "static_mnist", "hidden": [512, 512], "latent_dim": 32, "batch_size": 128, "media_every": 0}
FURTHER = {"information_examples": 100, "wandb": "off", "resume": "auto"}
# Of the one model for all betas: what fits into one and a half times the time of one of one beta, chosen on validation.
MANY = {"batch_size": 256, "lr": 0.0036, "precision": "bf16"}
PASSES = 2.375  # Epochs of it for one of a model of one beta.
# Of two models that are trained at once, a core each, likewise; the second one's range is wider than it is read at.
RANGES, AT = [[0.01, 0.6], [0.35, 15.0]], 0.5
OF_RANGES = {**MANY, "lr": 0.007, "multirate_power": 0.0}
PASSES_OF_EACH = 1.625
# Of two such models by `--launcher multirate`, and of the betas that get a run of their own from them.
NARROWER, TUNED = [(0.01, 0.6), (0.3, 10.0)], [1.0, 10.0]
PASSES_OF_TUNED = 1.375
LR_ALONG = 5e-3  # Of one training through all betas, whose parts are short; docs/continuation.md.
Folders = dict[float, Path]  # The run, or the point of a run, at each beta.


def sweep_file(folder: Path, *, epochs: int, seed: int) -> Path:
    """The sweep over all betas, with its runs in a folder."""
    return _sweep_file(folder, {"beta": BETAS}, max_epochs=epochs, seed=seed)


def _sweep_file(folder: Path, varied: Mapping[str, Sequence[Any]], **flags: Any) -> Path:
    flags = {**FLAGS, **FURTHER, "run_dir": str(folder), **flags}
    parameters = {name: {"values": values} for name, values in varied.items()}
    content = {
        "command": ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"],
        "method": "grid",
        "parameters": parameters | {name: {"value": value} for name, value in flags.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def retrained(folder: Path, *, epochs: int, seed: int) -> Folders:
    """Each beta from the seed."""
    return _fitted(plan(read_sweep_file(sweep_file(folder, epochs=epochs, seed=seed), fixed={})).runs)


def continued(ways: str) -> Callable[..., Folders]:
    """Each beta from its neighbour, for a quarter of the epochs."""

    def carried_out(folder: Path, *, epochs: int, seed: int) -> Folders:
        file = read_sweep_file(sweep_file(folder, epochs=epochs, seed=seed), fixed={})
        return _fitted(continuation(file, epochs=None, ways=ways).runs)

    return carried_out


def packed(folder: Path, *, epochs: int, seed: int) -> Folders:
    """Each beta from the seed, as one command with a pack a core."""
    file = sweep_file(folder, epochs=epochs, seed=seed)
    called([sys.executable, "-m", "vae_rd.sweep", str(file), "--launcher=packed"])
    return {run.config.beta: run.folder for run in plan(read_sweep_file(file, fixed={})).runs}


def _fitted(runs: Sequence[PlannedRun]) -> Folders:
    for run in runs:
        if fit.main(run.argv):
            raise SystemExit(f"{run.label} failed")
    return {run.config.beta: run.folder for run in runs}


def multirate(folder: Path, *, epochs: int, seed: int) -> Folders:
    """One model for all betas."""
    flags = {**MANY, "objective": "multirate", "beta_range": [BETAS[0], BETAS[-1]]}
    flags |= dict.fromkeys(("max_epochs", "val_every"), round(PASSES * epochs))  # The last is where the rate is lowest.
    return dict.fromkeys(BETAS, _one(folder / "multirate", seed=seed, **flags))


def ranges(folder: Path, *, epochs: int, seed: int) -> Folders:
    """A model for the low betas and one for the high ones, as one command with a fit a core."""
    flags = {**OF_RANGES, "objective": "multirate", "beta": AT, "seed": seed}
    flags |= dict.fromkeys(("max_epochs", "val_every"), round(PASSES_OF_EACH * epochs))
    file = _sweep_file(folder, {"beta_range": RANGES}, **flags)
    called([sys.executable, "-m", "vae_rd.sweep", str(file)])
    low, high = (run.folder for run in plan(read_sweep_file(file, fixed={})).runs)
    return {beta: low if beta < AT else high for beta in BETAS}


def tuned(betas: Sequence[float]) -> Callable[..., Folders]:
    """Two models as one command, which goes on to train some betas by themselves; others are read from the two."""

    def carried_out(folder: Path, *, epochs: int, seed: int) -> Folders:
        flags = {name: value for name, value in OF_RANGES.items() if name != "multirate_power"} | {"seed": seed}
        flags |= dict.fromkeys(("max_epochs", "val_every"), round(PASSES_OF_TUNED * epochs))
        file = _sweep_file(folder, {"beta": betas}, **flags)
        words = ["--launcher=multirate", f"--ranges={json.dumps(NARROWER)}"]
        called([sys.executable, "-m", "vae_rd.sweep", str(file), *words])
        low, high, *runs = planned_many(read_sweep_file(file, fixed={}), ranges=NARROWER, epochs=None).runs
        own = {run.config.beta: run.folder for run in runs}
        return {beta: (low if beta < AT else high).folder for beta in BETAS} | own

    return carried_out


def along(share: float) -> Callable[..., Folders]:
    """All betas in one training, of so many times the epochs of a retrained model."""

    def carried_out(folder: Path, *, epochs: int, seed: int) -> Folders:
        run = _one(folder / "along", max_epochs=round(share * epochs), seed=seed, trajectory=BETAS, lr=LR_ALONG)
        return {beta: run if beta == BETAS[-1] else point_folder(run, beta) for beta in BETAS}

    return carried_out


def _one(run: Path, **flags: Any) -> Path:
    flags = {**FLAGS, **FURTHER, "run_dir": str(run.parent), "name": run.name, **flags}
    if fit.main([f"--{name}={value}" for name, value in flags.items()]):
        raise SystemExit(f"{run.name} failed")
    return run


# The ways to a curve, and what the table calls them; each returns the folders of its points.
WAYS: dict[str, tuple[str, Callable[..., Folders]]] = {
    "retrained": ("each beta retrained", retrained),
    "packed": ("each beta retrained, a pack a core", packed),
    "down": ("continuation, from beta 10 down", continued("down")),
    "up": ("continuation, from beta 0.01 up", continued("up")),
    "multirate": ("one multi-rate model", multirate),
    "ranges": ("two multi-rate models, for betas below and above 0.5, a core each", ranges),
    "tuned": (
        "two such models and runs of 2 epochs from them at beta 1 and 10, by `--launcher multirate`",
        tuned(TUNED),
    ),
    "tuned_all": ("the same with such runs at all ten betas", tuned(BETAS)),
    "along": ("one training through all betas, from 0.01 up", along(1.0)),
    "along_longer": ("the same, of half as many epochs more", along(1.5)),
}


def work(way: str, folder: Path, *, epochs: int, seed: int) -> None:
    """Carry out a way in this process; leave the seconds that it took, and D + beta R of each test example."""
    began, used = time.perf_counter(), cpu_seconds()
    found = WAYS[way][1](folder / "runs", epochs=epochs, seed=seed)
    seconds = {"wall_seconds": time.perf_counter() - began, "cpu_seconds": cpu_seconds() - used}
    values = np.stack([objective(found[beta], beta) for beta in BETAS])
    np.save(folder / "values.npy", values)
    (folder / "cost.json").write_text(json.dumps(seconds))


@torch.no_grad()
def objective(folder: Path, beta: float) -> np.ndarray:
    """D + beta R of each test example, [N], under noise that depends on the example alone."""
    run = open_run(folder)
    model, values = (run.model if run.slope == beta else vae_rd.load(folder, beta=beta)), []
    assert isinstance(model, VAE)
    for chunk in range(run.data.chunks("test")):
        x = run.data.evaluation_chunk("test", chunk)
        terms = model.terms(x, model.noise(1, x, generator("cpu", 0, "cost", chunk)))
        assert terms.rate is not None, "of normals"
        values.append(over_draws(terms.distortion + beta * terms.rate).double())
    return torch.cat(values).numpy()


def pythae(python: str, folder: Path, *, epochs: int, seed: int) -> None:
    """Ten models by pythae's trainer, in batches of as many examples as ours, in its own environment."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["--epochs", str(epochs), "--batch_size", str(FLAGS["batch_size"]), "--first_seed", str(seed)]
    words += ["--seeds", "1", "--betas", *map(str, BETAS), "--runs", str(folder), "--values"]
    subprocess.run([python, str(ROOT / "benchmarks" / "recipe_pythae.py"), *words], check=True)
    made = folder / "static_mnist" / str(epochs) / "pythae"
    names = [f"beta{beta:g}-seed{seed}" for beta in BETAS]
    np.save(folder / "values.npy", np.stack([np.load(made / f"{name}.npy") for name in names]))
    each = [json.loads((made / f"{name}.json").read_text()) for name in names]
    seconds = {kind: sum(one[kind] for one in each) for kind in ("wall_seconds", "cpu_seconds")}
    (folder / "cost.json").write_text(json.dumps(seconds))


def carried_out(options: argparse.Namespace) -> None:
    """Carry out what is not there yet, one way and seed at a time."""
    for seed in range(options.seeds):
        for way in options.ways:
            folder = place(options, way, seed)
            if (folder / "cost.json").is_file():
                continue
            print(f"{way}, seed {seed}", flush=True)
            if way == "pythae":
                pythae(options.pythae, folder, epochs=options.epochs, seed=seed)
                continue
            words = ["--runs", str(options.runs), "--epochs", str(options.epochs), "--work", way, "--seed", str(seed)]
            subprocess.run([sys.executable, __file__, *words], check=True)


def place(options: argparse.Namespace, way: str, seed: int) -> Path:
    """Of a way's runs, its seconds and its values."""
    return options.runs / f"epochs{options.epochs}" / f"seed{seed}" / way


def table(options: argparse.Namespace) -> Iterator[str]:
    """What each way cost, and by how much more nats than retraining, at each beta; of the ways that are there."""
    heads = [f"{beta:.3g}" for beta in BETAS]
    seconds = "s | of retraining | CPU s | of retraining"
    yield f"| way | seeds | {seconds} | mean of deficit / (1 + beta) |" + "".join(f" at {head} |" for head in heads)
    yield "| --- |" + " ---: |" * (6 + len(BETAS))
    for way in ("retrained", *(name for name in [*WAYS, "pythae"] if name != "retrained")):
        seeds = [s for s in range(options.seeds) if (place(options, way, s) / "cost.json").is_file()]
        if seeds and (place(options, "retrained", seeds[0]) / "cost.json").is_file():
            yield row(options, way, seeds)


def row(options: argparse.Namespace, way: str, seeds: list[int]) -> str:
    """A line of the table: means over seeds."""
    words = WAYS[way][0] if way in WAYS else "each beta by pythae's trainer, in batches of 128 (its default is 64)"
    start = f"| {words} | {len(seeds)} "
    for kind in ("wall_seconds", "cpu_seconds"):
        own, base = (np.mean([_seconds(options, w, seed, kind) for seed in seeds]) for w in (way, "retrained"))
        start += f"| {_told(own, digits=0)} | {_told(own / base, digits=2)} "
    if way == "retrained":
        nats = np.mean([_values(options, way, seed).mean(1) for seed in seeds], axis=0)
        return start + "| (D + beta R) | " + " | ".join(f"{value:.2f}" for value in nats) + " |"
    differences = np.stack([_values(options, way, seed) - _values(options, "retrained", seed) for seed in seeds])
    mean, stderr = differences.mean((0, 2)), differences.std(2, ddof=1) / math.sqrt(differences.shape[2])
    stderr = np.sqrt(np.square(stderr).sum(0)) / len(seeds)
    normed = (mean / (1 + np.array(BETAS))).mean()
    cells = (f"{m:+.2f} ± {s:.2f}" for m, s in zip(mean, stderr, strict=True))
    return start + f"| {normed:+.2f} | " + " | ".join(cells) + " |"


def _told(value: float, *, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _seconds(options: argparse.Namespace, way: str, seed: int, kind: str) -> float:
    return float(json.loads((place(options, way, seed) / "cost.json").read_text()).get(kind, math.nan))


def _values(options: argparse.Namespace, way: str, seed: int) -> np.ndarray:
    return np.load(place(options, way, seed) / "values.npy")


def caption(options: argparse.Namespace) -> str:
    """Where and by which code it was measured."""
    return (
        f"Test split of static MNIST, {options.epochs} epochs of a retrained model; deficits in nats, positive where"
        f" retraining is better. {os.cpu_count()} cores of {platform.machine()}, one thread, torch "
        f"{torch.__version__}, vae_rd {vae_rd.__version__} at {commits(options)}."
    )


def commits(options: argparse.Namespace) -> str:
    """Of the code that trained what the table is of, with the ways of each where there are several."""
    ways: dict[str, list[str]] = {}
    for way in WAYS:
        records = [RunRecord.read(run) for s in range(options.seeds) for run in _runs(place(options, way, s) / "runs")]
        for commit in sorted({_commit(record.git or {}) for record in records}):
            ways.setdefault(commit, []).append(way)
    return " and ".join(f"{commit} ({', '.join(of)})" if len(ways) > 1 else commit for commit, of in ways.items())


def _commit(git: Mapping[str, Any]) -> str:
    changed = " with changes" if git.get("dirty") else ""
    return f"{(git.get('commit') or 'unknown')[:10]}{changed}"


def _runs(folder: Path) -> list[Path]:
    return sorted(record.parent for record in folder.glob(f"*/{RECORD_FILE}"))


def main() -> None:
    parser = argparse.ArgumentParser(description="What a curve of ten betas costs, by the way it is come by.")
    parser.add_argument("--runs", type=Path, default=Path("runs/cost"), help="where all is kept [runs/cost]")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument(
        "--ways", nargs="+", choices=[*WAYS, "pythae"], default=[*WAYS], help="what to carry out [ours]"
    )
    parser.add_argument("--pythae", metavar="PYTHON", help="of an environment with pythae; adds its row")
    parser.add_argument("--write", action="store_true", help="put the table into docs/cost.md")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, place(options, options.work, options.seed), epochs=options.epochs, seed=options.seed)
        return
    options.ways += ["pythae"] if options.pythae and "pythae" not in options.ways else []
    carried_out(options)
    text = "\n".join([*table(options), "", caption(options)])
    print(text)
    if options.write:
        put_table(text, command="python benchmarks/cost.py", file=DOCS)


if __name__ == "__main__":
    main()
