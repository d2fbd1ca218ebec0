"""What can be wrong with a sweep file: each writes own.yaml."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

HEAD = ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"]
Fault = Callable[[random.Random], object]


def file(parameters: str, *, method: str = "grid", more: str = "", command: list[str] | None = None) -> Fault:
    """A file of these parameters, some words of which are drawn."""

    def fault(draw: random.Random) -> None:
        drawn = parameters.replace("KEY", draw.choice(["mu", "sigma", "q", "step", "a"]))
        text = f"command: {HEAD if command is None else command}\nmethod: {method}\nparameters: {drawn}\n{more}\n"
        Path("own.yaml").write_text(text)

    return fault


def drawn(parameters: str, more: str = "run_cap: 4") -> Fault:
    """A file whose parameters are drawn at random."""
    return file(parameters, method="random", more=more)


def macro(draw: random.Random) -> None:
    """Parameters in a form of W&B's that is no flag."""
    kind = draw.choice(["args_no_hyphens", "args_json", "args_json_file", "args_no_equals", "args_append_hydra"])
    file("{beta: {values: [1, 4]}}", command=[*HEAD[:4], f"${{{kind}}}"])(draw)


def anchor_holder(draw: random.Random) -> None:
    """A section of its own for an anchor."""
    key = draw.choice(["x-two", "_two", ".two"])
    Path("own.yaml").write_text(
        f"{key}: &two {{values: [1, 4]}}\ncommand: {HEAD}\nmethod: grid\nparameters: {{beta: *two}}\n"
    )


TWO = "{beta: {values: [1, 4]}}"
FAULTS: dict[str, Fault] = {
    "a parameter twice": file("{beta: {values: [1]}, seed: {value: 1}, beta: {values: [4]}}"),
    "a section twice": file(TWO, more="method: random"),
    "an inner key twice": file("{beta: {values: [1], values: [4]}}"),
    "a key beside a uniform": drawn("{beta: {distribution: uniform, min: 1.0, max: 4.0, KEY: 1}}"),
    "min and max beside a normal": drawn("{beta: {distribution: normal, mu: 5.0, sigma: 0.1, min: 1, max: 9}}"),
    "max alone": drawn("{beta: {max: 9.0}}"),
    "min above max": drawn("{beta: {min: 9.0, max: 1.0}}"),
    "the logarithm of 0": drawn("{lr: {distribution: log_uniform_values, min: 0, max: 1}}"),
    "values in place of exponents": drawn("{lr: {distribution: log_uniform, min: 0.0001, max: 0.1}}"),
    "a number that YAML takes for text": drawn("{lr: {distribution: log_uniform_values, min: 1e-4, max: 1e-1}}"),
    "no such distribution": drawn("{lr: {distribution: loguniform, min: 0.1, max: 1.0}}"),
    "q of 0": drawn("{beta: {distribution: q_uniform, min: 1, max: 4, q: 0}}"),
    "halves for whole numbers": drawn("{seed: {min: 0.5, max: 9}}"),
    "a distribution of words": drawn("{encoder: {min: 1, max: 4}}"),
    "probabilities that are none": drawn("{beta: {values: [1, 4], probabilities: [0.5, 0.6]}}"),
    "probabilities of a grid": file("{beta: {values: [1, 4], probabilities: [0.5, 0.5]}}"),
    "no end": drawn(TWO, more=""),
    "a cap of 0": file(TWO, more="run_cap: 0"),
    "a cap as a fraction": file(TWO, more="run_cap: 2.5"),
    "a range of fractions in a grid": file("{beta: {min: 0.5, max: 4.0}}"),
    "a grid without end": file("{seed: {min: 0, max: 99999999}}"),
    "no such flag": file("{bta: {values: [1, 4]}}"),
    "a flag with hyphens": file("{--beta: {values: [1, 4]}}"),
    "nested": file("{model: {parameters: {latent_dim: {values: [2, 4]}}}}"),
    "no values": file("{beta: {values: []}}"),
    "values that are no list": file("{beta: {values: 4}}"),
    "a number in its place": file("{beta: 4}"),
    "value and values": file("{beta: {value: 1, values: [1, 4]}}"),
    "values with min": file("{beta: {values: [1, 4], min: 1}}"),
    "one run twice": file("{beta: {values: [1, 1.0]}}"),
    "one run by two flags": file("{encoder: {value: linear}, decoder: {value: linear}, hidden: {values: [[8], [16]]}}"),
    "a flag that nothing reads": file("{sphere_dim: {values: [2, 3]}}"),
    "a value out of range": file("{latent_dim: {values: [2, 0]}}"),
    "text for a number": file("{beta: {values: [1, four]}}"),
    "half a unit": file("{latent_dim: {values: [2.5]}}"),
    "a list in place of lists": file("{hidden: {values: [64, 32]}}"),
    "an octal number": file("{seed: {values: [010, 7]}}"),
    "a number of base 60": file("{seed: {values: [1:30]}}"),
    "a date": file("{name: {value: 2026-01-01}}"),
    "names of runs": file("{name: {values: [a, b]}}"),
    "folders of runs": file("{run_dir: {values: [a, b]}}"),
    "overwrite": file("{beta: {values: [1, 4]}, overwrite: {value: true}}"),
    "resume never": file("{beta: {values: [1, 4]}, resume: {value: never}}"),
    "off without quotes": file("{beta: {values: [1, 4]}, wandb: {value: off}}"),
    "a macro": macro,
    "another program": file(TWO, more="program: train.py"),
    "another command": file(TWO, command=["python", "train.py", "${args}"]),
    "a flag of the command that is none": file(TWO, command=[*HEAD[:4], "--bta=4", HEAD[4]]),
    "a flag of the command that is swept": file(TWO, command=[*HEAD[:4], "--beta=4", HEAD[4]]),
    "a flag of the command twice": file(TWO, command=[*HEAD[:4], "--seed=1", "--seed=2", HEAD[4]]),
    "a variable of the command": file(TWO, command=[*HEAD[:4], "--seed=${envvar:SEED}", HEAD[4]]),
    "help": file(TWO, command=[*HEAD[:4], "--help", HEAD[4]]),
    "an unknown section": file(TWO, more="metrics: {name: val/objective}"),
    "an anchor's section": anchor_holder,
    "a metric of the test split": file(TWO, more="metric: {name: test/objective}"),
    "a search without a metric": file("{lr: {min: 0.1, max: 0.9}}", method="bayes", more="run_cap: 3"),
    "no such method": file(TWO, method="halton"),
    "no parameters": file("{}"),
    "a list of parameters": file("[beta, seed]"),
    "no YAML": lambda draw: Path("own.yaml").write_text("method: [grid\nparameters"),
    "an empty file": lambda draw: Path("own.yaml").write_text(""),
    "bytes": lambda draw: Path("own.yaml").write_bytes(draw.randbytes(50) + b"\xff"),
    "a folder": lambda draw: Path("own.yaml").mkdir(),
    "no file": lambda draw: None,
}
