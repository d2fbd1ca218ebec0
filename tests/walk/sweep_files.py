"""Sweep files: each key of each section."""

import datetime
from pathlib import Path

import yaml

from vae_rd.launch.points.command import MACROS
from vae_rd.launch.points.plan import plan
from vae_rd.launch.points.sweep_file import COMMAND, read_sweep_file

from walk.steps import Step, each, step, written

SEARCH = {"method": "random", "run_cap": 3, "metric": {"name": "val/objective"}}


def lr(**spec) -> dict:
    return SEARCH | {"parameters": {"lr": spec}}


def grid(**parameters) -> dict:
    return {"parameters": parameters}


def stopped(**section) -> dict:
    return lr(values=[0.1, 0.2]) | {"early_terminate": {"type": "hyperband", **section}}


RANGE = {"min": 0.1, "max": 0.2}
# What is refused, what the line says to do, and the file once it is done.
CHANGES: list[tuple[dict, str, dict]] = [
    (lr(**RANGE, q=0.1), "leave it out", lr(**RANGE)),
    (lr(**RANGE, q=0.1), "give distribution: q_uniform", lr(**RANGE, q=0.1, distribution="q_uniform")),
    (lr(**RANGE, distribution="normal"), "leave it out", lr(distribution="log_normal")),
    (lr(mu=-5, sigma=0.1), "give distribution: normal", lr(mu=5, sigma=0.1, distribution="normal")),
    (lr(**RANGE, probabilities=[1]), "leave it out", lr(**RANGE)),
    (lr(**RANGE, distribution="categorical"), "add values", lr(values=[0.1], distribution="categorical")),
    (lr(**RANGE, distribution="categorical"), "leave distribution out", lr(**RANGE)),
    (lr(values=[0.1], distribution="constant"), "add value,", lr(value=0.1, distribution="constant")),
    (lr(values=[0.1], distribution="constant"), "leave distribution out", lr(values=[0.1])),
    (lr(values=[0.1], distribution="uniform"), "leave one of them out", lr(values=[0.1])),
    (
        lr(values=[0.1, 0.2], distribution="categorical_w_probabilities"),
        "give one for each of the 2 values, 1 in sum",
        lr(values=[0.1, 0.2], distribution="categorical_w_probabilities", probabilities=[0.5, 0.5]),
    ),
    (lr(values=[0.1, 0.1]), "leave one of them out", lr(values=[0.1])),
    (lr(min="1e-4", max=0.1), "write 1.0e-4", lr(min=1.0e-4, max=0.1)),
    (lr(min=0.2, max=0.1), "min below max", lr(**RANGE)),
    (
        lr(min=1e-4, max=0.1, distribution="log_uniform"),
        "log_uniform_values?",
        lr(**RANGE, distribution="log_uniform_values"),
    ),
    (
        lr(min=-5, max=1000, distribution="log_uniform"),
        "log_uniform_values?",
        lr(**RANGE, distribution="log_uniform_values"),
    ),
    (
        lr(min=0, max=0.1, distribution="log_uniform_values"),
        "give min above 0",
        lr(**RANGE, distribution="log_uniform_values"),
    ),
    (lr(**RANGE, distribution="q_uniform", q=0), "above 0", lr(**RANGE, distribution="q_uniform", q=0.1)),
    (lr(values=0.1), "give a list of one or more, such as [1, 4]", lr(values=[0.1])),
    (
        SEARCH | grid(latent_dim={"min": 1.0, "max": 9.0}),
        "give whole numbers as min and max",
        SEARCH | grid(latent_dim={"min": 1, "max": 9}),
    ),
    (
        SEARCH | grid(latent_dim={"min": 1.0, "max": 9.0}),
        "or q_uniform with q: 1",
        SEARCH | grid(latent_dim={"min": 1.0, "max": 9.0, "q": 1, "distribution": "q_uniform"}),
    ),
    (
        SEARCH | grid(seed={"min": 0.5, "max": 9, "distribution": "int_uniform"}),
        "must be whole numbers, such as 1 and 3",
        SEARCH | grid(seed={"min": 1, "max": 3, "distribution": "int_uniform"}),
    ),
    (lr(min=1, max=2), "give one of them as 2.0", lr(min=1, max=2.0)),
    (lr(min=1, max=2), "or distribution: int_uniform", lr(min=1, max=2, distribution="int_uniform")),
    (grid(overwrite={"value": True}), "leave it out", {}),
    ({"command": [*COMMAND[:4], "--overwrite", COMMAND[4]]}, "leave it out", {}),
    (SEARCH | grid(precision={"min": 32, "max": 64}), "give values", SEARCH | grid(precision={"values": [32, 64]})),
    (
        grid(seed={"values": [0, 1], "probabilities": [0.5, 0.5]}),
        "leave out all but values",
        grid(seed={"values": [0, 1]}),
    ),
    (grid(hidden={"values": [512, 256]}), "values is a list of such lists", grid(hidden={"values": [[512, 256]]})),
    (grid(seed={"values": [8.5]}), "give a whole number", grid(seed={"values": [8.0]})),
    (grid(wandb={"value": False}), "write it in quotes", grid(wandb={"value": "off"})),
    (grid(wandb_project={"value": 7}), "write it in quotes", grid(wandb_project={"value": "7"})),
    (grid(precision={"value": 16}), "choose one of 32, 64, bf16", grid(precision={"value": 32})),
    (
        grid(model={"parameters": {"latent_dim": {"value": 2}}}),
        "write latent_dim beside the others, right under parameters",
        grid(latent_dim={"value": 2}),
    ),
    (grid(**{"model.latent_dim": {"value": 2}}), "did you mean latent_dim?", grid(latent_dim={"value": 2})),
    (grid(beta=4), "give value, values, or min and max", grid(beta={"value": 4})),
    (grid(beta={"values": [1, 1.0]}), "leave one of them out", grid(beta={"values": [1]})),
    (grid(beta={"values": [1]}, name={"value": "mine"}), "leave it out", grid(beta={"values": [1]})),
    (grid(resume={"value": "never"}), "leave it out", grid(beta={"values": [1]})),
    ({"x-common": {"values": [1]}}, "leave it out", {}),
    ({"program": "train.py"}, "write vae_rd/fit.py", {"program": "vae_rd/fit.py"}),
    ({"project": 7}, "give text, in quotes", {"project": "7"}),
    ({"run_cap": 8.0}, "such as 8", {"run_cap": 8}),
    ({"method": "random"}, "give run_cap", {"method": "random", "run_cap": 1}),
    ({"metric": {"name": "val/rate", "target": 3}}, "remove it", {"metric": {"name": "val/rate"}}),
    ({"metric": {"name": "loss"}}, "give name: one of val/objective", {"metric": {"name": "val/objective"}}),
    (stopped(min_iter=3, s=2), "leave it out", stopped(min_iter=3)),
    (stopped(), "or max_iter (with s and eta)", stopped(max_iter=9, s=2, eta=3)),
    (stopped(min_iter=3, strict="yes"), "give true or false", stopped(min_iter=3, strict=True)),
    (stopped(min_iter=3.0), "give a whole number from 1 on", stopped(min_iter=3)),
    (stopped(min_iter=3, window=2), "leave it out", stopped(min_iter=3)),
    ({"command": [*COMMAND[:4], "--lr=1", "--lr=2", COMMAND[4]]}, "leave one of them out", {}),
    ({"command": [*COMMAND[:4], "--beta=1", COMMAND[4]]}, "leave one of them out", {}),
    ({"command": [*COMMAND[:4], "--help", COMMAND[4]]}, "leave it out", {}),
    (
        {"command": [*COMMAND[:4], "--lr=${envvar:LR}", COMMAND[4]]},
        "write its value",
        {"command": [*COMMAND[:4], "--lr=1", COMMAND[4]]},
    ),
    ({"command": "python -m vae_rd.fit ${args}"}, f"must be {COMMAND}", {}),
    ({"command": ["${env}", "${interpreter}", "${program}", "${args}"]}, f"must be {COMMAND}", {}),
    *(({"command": [*COMMAND[:4], macro]}, f"write {COMMAND}", {}) for macro in MACROS),
    # Further messages, each with its remedy.
    (lr(**RANGE, distribution="beta"), "is none of int_uniform, uniform", lr(**RANGE, distribution="uniform")),
    (lr(mu=1, sigma=-1, distribution="normal"), "sigma above 0", lr(mu=1, sigma=0.1, distribution="normal")),
    (grid(run_dir={"values": ["a", "b"]}), "give it one value", grid(run_dir={"value": "a"})),
    (grid(bta={"values": [1]}), "did you mean beta?", grid(beta={"values": [1]})),
    (grid(zzz={"values": [1]}), "see python -m vae_rd.fit --help", grid(beta={"values": [1]})),
    (
        grid(lr={"min": 0.1, "max": 0.2}),
        "a grid takes values, or whole numbers from min to max",
        grid(lr={"values": [0.1, 0.2]}),
    ),
    (grid(seed={"min": 0, "max": 10**9}), "give fewer", grid(seed={"min": 0, "max": 9})),
    (grid(beta={"value": [1], "vaues": [1]}), "did you mean values?", grid(beta={"values": [1]})),
    (grid(beta={"value": "x"}), "give a number", grid(beta={"value": 1})),
    (grid(beta={"values": [-1]}), "the least it can be is 0", grid(beta={"values": [1]})),
    (
        {"parameters": {}},
        "give each flag that runs differ in, such as beta: {values: [1, 4]}",
        grid(beta={"values": [1, 4]}),
    ),
    ({"method": "gird"}, "choose one of grid, random, bayes", {"method": "grid"}),
    (
        {"metric": {"name": "val/rate", "goal": "least"}},
        "choose minimize or maximize",
        {"metric": {"name": "val/rate", "goal": "minimize"}},
    ),
    ({"name": datetime.date(2026, 1, 1)}, "put the value in quotes", {"name": "2026-01-01"}),
    (lr(**RANGE) | {"method": "bayes", "metric": None}, "needs a metric, such as", lr(**RANGE) | {"method": "bayes"}),
    (
        SEARCH | {"method": "bayes"} | grid(beta={"values": [1, 4]}),
        "give it one value, and search each in a sweep of its own",
        SEARCH | {"method": "bayes"} | grid(beta={"value": 1}, lr=RANGE),
    ),
    ({"early_terminate": {"type": "median"}}, "must have type: hyperband", stopped(min_iter=3)),
    (stopped(min_iter=3, eta=1), "it must be greater than 1", stopped(min_iter=3, eta=2)),
    (stopped(max_iter=2, eta=3), "give a larger max_iter or a smaller eta", stopped(max_iter=9, eta=3)),
    (
        {"command": [*COMMAND[:4], "--bta=1", COMMAND[4]]},
        "did you mean --beta?",
        {"command": [*COMMAND[:4], "--lr=0.1", COMMAND[4]]},
    ),
]


def text(change: dict) -> str:
    whole = {"command": COMMAND, "method": "grid", "parameters": {"beta": {"values": [1, 4]}}}
    return yaml.safe_dump({**whole, **change}, sort_keys=False)


def planned() -> None:
    assert plan(read_sweep_file(Path("sweep.yaml"), fixed={})).total >= 1


def file(says: str, refused: str | bytes, remedied: str) -> Step:
    return step(says, planned, each(written("sweep.yaml", remedied), planned), before=written("sweep.yaml", refused))


FILES = [
    step("give a sweep file, such as sweeps/beta.yaml", planned, each(written("sweep.yaml", text({})), planned)),
    file("give a sweep file, such as sweeps/beta.yaml", b"\xff", text({})),
    file("which has method, parameters and command", "- beta", text({})),
    file("not YAML", "{", text({})),
    file("leave one of them out", text({}) + "method: random\n", text({})),
]
STEPS: list[Step] = [*(file(says, text(refused), text(remedied)) for refused, says, remedied in CHANGES), *FILES]
