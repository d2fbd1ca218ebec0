"""Generated sweep files: points that are known, written down in one of many ways, or with a fault."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from opening.cases import Case, called, ensure
from opening.sweep_faults import FAULTS, HEAD
from vae_rd.config.cli import parse
from vae_rd.config.names import run_name
from vae_rd.launch.points.plan import plan
from vae_rd.launch.points.sweep_file import read_sweep_file
from vae_rd.sweep import main as sweep

FILE = Path("own.yaml")
# Flags that go together whatever they are, and values of each.
POOL: Mapping[str, Sequence[Any]] = {
    "beta": [0.0, 0.25, 1.0, 3.0, 4.0, 1e-3, 2.5e2],
    "seed": [0, 1, 2, 7, 10, 12345678901],
    "latent_dim": [1, 2, 8, 16],
    "hidden": [[8], [64, 32], [512, 256, 128], None],
    "lr": [1e-3, 3e-4, 0.01],
    "batch_size": [8, 32, 100],
    "grad_clip": [None, 1.0, 0.5],
    "weight_decay": [0.0, 0.1],
    "lr_schedule": ["constant", "cosine"],
    "encoder": ["mlp", "conv"],
    "precision": ["32", "64"],
    "samples": [1, 4],
    "wandb": ["off"],
    "max_epochs": [3, 100],
    "whiten": [False],
    "n_train": [None, 256, 1000],
}


def cases(seed: int, count: int) -> Iterator[Case]:
    """Every third with a fault, each in turn; of the others one in six draws at random."""
    names = random.Random(f"{seed} faults").sample(list(FAULTS), len(FAULTS))
    for number in range(count):
        draw = random.Random(f"{seed} sweep {number}")
        if number % 3 == 2:
            name = names[number // 3 % len(names)]
            yield Case(f"sweep: {name}", "refused", partial(_faulty, name, draw))
        elif number % 6 == 1:
            yield Case("sweep: random draws", "right", partial(_check_draws, draw))
        else:
            yield _grid(draw)


def _faulty(name: str, draw: random.Random) -> None:
    FAULTS[name](draw)
    called(sweep, [str(FILE), "--dry_run"])


def _grid(draw: random.Random) -> Case:
    """A grid of a few parameters; its points are the product of their values, the last varying fastest."""
    names = draw.sample(list(POOL), draw.randint(1, 4))
    values = {name: draw.sample(list(POOL[name]), draw.randint(1, len(POOL[name]))) for name in names}
    lines = {name: _written(draw, name, given) for name, given in values.items()}
    if "seed" in values and draw.random() < 0.5:
        low, high = draw.randint(0, 3), draw.randint(4, 8)
        values["seed"] = list(range(low, high + 1))
        lines["seed"] = f"{{min: {low}, max: {high}{draw.choice(['', ', distribution: int_uniform'])}}}"
    cap = draw.choice([None, None, draw.randint(1, 5)])
    flags = draw.choice([[], ["--patience=7"], ["--sphere_dim", "3", "--data=sphere", "--likelihood=gaussian"]])
    text = _text(draw, lines, cap=cap, flags=flags)
    held = {"patience": 7} if flags[:1] == ["--patience=7"] else {"sphere_dim": 3, "data": "sphere"} if flags else {}
    points = [{**held, **dict(zip(values, point, strict=True))} for point in itertools.product(*values.values())][:cap]
    return Case(f"sweep: {' | '.join(text.splitlines()[1:])}", "right", partial(_check_grid, text, points))


def _check_grid(text: str, points: list[dict[str, Any]]) -> None:
    FILE.write_text(text)
    made = plan(read_sweep_file(FILE, fixed={}))
    found = [{name: getattr(run.config, name) for name in points[0]} for run in made.runs]
    ensure(found == points, f"{len(found)} points, the first {found[0]}; wanted {len(points)}, {points[0]}")
    ensure(len({run.name for run in made.runs}) == len(points), "two points have one name")
    for run in made.runs:
        ensure(parse(run.argv).config == run.config, f"{run.command} means another config")
        ensure(run_name(run.config) == run.name and run.folder == Path("runs/own") / run.name, f"{run.folder}")
    printed = called(sweep, [str(FILE), "--dry_run"])
    ensure(all(run.command in printed for run in made.runs), "--dry_run prints other commands")


def _written(draw: random.Random, name: str, values: Sequence[Any]) -> str:
    """One parameter as YAML: `value` or `values`, with or without the distribution's name, of words in any form."""
    words = [_word(draw, value) for value in values]
    if len(words) == 1 and draw.random() < 0.6:
        return f"{{value: {words[0]}{draw.choice(['', ', distribution: constant'])}}}"
    if draw.random() < 0.2:
        return "\n    values:\n" + "\n".join(f"      - {word}" for word in words)
    return f"{{values: [{', '.join(words)}]{draw.choice(['', ', distribution: categorical'])}}}"


