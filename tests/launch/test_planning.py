"""Planning: each run is what its command means, word for word, and thousands of them take a moment."""

import io
import itertools
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from vae_rd.config import cli
from vae_rd.config.cli import parse
from vae_rd.config.names import run_name
from vae_rd.errors import InputError
from vae_rd.launch.ledger import Entry, Ledger
from vae_rd.launch.local import supply
from vae_rd.launch.local.supply import Listed
from vae_rd.launch.points import counting
from vae_rd.launch.points import plan as planning
from vae_rd.launch.points.counting import counted
from vae_rd.launch.points.plan import plan, planned
from vae_rd.launch.points.search import first_commands
from vae_rd.launch.points.sweep_file import COMMAND, read_sweep_file
from vae_rd.run.folder import check_unread, folder_of

from helpers.common import ROOT
from helpers.runs import record_of

MANY = {"beta": {"values": [i / 100 for i in range(1, 51)]}, "seed": {"min": 0, "max": 39}, "hidden": {"value": [8]}}
# Values of every kind of flag, some of which do not go together or are none at all.
VALUES = {
    "beta_warmup": [0, 5.0],
    "beta_start": [0.0, "1e-3"],
    "seed": [0, 3.0, 2**40],
    "hidden": [None, [8], [64.0, 32], [0]],
    "whiten": [True, False],
    "grad_clip": [None, 1.5, 0],
    "data": ["sprites", "gaussian", "npz"],
    "sphere_dim": [2, 3],
    "likelihood": ["bernoulli", "gaussian"],
    "likelihood_scale": [1.0, 0.5],
    "precision": [32, "64"],
    "run_dir": ["runs/a", "~/b"],
    "name": [None, "mine", ".hidden"],
    "batch_size": [128, 2],
    "devices": [1, 3],
    "latent_dim": [2, 0],
    "resume": ["auto"],
}


