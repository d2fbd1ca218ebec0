"""Every refusal of a sweep file says what to do, and whoever does it is not refused again."""

import pytest
import yaml

from vae_rd.errors import InputError
from vae_rd.launch.points.command import MACROS
from vae_rd.launch.points.plan import plan
from vae_rd.launch.points.sweep_file import COMMAND, read_sweep_file

SEARCH = {"method": "random", "run_cap": 3, "metric": {"name": "val/objective"}}


def lr(**spec) -> dict:
    return SEARCH | {"parameters": {"lr": spec}}


def grid(**parameters) -> dict:
    return {"parameters": parameters}


def stopped(**section) -> dict:
    return lr(values=[0.1, 0.2]) | {"early_terminate": {"type": "hyperband", **section}}


RANGE = {"min": 0.1, "max": 0.2}
# What is refused, what the line says to do, and the file once it is done.
WALK = [
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
]


@pytest.mark.parametrize(("refused", "remedy", "remedied"), WALK, ids=range(len(WALK)))
def test_the_remedy_helps(refused, remedy, remedied, tmp_path):
    whole = {"command": COMMAND, "method": "grid", "parameters": {"beta": {"values": [1, 4]}}}
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump({**whole, **refused}, sort_keys=False))
    with pytest.raises(InputError) as line:
        plan(read_sweep_file(path, fixed={}))
    assert remedy in str(line.value)
    path.write_text(yaml.safe_dump({**whole, **remedied}, sort_keys=False))
    assert plan(read_sweep_file(path, fixed={})).total >= 1
