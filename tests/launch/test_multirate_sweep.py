"""Betas that share the training of models of many: who starts from which, and what each is told to do."""

from pathlib import Path

import pytest
import yaml

from vae_rd import sweep
from vae_rd.config.cli import parse
from vae_rd.config.fields import to_dict
from vae_rd.config.names import identity, run_name
from vae_rd.errors import InputError
from vae_rd.launch.ledger import Ledger
from vae_rd.launch.local.supply import Listed
from vae_rd.launch.points.multirate import multirate
from vae_rd.launch.points.plan import PlannedRun
from vae_rd.launch.points.sweep_file import COMMAND, read_sweep_file
from vae_rd.run.files import sha256
from vae_rd.run.folder import KEPT
from vae_rd.run.record import RunRecord

from helpers.common import TOY

PARAMETERS = {
    "beta": {"values": [10, 0.1, 1, 0.01]},
    "seed": {"values": [0, 1]},
    "max_epochs": {"value": 12},
    "lr": {"value": 0.01},
    "run_dir": {"value": "runs"},
}
TWO = [(0.01, 0.5), (0.3, 10.0)]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The plan of a grid over four betas and two seeds."""
    monkeypatch.chdir(tmp_path)

    def make(ranges=None, epochs=None, **changes):
        content = {"command": COMMAND, "method": "grid", "parameters": PARAMETERS | changes}
        Path("a.yaml").write_text(yaml.safe_dump(content))
        return multirate(read_sweep_file(Path("a.yaml"), fixed={}), ranges=ranges, epochs=epochs).runs

    return make


def test_each_beta_starts_from_the_model_of_its_range_and_seed(asked):
    runs = asked(ranges=TWO)
    assert len({run.name for run in runs}) == len(runs) == 2 * (2 + 4)
    for seed, (low, high, *at) in enumerate((runs[:6], runs[6:])):
        assert [run.config.beta_range for run in (low, high)] == [list(range_) for range_ in TWO]
        assert [run.config.objective for run in (low, high, *at)] == ["multirate"] * 2 + ["beta"] * 4
        assert [run.config.beta for run in at] == [0.01, 0.1, 1, 10]
        assert {run.config.seed for run in (low, high, *at)} == {seed}
        assert [run.after for run in (low, high, *at)] == [None, None, *[low.name] * 2, *[high.name] * 2]
        assert [run.config.start_from for run in at] == [str(low.folder)] * 2 + [str(high.folder)] * 2
        assert {(run.config.max_epochs, run.config.lr) for run in (low, high)} == {(12, 0.01)}
        assert {(run.config.max_epochs, run.config.lr) for run in at} == {(2, 0.003)}
    for run in runs:
        assert run_name(parse(run.argv).config) == run.name, "the command says it all"
    assert asked(ranges=TWO, epochs=1)[-1].config.max_epochs == 1
    low, high, at_1, _ = asked(ranges=TWO, beta={"values": [1, 10]}, seed={"value": 0})
    assert (low.config.beta_range, at_1.after) == ([0.01, 0.5], high.name), (
        "a range that holds no beta is read at others"
    )
    assert [run.label for run in (runs[0], runs[2])] == ["beta 0.071, seed 0, range 0.01 to 0.5", "beta 0.01, seed 0"]


def test_one_model_has_all_betas_where_no_ranges_are_given_and_wide_ones_weigh_their_ends(asked):
    first, *others = asked(seed={"value": 0})
    assert (first.config.beta_range, first.config.multirate_power) == ([0.01, 10.0], 1.0)
    assert {run.after for run in others} == {first.name}
    assert asked(ranges=TWO)[0].config.multirate_power == 0.0


@pytest.mark.parametrize(
    ("ranges", "changes", "said"),
    [
        ([(0.01, 1.0)], {}, "^a.yaml: beta 10 lies in none of --ranges; give wider ones, or leave it out$"),
        (TWO, {"beta": {"values": [1, "1.0"]}}, "^a.yaml: beta 1 and beta 1.0 are one run; leave one of them out$"),
        (TWO, {"seed": {"values": [0, 0]}}, "are one run; leave one of them out$"),
        (TWO, {"beta": {"value": 1}}, "--launcher multirate goes along beta; give method: grid, and beta values$"),
    ],
)
def test_what_is_no_curve_is_refused(asked, ranges, changes, said):
    with pytest.raises(InputError, match=said):
        asked(ranges=ranges, **changes)


@pytest.mark.parametrize("text", ["", "1", "[0.1, 1]", "[[1, 0.1]]", "[[0, 1]]", '[["a", 1]]', "[[1, 2, 3]]", "[]"])
def test_ranges_that_are_none_are_refused(asked, capsys, text):
    asked()
    assert sweep.main(["a.yaml", "--launcher=multirate", f"--ranges={text}"]) == 2
    said = capsys.readouterr().err
    assert "--ranges" in said
    assert said.count("\n") == 1


def test_a_beta_is_done_again_where_the_model_it_started_from_is_another_now(asked):
    """By the checkpoint that a record says a run started from, which of a model of many betas is the kept one."""
    many, first, *_ = asked(seed={"value": 0})
    plan = multirate(read_sweep_file(Path("a.yaml"), fixed={}), ranges=None, epochs=None)
    leave_finished(many, kept=b"one", start=None)
    leave_finished(first, kept=b"tuned", start=many.folder / KEPT)

    def following() -> PlannedRun:
        return Listed(plan, Ledger.opened(plan.folder, file="a.yaml", sweep={})).next()

    assert following() == plan.runs[2], "the first beta is done"
    leave_finished(many, kept=b"another", start=None)
    again = following()
    assert (again.name, again.argv) == (first.name, (*first.argv, "--resume=never", "--overwrite"))


def leave_finished(run: PlannedRun, *, kept: bytes, start: Path | None) -> None:
    """A finished run with its kept checkpoint, and the checksum of the one that it started from."""
    (run.folder / KEPT).parent.mkdir(parents=True, exist_ok=True)
    (run.folder / KEPT).write_bytes(kept)
    model = {"start": None if start is None else {"checkpoint_sha256": sha256(start)}}
    RunRecord(run.name, "", to_dict(run.config), {}, identity(run.config), model, "finished").write(run.folder)


@pytest.mark.slow
def test_a_curve_is_carried_out_once(asked):
    asked(beta={"values": [0.1, 1]}, seed={"value": 0})
    command = ["a.yaml", "--launcher=multirate", "--tuning_epochs=1", "--jobs=2", *TOY, "--max_epochs=2"]
    assert sweep.main(command) == 0
    many, *at = sorted(Path("runs").glob("*/record.json"), key=lambda path: path.stat().st_mtime)
    start = sha256(many.parent / KEPT)
    assert {RunRecord.read(path.parent).model["start"]["checkpoint_sha256"] for path in at} == {start}
    before = {path: path.stat().st_mtime for path in at}
    assert sweep.main(command) == 0
    assert {path: path.stat().st_mtime for path in at} == before, "nothing was left to do"