@pytest.fixture
def file_of(tmp_path, monkeypatch):
    """A sweep file of these parameters, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def make(parameters: dict = MANY, *flags: str, **changes) -> Path:
        command = [*COMMAND[:4], *flags, COMMAND[4]]
        content = {"command": command, "method": "grid", **changes, "parameters": parameters}
        Path("many.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return Path("many.yaml")

    return make


def outcome(action) -> tuple:
    try:
        return action()
    except InputError as error:
        return (str(error),)


def test_a_planned_run_is_what_its_command_means_and_is_refused_in_its_words(file_of):
    """At 400 random points; the command line is the truth that planning is held to."""
    Path("base.yaml").write_text("lr: 3.0e-3\nlatent_dim: 5\nwandb: 'off'\n")
    file = read_sweep_file(file_of({"beta": {"values": [1, 4]}}, "--config=base.yaml", "--patience=7"), fixed={})
    draw, refused = random.Random(0), 0
    for _ in range(400):
        names = draw.sample(list(VALUES), draw.randint(1, 6))
        point = {"beta": 1} | {name: draw.choice(VALUES[name]) for name in names}
        given = {"run_dir": "runs/many", "resume": "auto"} | point
        argv = ["--config=base.yaml", "--patience=7", *(f"--{name}={value}" for name, value in given.items())]

        def by_command(argv=argv):
            parsed = parse(argv)
            check_unread(parsed.config, spared=parsed.spared)
            return tuple(argv), parsed.config, run_name(parsed.config), folder_of(parsed.config)

        def by_plan(point=point):
            run = planned(file, point)
            return run.argv, run.config, run.name, run.folder

        expected, found = outcome(by_command), outcome(by_plan)
        refused += len(expected) == 1
        if len(expected) == 1:
            assert found[0].startswith("many.yaml: beta 1: ")
            found = (found[0].removeprefix("many.yaml: beta 1: "),)
        assert found == expected
    assert 100 < refused < 300, "both kinds are there"


def test_no_run_shares_a_list_with_another(file_of):
    first, second, *_ = plan(read_sweep_file(file_of(), fixed={})).runs
    first.config.hidden.append(9)
    first.config.gaussian_eigenvalues.append(9.0)
    assert second.config.hidden == [8]
    assert len(second.config.gaussian_eigenvalues) == 6


def test_two_thousand_runs_are_planned_in_a_moment(file_of):
    """0.06 ms a run on an idle core; it was 10 ms."""
    file = read_sweep_file(file_of(), fixed={})
    began = time.process_time()
    runs = plan(file).runs
    assert len(runs) == len({run.name for run in runs}) == 2000
    assert time.process_time() - began < 2000 * 0.6e-3


def test_config_files_of_the_command_are_read_once(file_of, monkeypatch):
    Path("base.yaml").write_text("lr: 3.0e-3\n")
    read = []
    before = cli._read_config
    monkeypatch.setattr(cli, "_read_config", lambda path: read.append(path) or before(path))
    runs = plan(read_sweep_file(file_of(MANY, "--config=base.yaml"), fixed={})).runs
    assert {run.config.lr for run in runs} == {3e-3}
    assert len(read) <= 2


def test_runs_that_have_no_folder_are_not_looked_at(file_of, monkeypatch):
    made = plan(read_sweep_file(file_of({"beta": {"values": [1, 2, 3, 4]}}), fixed={}))
    first, second, third, fourth = made.runs
    for run in (first, second):
        run.folder.mkdir(parents=True)
        record_of(run.config, run.name, status="finished").write(run.folder)
    looked = []
    before = supply.is_finished
    monkeypatch.setattr(supply, "is_finished", lambda c, **given: looked.append(run_name(c)) or before(c, **given))
    ledger = Ledger(made.folder / "sweep.json", "many.yaml", {})
    ledger.runs[third.name] = Entry({}, state="finished")  # Its folder has been removed.
    ledger.runs[fourth.name] = Entry({}, state="failed", attempts=2)
    listed = Listed(made, ledger)
    assert looked == [first.name, second.name]
    assert [ledger.runs[run.name].state for run in made.runs] == ["finished", "finished", "waiting", "waiting"]
    assert ledger.runs[fourth.name].attempts == 2
    assert [listed.next(), listed.next(), listed.next()] == [third, fourth, None]
    ledger.write()
    assert Ledger.opened(made.folder, file="many.yaml", sweep={}) == ledger


# How far it has come


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    """Half a second goes by between two looks."""
    monkeypatch.setattr(counting.time, "monotonic", itertools.count(step=0.5).__next__)


@pytest.mark.parametrize(
    ("stream", "shown"),
    [
        (Terminal, "\r\x1b[Kplanned 2 of 1,000 runs\r\x1b[Kplanned 4 of 1,000 runs\r\x1b[K"),
        (io.StringIO, ""),
    ],
)
def test_a_user_who_waits_sees_how_many_are_planned(stream, shown, clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    assert [*counted(range(5), total=1000)] == [0, 1, 2, 3, 4]
    assert sys.stderr.getvalue() == shown


def test_a_file_gets_a_line_now_and_then(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert len([*counted(range(25), total=25)]) == 25
    assert sys.stderr.getvalue() == "planned 10 of 25 runs\nplanned 20 of 25 runs\n"


def test_the_line_goes_when_a_point_is_refused(clock, monkeypatch):
    def points():
        yield from range(3)
        raise InputError("no")

    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(InputError):
        [*counted(points(), total=9)]
    assert sys.stderr.getvalue().endswith("\r\x1b[K")


# --dry_run


def test_a_dry_run_shows_the_first_command_before_it_knows_the_last(file_of, monkeypatch):
    count = []
    before = planning.planned
    monkeypatch.setattr(planning, "planned", lambda *given: count.append(1) or before(*given))
    for changes in ({}, {"method": "random", "run_cap": 1000}):
        count.clear()
        lines = first_commands(read_sweep_file(file_of(MANY, **changes), fixed={}), search_seed=0)
        assert next(lines).startswith("python -m vae_rd.fit --run_dir=runs/many --resume=auto --beta=0.")
        assert len(count) < 60


def test_a_dry_run_ends_with_the_error_of_the_point_that_is_none(file_of):
    path = file_of({"beta": {"values": [1, 2, -1]}})
    words = [sys.executable, "-m", "vae_rd.sweep", str(path), "--dry_run"]
    done = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout.count("\n") == 2
    assert done.stderr == "error: many.yaml: beta -1: --beta -1.0: the least it can be is 0\n"