def _word(draw: random.Random, value: Any) -> str:
    """One value in one of the forms in which YAML, JSON or W&B have it."""
    if value is None:
        return draw.choice(["null", "~", "None"])
    if isinstance(value, bool):
        return draw.choice(["false", "False", "no", "'false'"])
    if isinstance(value, list):
        inner = f"[{', '.join(_word(draw, element) for element in value)}]"
        return draw.choice([inner, f'"{value}"'])
    if isinstance(value, int):
        forms = [f"{value}", f"{value}.0", f"'{value}'", f'"{value}"', f"{value:_}"]
        return draw.choice(forms)
    if isinstance(value, float):
        return draw.choice(
            [repr(value), f"{value:e}", f"'{value!r}'", *([f"{value:.0f}"] if value.is_integer() else [])]
        )
    return draw.choice([*([value] if value != "off" else []), f"'{value}'", f'"{value}"'])  # YAML's off is false.


def _text(draw: random.Random, lines: Mapping[str, str], *, cap: int | None, flags: Sequence[str]) -> str:
    """The file, its sections in any order."""
    command = [*HEAD[:4], *flags, HEAD[4]]
    sections = [
        f"command: [{', '.join(f'{word!r}' for word in command)}]",
        "method: grid",
        "parameters:\n" + "\n".join(f"  {name}: {line}" for name, line in lines.items()),
        *([] if cap is None else [f"run_cap: {cap}"]),
        *(["program: vae_rd/fit.py"] if draw.random() < 0.5 else []),
        *(["description: 'mine: [1]'"] if draw.random() < 0.3 else []),
        *(["metric: {name: val/objective, goal: minimize}"] if draw.random() < 0.3 else []),
    ]
    draw.shuffle(sections)
    return "# a comment\n" + "\n".join(sections) + "\n"


Within = Callable[[Any], bool]


def _between(low: float, high: float) -> Within:
    return lambda value: low <= value <= high


# A parameter, the flag it is of, and what each of its draws must be.
SPECS: Sequence[tuple[str, str, Within]] = (
    ("beta", "{min: 0.5, max: 2}", _between(0.5, 2)),
    ("beta", "{distribution: q_uniform, min: 1, max: 9, q: 0.5}", lambda v: 1 <= v <= 9 and v * 2 == round(v * 2)),
    ("beta", "{distribution: q_log_uniform_values, min: 1, max: 64, q: 4}", lambda v: v % 4 == 0 and 0 <= v <= 64),
    ("lr", "{distribution: log_uniform_values, min: 0.0001, max: 0.1}", _between(1e-4, 0.1)),
    ("lr", "{distribution: log_uniform, min: -9.0, max: -2.0}", _between(0.0001234, 0.1354)),
    ("lr", "{distribution: inv_log_uniform_values, min: 1.0e-3, max: 1.0e-1}", _between(1e-3, 0.1)),
    ("lr", "{distribution: log_normal, mu: -7.0, sigma: 0.5}", _between(1e-6, 0.1)),
    ("latent_dim", "{min: 2, max: 20}", lambda v: type(v) is int and 2 <= v <= 20),
    ("latent_dim", "{distribution: int_uniform, min: 2, max: 3}", lambda v: v in (2, 3)),
    ("latent_dim", "{distribution: q_uniform, min: 8, max: 64, q: 8}", lambda v: type(v) is int and v % 8 == 0),
    ("batch_size", "{values: [8, 16.0, '32'], probabilities: [0.5, 0.25, 0.25]}", lambda v: v in (8, 16, 32)),
)


def _check_draws(draw: random.Random) -> None:
    """Each draw is within its distribution, no two runs are one, and the same seed gives the same again."""
    chosen = {spec[0]: spec for spec in draw.sample(SPECS, 3)}
    cap = draw.randint(2, 12)
    lines = "\n".join(f"  {name}: {text}" for name, text, _ in chosen.values())
    FILE.write_text(
        f"command: {HEAD}\nmethod: random\nrun_cap: {cap}\nparameters:\n{lines}\n  seed: {{min: 0, max: 99}}\n"
    )
    runs = plan(read_sweep_file(FILE, fixed={}), search_seed=3).runs
    ensure(len(runs) == len({run.name for run in runs}) == cap, f"{len(runs)} runs of {cap}")
    for run, (name, text, within) in itertools.product(runs, chosen.values()):
        ensure(within(getattr(run.config, name)), f"{name} {text} gives {getattr(run.config, name)!r}")
    again = plan(read_sweep_file(FILE, fixed={}), search_seed=3).runs
    ensure([run.argv for run in again] == [run.argv for run in runs], "the same seed draws others")
