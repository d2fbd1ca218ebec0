"""A search over the unit cube: it begins with draws, finds what is better, and can be taken up again."""

import math
from pathlib import Path

import pytest
import yaml

from vae_rd.launch.ledger import Entry, Ledger
from vae_rd.launch.local.supply import Listed, Searched
from vae_rd.launch.points.plan import plan
from vae_rd.launch.points.search import STARTUP, BayesSearch, first_cube, point_at
from vae_rd.launch.points.sweep_file import COMMAND, SweepFile, read_sweep_file

from helpers.runs import record_of

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the Gaussian process's line search

PARAMETERS = {
    "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-1},
    "hidden": {"values": [[8], [16], [32]]},
}


def searched(folder: Path, **changes) -> SweepFile:
    content = {"command": COMMAND, "method": "bayes", "metric": {"name": "val/objective"}, "run_cap": 24}
    path = folder / "search.yaml"
    path.write_text(yaml.safe_dump({**content, "parameters": PARAMETERS, **changes}, sort_keys=False))
    return read_sweep_file(path, fixed={"run_dir": str(folder / "runs")})


def loss(point) -> float:
    """Least, 0, at lr = 1e-3 and two narrow layers."""
    return (math.log10(point["lr"]) + 3) ** 2 + 0.5 * [[16], [8], [32]].index(point["hidden"])


def test_it_finds_the_least_loss_and_draws_do_not(tmp_path):
    file = searched(tmp_path)
    search = BayesSearch(file, seed=0)
    found = []
    for index in range(24):
        cube = first_cube(file, 0, index) if index < STARTUP else search.ask()
        if index < STARTUP:
            search.remember(cube)
        found.append(loss(point_at(file, cube)))
        search.tell(cube, found[-1])
    drawn = [loss(point_at(file, first_cube(file, 0, index))) for index in range(24)]
    assert min(found) < 1e-3 < min(drawn)


def test_a_search_that_is_taken_up_again_knows_what_was_found(tmp_path):
    file = searched(tmp_path)
    search = BayesSearch(file, seed=1)
    for k in range(12):
        cube = {"lr": k / 11, "hidden": k % 3}
        search.remember(cube)
        search.tell(cube, loss(point_at(file, cube)))
    assert loss(point_at(file, search.ask())) < 0.1


def test_what_failed_has_no_loss_and_the_search_goes_on(tmp_path):
    search = BayesSearch(searched(tmp_path), seed=0)
    for _ in range(3):
        search.tell(search.ask(), None)
    assert search.ask().keys() == {"lr", "hidden"}


def test_a_point_is_planned_once_and_run_cap_holds(tmp_path):
    """Three choices are three runs, however many the search might ask for."""
    file = searched(tmp_path, parameters={"hidden": PARAMETERS["hidden"]})
    ledger = Ledger(tmp_path / "sweep.json", "x", {})
    supply = Searched(plan(file), ledger)
    runs = [supply.next() for _ in range(4)]
    assert sorted(run.config.hidden for run in runs[:3]) == [[8], [16], [32]]
    assert runs[3] is None
    assert list(ledger.runs) == [run.name for run in runs[:3]]
    capped = Searched(plan(searched(tmp_path, run_cap=2)), Ledger(tmp_path / "other.json", "x", {}))
    assert [capped.next() is None for _ in range(3)] == [False, False, True]


def test_what_was_left_comes_first(tmp_path):
    file = searched(tmp_path, early_terminate={"type": "hyperband", "min_iter": 1})
    ledger = Ledger(tmp_path / "sweep.json", "x", {})
    first = Searched(plan(file), ledger)
    stopped, interrupted = first.next().name, first.next().name
    (tmp_path / "runs" / stopped).mkdir(parents=True)
    record_of(first.runs[stopped].config, stopped, status="interrupted").write(tmp_path / "runs" / stopped)
    ledger.runs[stopped].state, ledger.runs[interrupted].state = "stopped early", "interrupted"
    supply = Searched(plan(file), ledger)
    assert list(supply.runs) == [stopped, interrupted]
    assert supply.next().name == interrupted
    assert supply.next().name not in (stopped, interrupted)


def test_a_search_that_has_nothing_new_is_not_asked_again(tmp_path, monkeypatch):
    """Each question costs a fit of the model, and a free slot asks five times a second."""
    supply = Searched(
        plan(searched(tmp_path, parameters={"hidden": PARAMETERS["hidden"]})), Ledger(tmp_path / "x", "", {})
    )
    assert [supply.next() is None for _ in range(4)] == [False, False, False, True]
    monkeypatch.setattr(BayesSearch, "ask", None)
    monkeypatch.setattr(BayesSearch, "remember", None)
    assert supply.next() is None


def test_a_seed_of_any_size_is_one(tmp_path):
    assert BayesSearch(searched(tmp_path), seed=2**63 - 1).ask()


def test_stopped_runs_stay_so_while_their_folder_is_there_and_the_file_stops_runs(tmp_path):
    hyperband = {"early_terminate": {"type": "hyperband", "min_iter": 1}}
    made = plan(searched(tmp_path, method="grid", parameters={"hidden": PARAMETERS["hidden"]}, **hyperband))
    run, path = made.runs[0], tmp_path / "sweep.json"

    def waiting(asked) -> int:
        ledger = Ledger(path, "x", {}, {run.name: Entry({}, state="stopped early")})
        supply = Listed(asked, ledger)
        return sum(supply.next() is not None for _ in range(4))

    assert waiting(made) == 3, "its folder is gone"
    run.folder.mkdir(parents=True)
    record_of(run.config, run.name, status="interrupted").write(run.folder)
    assert waiting(made) == 2
    without = plan(searched(tmp_path, method="grid", parameters={"hidden": PARAMETERS["hidden"]}))
    assert waiting(without) == 3


def test_runs_of_another_search_in_the_folder_are_left_alone(tmp_path):
    ledger = Ledger(tmp_path / "sweep.json", "x", {})
    Searched(plan(searched(tmp_path)), ledger).next()
    ledger.runs["a"] = Entry({}, cube={"lr": 0.5})
    ledger.runs["b"] = Entry({}, cube={"lr": 0.5, "hidden": 3})
    ledger.runs["c"] = Entry({}, cube={"lr": 0.5, "hidden": 1})
    other = searched(tmp_path, parameters={**PARAMETERS, "max_epochs": {"value": 7}})
    assert Searched(plan(other), ledger).runs == {}


def test_a_sweep_at_w_and_b_is_that_of_the_same_file_alone(tmp_path):
    ledger = Ledger.opened(tmp_path, file="x", sweep={"method": "grid"})
    ledger.remember_wandb("me/toys/1")
    assert Ledger.opened(tmp_path, file="x", sweep={"method": "grid"}).wandb_path == "me/toys/1"
    assert Ledger.opened(tmp_path, file="x", sweep={"method": "bayes"}).wandb_path is None
