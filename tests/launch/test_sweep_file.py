"""Sweep files: what is read from them, how W&B's client renders it, and the one line that a bad one gets."""

import datetime
import itertools
import math
from pathlib import Path

import pytest
import yaml
from scipy import stats
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from vae_rd.config.cli import parse
from vae_rd.errors import InputError
from vae_rd.launch.options import parse as command_line
from vae_rd.launch.points.command import MACROS
from vae_rd.launch.points.draws import NAMES, quantile_of
from vae_rd.launch.points.hyperband import Hyperband, hyperband_of
from vae_rd.launch.points.plan import plan
from vae_rd.launch.points.sweep_file import COMMAND, read_sweep_file

from helpers.common import ROOT

SHIPPED = sorted((ROOT / "sweeps").glob("*.yaml"))
BETA = {"beta": {"values": [1, 4]}}
SEARCH = {"method": "bayes", "run_cap": 5, "metric": {"name": "val/objective", "goal": "minimize"}}
LR = {"lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2}}


@pytest.fixture
def write(tmp_path):
    """A sweep file with changes; a key that is changed to None is left out."""

    def make(**changes) -> Path:
        content = {"program": "vae_rd/fit.py", "command": COMMAND, "method": "grid", "parameters": BETA} | changes
        path = tmp_path / "sweep.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}, sort_keys=False))
        return path

    return make


# What is read


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_file_in_sweeps_is_a_plan_of_its_own_folder(path):
    made = plan(read_sweep_file(path, fixed={}))
    assert made.folder == Path("runs") / path.stem
    assert made.total >= 5
    assert made.example.config.resume == "auto"


def test_a_grid_is_the_product_in_the_order_of_the_file(write):
    path = write(parameters={"beta": {"values": [4, 1]}, "seed": {"min": 0, "max": 2}, "n_train": {"value": None}})
    points = [(run.config.beta, run.config.seed) for run in plan(read_sweep_file(path, fixed={})).runs]
    assert points == list(itertools.product([4.0, 1.0], [0, 1, 2]))


def test_flags_of_the_command_go_to_every_run(write, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = write(command=[*COMMAND[:4], "--config=configs/sprites_mlp.yaml", "--patience", "7", COMMAND[4]])
    configs = [run.config for run in plan(read_sweep_file(path, fixed={})).runs]
    assert [(c.hidden, c.patience, c.beta) for c in configs] == [([512, 512], 7, 1.0), ([512, 512], 7, 4.0)]


def test_a_folder_that_the_command_names_is_the_sweep_s(write):
    file = read_sweep_file(write(command=[*COMMAND[:4], "--run_dir=elsewhere", COMMAND[4]]), fixed={})
    assert plan(file).folder == Path("elsewhere")
    assert "run_dir" not in file.upload()["parameters"]


def test_the_project_of_the_file_is_that_of_runs_here_too(write):
    file = read_sweep_file(write(project="mine"), fixed={})
    assert {run.config.wandb_project for run in plan(file).runs} == {"mine"}
    assert "wandb_project" not in file.upload()["parameters"], "there the sweep itself says it"
    other = read_sweep_file(write(project="mine"), fixed={"wandb_project": "other"})
    assert plan(other).runs[0].config.wandb_project == "other"


def test_labels_are_printable_whatever_the_values(write):
    path = write(parameters={"data": {"value": "npz"}, "data_file": {"values": ["a\nb\x1b[31m.npz", "c.npz"]}})
    assert plan(read_sweep_file(path, fixed={})).runs[0].label == "data_file a\\nb\\x1b[31m.npz"


@pytest.mark.parametrize("method", [{"method": "grid"}, {"method": "random", "run_cap": 2}])
def test_places_of_hugging_face_may_be_swept(write, method):
    path = write(parameters={"data": {"values": ["hf:ylecun/mnist", "hf:saved"]}}, **method)
    runs = plan(read_sweep_file(path, fixed={})).runs
    assert {(run.config.data, run.config.data_file) for run in runs} == {("hf", "ylecun/mnist"), ("hf", "saved")}
    assert all(parse(run.argv).config == run.config for run in runs)


@pytest.mark.parametrize("data", [{}, {"data_file": {"value": "a.npz"}}, {"data": {"value": "hf:saved"}}])
def test_a_place_of_hugging_face_on_the_command_line_holds_for_every_run(write, data):
    _, file = command_line([str(write(parameters=BETA | data)), "--data", "hf:ylecun/mnist"])
    runs = plan(file).runs
    assert {(run.config.data, run.config.data_file) for run in runs} == {("hf", "ylecun/mnist")}
    assert file.upload()["parameters"]["data_file"] == {"value": "ylecun/mnist"}


def test_what_the_command_line_fixes_holds_for_every_run_and_for_w_and_b(write):
    file = read_sweep_file(write(), fixed={"beta": "2", "hidden": "[8]", "grad_clip": "None"})
    (run,) = plan(file).runs
    assert (run.config.beta, run.config.hidden, run.config.grad_clip) == (2.0, [8], None)
    sent = {name: spec["value"] for name, spec in file.upload()["parameters"].items()}
    assert sent == {"run_dir": "runs/sweep", "resume": "auto", "beta": 2.0, "hidden": [8], "grad_clip": None}


VALUES = {
    "beta": [0.003, 4, 1e-7],
    "hidden": [[512, 256], None],
    "whiten": [True, False],
    "grad_clip": [None, 1.5],
    "data": ["sprites"],
    "wandb": ["off"],
    "precision": ["32", "64"],
    "gaussian_eigenvalues": [[8.0, 4.0, 2.0, 1.0, 0.5, 0.25]],
}


def test_runs_are_the_commands_that_w_and_b_s_agent_would_start(write):
    path = write(parameters={name: {"values": values} for name, values in VALUES.items()})
    file = read_sweep_file(path, fixed={})
    runs = plan(file).runs
    defaults = [f"--{name}={value}" for name, value in file.defaults.items()]
    for run, values in zip(runs, itertools.product(*VALUES.values()), strict=True):
        args = {name: {"value": value} for name, value in zip(VALUES, values, strict=True)}
        agents = create_sweep_command_args({"args": args})["args"]
        assert list(run.argv) == [*defaults, *agents]
        assert all(getattr(run.config, name) == value for name, value in zip(VALUES, values, strict=True))


def test_random_draws_are_distinct_and_the_same_again(write):
    path = write(method="random", run_cap=6, parameters={**LR, "seed": {"values": [0, 1, 2]}})
    file = read_sweep_file(path, fixed={})
    names = [run.name for run in plan(file).runs]
    assert len(set(names)) == 6
    assert names == [run.name for run in plan(file).runs]
    assert names != [run.name for run in plan(file, search_seed=1).runs]


def test_random_draws_end_where_there_is_nothing_new(write):
    path = write(method="random", run_cap=50, parameters={"beta": {"values": [1, 2, 4]}})
    assert sorted(run.config.beta for run in plan(read_sweep_file(path, fixed={})).runs) == [1.0, 2.0, 4.0]


def test_count_takes_the_place_of_run_cap(write):
    assert len(plan(read_sweep_file(write(), fixed={}, count=1)).runs) == 1


def test_whole_numbers_may_come_as_floats(write):
    """As they do from JSON; the run is the same one."""
    floats, whole = ({"seed": {"values": [kind(0), kind(1)]}, "hidden": {"value": [kind(8)]}} for kind in (float, int))
    names = [[run.name for run in plan(read_sweep_file(write(parameters=p), fixed={})).runs] for p in (floats, whole)]
    assert names[0] == names[1]


def test_q_draws_whole_numbers_for_flags_that_are(write):
    spec = {"distribution": "q_log_uniform_values", "min": 8, "max": 64, "q": 8.0}
    runs = plan(read_sweep_file(write(method="random", run_cap=5, parameters={"batch_size": spec}), fixed={})).runs
    assert {run.config.batch_size % 8 for run in runs} == {0}


def test_words_that_are_numbers_may_come_as_such(write):
    path = write(parameters={"precision": {"values": [32, 64.0]}})
    assert [run.config.precision for run in plan(read_sweep_file(path, fixed={})).runs] == ["32", "64"]


def test_the_folder_of_a_sweep_may_begin_with_a_tilde(write, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    file = read_sweep_file(write(parameters={**BETA, "run_dir": {"value": "~/runs"}}), fixed={})
    made = plan(file)
    assert made.folder == made.runs[0].folder.parent == tmp_path / "runs"
    assert file.upload()["parameters"]["run_dir"] == {"value": "~/runs"}, "each agent has a home of its own"


def test_a_key_that_is_there_twice_is_refused_with_its_line(write):
    path = write()
    path.write_text(f"{path.read_text()}  beta: {{values: [10]}}\n")
    line = len(path.read_text().splitlines())
    with pytest.raises(InputError, match=rf"sweep\.yaml, line {line}: beta is given here and in line \d+; leave"):
        read_sweep_file(path, fixed={})


def test_anchors_and_merges_work(write):
    path = write(parameters={"lr": {"value": 1e-3}})
    path.write_text(f"{path.read_text()}  beta: &two {{values: [1, 4]}}\n  seed: {{<<: *two}}\n  samples: *two\n")
    assert plan(read_sweep_file(path, fixed={})).total == 8


# Distributions, against scipy's


SPECS = {
    "uniform": ({"min": -1.0, "max": 3.0}, stats.uniform(-1, 4)),
    "log_uniform": ({"min": -3.0, "max": 1.0}, stats.loguniform(0.049787068367863944, 2.718281828459045)),
    "log_uniform_values": ({"min": 1e-4, "max": 1e-1}, stats.loguniform(1e-4, 1e-1)),
    "inv_log_uniform_values": ({"min": 1e-4, "max": 1e-1}, stats.loguniform(1e-4, 1e-1)),
    "inv_log_uniform": ({"min": -1.0, "max": 3.0}, stats.loguniform(0.049787068367863944, 2.718281828459045)),
    "normal": ({"mu": 2.0, "sigma": 3.0}, stats.norm(2, 3)),
    "log_normal": ({"mu": 0.5, "sigma": 0.3}, stats.lognorm(0.3, scale=1.6487212707001282)),
    "int_uniform": ({"min": 2, "max": 6}, stats.randint(2, 7)),
}


def test_every_distribution_has_a_reference_or_rounds_one():
    assert {name.removeprefix("q_") for name in NAMES} == set(SPECS)


@pytest.mark.parametrize("name", SPECS)
def test_quantiles_have_the_distribution_s_cdf(name):
    spec, reference = SPECS[name]
    draw = quantile_of({"distribution": name, **spec}, where="here")
    grid = [(k + 0.5) / 400 for k in range(400)]
    values = sorted(draw(u) for u in grid)
    expected = [reference.ppf(u) for u in grid]
    assert values == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("q_")])
def test_q_rounds_to_its_multiples(name):
    spec, _ = SPECS[name.removeprefix("q_")]
    whole = quantile_of({"distribution": name[2:], **spec}, where="")
    rounded = quantile_of({"distribution": name, "q": 0.25, **spec}, where="")
    for u in (0.01, 0.3, 0.77):
        assert rounded(u) / 0.25 == round(whole(u) / 0.25)


def test_probabilities_are_those_of_the_values(write):
    path = write(method="random", run_cap=1, parameters={"seed": {"values": [0, 1], "probabilities": [0.2, 0.8]}})
    (seed,) = read_sweep_file(path, fixed={}).parameters
    assert sum(seed.at((k + 0.5) / 1000) for k in range(1000)) == 800


# Hyperband


def test_hyperband_by_hand():
    """Five runs at bands 2 and 4 with eta = 2, as in the rule's own terms: better than half of those who came."""
    rule = Hyperband(bands=(2, 4), eta=2)
    runs = [[9, 5, 4, 3], [9, 6, 5], [9, 7, 7, 2], [9, 8], [9]]
    # At 2 have come 5, 6, 7, 8: the third, 7, is the worst that goes on. At 4 have come 3, 2: the second, 3.
    assert [rule.band_to_stop_at(run, runs) for run in runs] == [None, None, None, 2, None]
    others = [[9, 5, 4, 3], [9, 5, 4, 2]]  # with the run itself three: the second is the worst that goes on
    assert rule.band_to_stop_at([9, 7, 7, 8], [*others, [9, 7, 7, 8]]) == 4
    assert rule.band_to_stop_at([2, 7, 7, 8], [*others, [2, 7, 7, 8]]) is None, "its best is what counts"
    strict = Hyperband(bands=(2, 4), eta=2, strict=True)
    assert strict.band_to_stop_at([2, 7, 7, 8], [*others, [2, 7, 7, 8]]) == 4


def test_the_first_run_is_never_stopped():
    rule = hyperband_of({"type": "hyperband", "min_iter": 1, "eta": 3}, where="x")
    for length in range(1, 30):
        own = [float(length)] * length
        assert rule.band_to_stop_at(own, [own]) is None


# What is refused


def changed(parameters: dict) -> dict:
    return {"parameters": parameters}


BAD = [
    ({"method": "gird"}, "method is gird; choose one of grid, random, bayes"),
    ({"method": None}, "method is None"),
    ({"paramters": {}}, "unknown key paramters; did you mean parameters?"),
    ({"parameters": None}, "parameters: give each flag"),
    (changed({}), "parameters: give each flag"),
    (changed({"bta": {"values": [1]}}), "parameters: bta: is no flag; did you mean beta?"),
    (changed({"model.beta": {"values": [1]}}), "model.beta: is no flag"),
    (changed({"beta": {"values": []}}), "parameters: beta: values is empty"),
    (changed({"beta": {"values": ["high"]}}), "parameters: beta: --beta high: give a number"),
    (changed({"beta": 4}), "parameters: beta: give value, values, or min and max"),
    (changed({"beta": {"value": 4, "valeus": [1]}}), "parameters: beta: unknown key valeus; did you mean values?"),
    (changed({"beta": {"value": 4, "values": [1]}}), "beta: beside value: unknown key values"),
    (changed({"beta": {"values": [1], "distribution": "uniform"}}), "beta: distribution uniform has no values"),
    (SEARCH | changed({"lr": {"min": "1e-4", "max": 0.1}}), "YAML takes 1e-4 for text, write 1.0e-4"),
    (changed({"beta": {"parameters": {"a": {"value": 1}}}}), "beta: flags do not nest; write a beside the others"),
    (changed({"beta": {"min": 0.1, "max": 4.0}}), "beta: a grid takes values, or whole numbers from min to max"),
    (changed({"beta": {"values": [1, -4]}}), "beta -4: --beta -4.0: the least it can be is 0"),
    (changed({"beta": {"values": [1, 1.0]}}), "beta 1 and beta 1 are one run"),
    (changed({**BETA, "devices": {"values": [1, 2]}}), "are one run"),
    (changed({**BETA, "wandb": {"value": False}}), "wandb: --wandb False: choose one of off, offline"),
    (changed({**BETA, "name": {"value": "mine"}}), "name: each run of a sweep gets a name of its own"),
    (changed({**BETA, "run_dir": {"values": ["a", "b"]}}), "run_dir: is the same for all runs"),
    (changed({**BETA, "overwrite": {"value": True}}), "overwrite: a sweep goes on with what is there; leave"),
    ({"command": None}, "command must be"),
    ({"command": ["${env}", "${interpreter}", "train.py", "${args}"]}, "command must be"),
    ({"command": [*COMMAND[:4], "--lr=${envvar:LR}", COMMAND[4]]}, "--lr=${envvar:LR} refers to something outside"),
    ({"command": [*COMMAND[:4], "--config=nowhere.yaml", COMMAND[4]]}, "--config nowhere.yaml: cannot be read"),
    ({"command": [*COMMAND[:4], "--print_config", COMMAND[4]]}, "none of its flags may be --help"),
    (changed({**BETA, "resume": {"value": "never"}}), "--resume never: a sweep always goes on"),
    ({"description": datetime.date(2026, 1, 1)}, "put the value in quotes"),
    (changed({"seed": {"min": 0, "max": 10**18}}), "is more than a grid can hold"),
    (SEARCH | changed({"lr": {"distribution": "log_uniform", "min": -5, "max": 1000}}), "are exponents of e"),
    (SEARCH | changed({**LR, "flip_probability": {"values": [0.1, 0.2]}}), "means nothing where flip_probability"),
    (SEARCH | changed(LR) | {"early_terminate": {"type": "hyperband", "min_iter": 3, "eta": math.nan}}, "eta is nan"),
    ({"method": "random"}, "method random never ends; give run_cap, or --count"),
    ({"run_cap": 0}, "run_cap is 0"),
    ({"metric": {"name": "test/objective"}}, "metric test/objective: give name: one of val/objective"),
    ({"metric": {"name": "val/rate", "goal": "up"}}, "metric: goal is up"),
    ({"method": "bayes", "run_cap": 3, "parameters": LR}, "method bayes needs a metric"),
    (SEARCH | changed({**LR, **BETA}), "means nothing where beta differs"),
    ({"early_terminate": {"type": "hyperband", "min_iter": 3}}, "early_terminate needs a metric"),
    (SEARCH | changed(LR) | {"early_terminate": {"type": "median"}}, "must have type: hyperband"),
    (SEARCH | changed(LR) | {"early_terminate": {"type": "hyperband"}}, "give min_iter"),
    (SEARCH | changed(LR) | {"early_terminate": {"type": "hyperband", "min_iter": 0}}, "min_iter is 0"),
    (SEARCH | changed(LR) | {"early_terminate": {"type": "hyperband", "max_iter": 2}}, "there is no band"),
    (SEARCH | changed({"lr": {"min": 1, "max": 0}}), "lr: min 1 and max 0 must be numbers, min below max"),
    (SEARCH | changed({"lr": {"min": 1e-9, "max": 1e400}}), "lr: min 1e-09 and max inf must be numbers"),
    (SEARCH | changed({"weight_decay": {"min": -1e-9, "max": 1.0}}), "--weight_decay -1e-09: the least it can be is 0"),
    (SEARCH | changed({"lr": {**LR["lr"], "min": 0}}), "lr: min 0 has no logarithm"),
    (SEARCH | changed({"lr": {**LR["lr"], "distribution": "log"}}), "distribution log is none of"),
    (SEARCH | changed({"lr": {**LR["lr"], "distribution": "q_uniform", "q": 0}}), "lr: q is 0"),
    (SEARCH | changed({"lr": {"distribution": "normal", "sigma": 0}}), "lr: mu and sigma"),
    (SEARCH | changed({"seed": {"distribution": "int_uniform", "min": 0.5, "max": 2}}), "must be whole numbers"),
    (
        SEARCH | changed({"lr": {"values": [0.1, 0.2], "probabilities": [1, 1]}}),
        "probabilities [1, 1]: give one for each of the 2 values, 1 in sum",
    ),
]


BAD += [
    (
        SEARCH | changed({"lr": {"min": 0.1, "max": 0.2, "q": 0.1}}),
        "uniform reads min and max, not q; leave it out, or",
    ),
    (SEARCH | changed({"lr": {**LR["lr"], "q": 0.1}}), "give distribution: q_log_uniform_values"),
    (SEARCH | changed({"lr": {"distribution": "normal", "min": 0, "mu": 1}}), "normal reads mu and sigma, not min"),
    (SEARCH | changed({"lr": {**LR["lr"], "mu": 1}}), "not mu; leave it out, or give distribution: normal"),
    (SEARCH | changed({"lr": {"min": 0.1, "max": 1.0, "probabilities": [1]}}), "not probabilities; leave it out"),
    (SEARCH | changed({"lr": {"distribution": "beta", "a": 1, "b": 2}}), "distribution beta is none of"),
    (
        SEARCH | changed({"lr": {"distribution": "log_uniform", "min": 1e-4, "max": 1e-1}}),
        "are exponents of e; did you mean log_uniform_values?",  # All draws would be from 1.0001 to 1.105.
    ),
    (SEARCH | changed({"lr": {"distribution": "categorical", "min": 1}}), "categorical needs values; add values"),
    (SEARCH | changed({"lr": {"distribution": "constant", "values": [1]}}), "constant needs value; add value"),
    (
        SEARCH | changed({"lr": {"distribution": "categorical_w_probabilities", "values": [0.1, 0.2]}}),
        "probabilities None: give one for each of the 2 values",
    ),
    (changed({"seed": {"values": [0, 1], "probabilities": [0.5, 0.5]}}), "a grid takes every value once"),
    (SEARCH | changed({"hidden": {"values": [[8], [8.0]]}}), "hidden: values has [8.0] twice; leave one of them out"),
    (  # One of twelve; whether a search comes to it, and when, nobody knows before.
        SEARCH | changed({"lr": LR["lr"], "batch_size": {"values": [6, 8, 12, 24]}, "devices": {"values": [3, 2, 1]}}),
        "batch_size 8, devices 3: --batch_size 8: is over all processes and does not divide by --devices 3",
    ),
    (SEARCH | changed({"latent_dim": {"min": 1.0, "max": 9.0}}), "takes whole numbers, and distribution uniform has"),
    (
        SEARCH | changed({"latent_dim": {"distribution": "q_uniform", "min": 1, "max": 9, "q": 0.5}}),
        "takes whole numbers, and distribution q_uniform has others",
    ),
    (
        SEARCH | changed({"beta_start": {"min": 0, "max": 1}}),
        "of whole numbers, draws none but those; give one of them",
    ),
    ({"command": [*COMMAND[:4], "--overwrite", COMMAND[4]]}, "--overwrite: a sweep goes on with what is there; leave"),
    (SEARCH | changed({"precision": {"min": 32, "max": 64}}), "a distribution is of numbers; give values"),
    (changed({"beta": {"values": 4}}), "values is 4; give a list of one or more, such as [1, 4]"),
    (changed({"hidden": {"values": [512, 256]}}), "give a list such as [512, 256] or null; values is a list of such"),
    (changed({"seed": {"values": [8.5]}}), "--seed 8.5: give a whole number"),
    (
        changed({"model": {"parameters": {"net": {"parameters": {"latent_dim": {"value": 2}}}, "lr": {"value": 1}}}}),
        "model: flags do not nest; write latent_dim, lr beside the others",
    ),
    (changed({"model.latent_dim": {"value": 2}}), "is no flag; did you mean latent_dim?"),
    ({"x-common": {"values": [1]}}, "x-common is no key of a sweep; leave it out, an anchor stands where it is first"),
    ({"_defaults": {"values": [1]}}, "_defaults is no key of a sweep"),
    ({"program": "train.py"}, "program is train.py, which command does not start; write vae_rd/fit.py"),
    ({"project": 7}, "project is 7; give text, in quotes"),
    ({"metric": {"name": "val/rate", "target": 3}}, "metric: unknown key target; remove it"),
    (SEARCH | changed(LR) | {"early_terminate": {"type": "hyperband", "min_iter": 3, "s": 2}}, "s belongs to max_iter"),
    (
        SEARCH | changed(LR) | {"early_terminate": {"type": "hyperband", "min_iter": 3, "strict": "yes"}},
        "strict is yes; give true or false",
    ),
    ({"command": [*COMMAND[:4], "--lr=1", "--lr=2", COMMAND[4]]}, "command: --lr is given twice"),
    ({"command": [*COMMAND[:4], "--beta=1", COMMAND[4]]}, "command: --beta is given twice, here or in parameters"),
    ({"command": [*COMMAND[:4], "-h", COMMAND[4]]}, "none of its flags may be --help"),
    *(({"command": [*COMMAND[:4], macro]}, f"command: {macro} {MACROS[macro]}; write {COMMAND}") for macro in MACROS),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=range(len(BAD)))
def test_a_bad_file_is_one_line_that_names_it(changes, message, write):
    path = write(**changes)
    with pytest.raises(InputError) as refused:
        plan(read_sweep_file(path, fixed={}))
    assert str(refused.value).startswith(f"{path}: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("method: [grid\n", "sweep.yaml, line 2: not YAML"),
        ("- a\n", "not a sweep file"),
        ("", "not a sweep file"),
        ("method: \x00", "not YAML"),
        ("method: *nobody", "not YAML"),
    ],
)
def test_a_file_that_is_no_sweep_is_one_line(content, message, tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_sweep_file(path, fixed={})


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no sweep file can be read there \(No such file"):
        read_sweep_file(tmp_path / "none.yaml", fixed={})
