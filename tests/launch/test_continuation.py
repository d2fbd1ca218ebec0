"""Chains of runs along beta: who starts from whom, and that nobody starts before the run it starts from has ended."""

import itertools
from pathlib import Path

import pytest
import yaml

from vae_rd.config.cli import parse
from vae_rd.config.fields import to_dict
from vae_rd.config.names import identity, run_name
from vae_rd.errors import InputError
from vae_rd.launch.ledger import Ledger
from vae_rd.launch.local.supply import Listed
from vae_rd.launch.points.continuation import continuation
from vae_rd.launch.points.plan import PlannedRun
from vae_rd.launch.points.sweep_file import COMMAND, read_sweep_file
from vae_rd.run.files import sha256
from vae_rd.run.folder import LAST
from vae_rd.run.record import RunRecord

PARAMETERS = {
    "beta": {"values": [1, 4.0, 0.1]},
    "seed": {"values": [0, 1]},
    "max_epochs": {"value": 20},
    "run_dir": {"value": "runs"},
}


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The plan of chains over the betas 0.1, 1, 4 with two seeds."""
    monkeypatch.chdir(tmp_path)

    def make(epochs=None, ways="both", **changes):
        content = {"command": COMMAND, "method": "grid", "parameters": PARAMETERS | changes}
        Path("a.yaml").write_text(yaml.safe_dump(content))
        return continuation(read_sweep_file(Path("a.yaml"), fixed={}), epochs=epochs, ways=ways)

    return make


@pytest.mark.parametrize(("ways", "betas"), [("both", [4, 1, 0.1, 1, 4]), ("down", [4, 1, 0.1]), ("up", [0.1, 1, 4])])
def test_each_run_starts_from_its_neighbour_of_the_same_seed(asked, ways, betas):
    runs = asked(ways=ways).runs
    assert len({run.name for run in runs}) == len(runs) == 2 * len(betas)
    for seed, chain in enumerate((runs[: len(betas)], runs[len(betas) :])):
        assert [run.config.beta for run in chain] == betas
        assert {run.config.seed for run in chain} == {seed}
        assert [run.after for run in chain] == [None, *(run.name for run in chain[:-1])]
        starts = [None, *(str(run.folder) for run in chain[:-1])]
        assert [run.config.start_from for run in chain] == starts
        assert [run.config.max_epochs for run in chain] == [20, *[5] * (len(betas) - 1)]
    for run in runs:
        assert run_name(parse(run.argv).config) == run.name, "the command says it all"
    assert asked(epochs=3).runs[1].config.max_epochs == 3
    labels = [run.label for run in asked().runs[:5:2]]
    assert labels == ["beta 4, seed 0", "beta 0.1, seed 0, way down", "beta 4, seed 0, way up"]


def test_a_limit_of_steps_is_shared_as_epochs_are(asked):
    limited = {"max_steps": {"value": 10}}
    lengths = [(run.config.max_epochs, run.config.max_steps) for run in asked(ways="up", **limited).runs[:3]]
    assert lengths == [(20, 10), (5, 2), (5, 2)]
    assert asked(ways="up", max_steps={"value": 3}).runs[1].config.max_steps == 1
    assert asked(epochs=3, **limited).runs[1].config.max_steps == 10, "what is said is left alone"


@pytest.mark.parametrize(
    ("changes", "twins"),
    [
        ({"seed": {"values": [0, 0]}}, "beta 4, seed 0 and beta 4, seed 0"),
        ({"beta": {"values": [4, 1, "1.0"]}}, "beta 1 and beta 1.0"),
    ],
)
def test_two_points_that_are_one_run_are_refused(asked, changes, twins):
    with pytest.raises(InputError, match=f"^a.yaml: {twins} are one run; leave one of them out$"):
        asked(**changes)


def test_a_run_waits_for_the_one_it_starts_from_and_another_chain_for_nobody(asked):
    plan = asked(ways="down")
    ledger = Ledger.opened(plan.folder, file="a.yaml", sweep={})
    supply = Listed(plan, ledger)
    first, second, last, other = plan.runs[:4]
    assert [supply.next(), supply.next(), supply.next()] == [first, other, None]
    ledger.runs[first.name].state = "failed"
    assert supply.next() is None
    ledger.runs[first.name].state = "finished"
    assert [supply.next(), supply.next()] == [second, None]
    ledger.runs[second.name].state = "finished"
    assert supply.next() == last


def leave_finished(run: PlannedRun, *, last: bytes, start: Path | None) -> None:
    """A finished run with a last checkpoint, and the checksum of the one that it started from."""
    (run.folder / LAST).parent.mkdir(parents=True, exist_ok=True)
    (run.folder / LAST).write_bytes(last)
    started = None if start is None else {"checkpoint_sha256": sha256(start)}
    record = RunRecord(run.name, "", to_dict(run.config), {}, identity(run.config), {"start": started}, "finished")
    record.write(run.folder)


def test_what_started_from_a_run_that_is_another_now_is_done_again(asked):
    plan = asked(ways="down")
    chain, others = plan.runs[:3], plan.runs[3:]
    for run, before in itertools.zip_longest(chain, [None, *chain[:-1]]):
        leave_finished(run, last=run.name.encode(), start=before and before.folder / LAST)

    def supply() -> Listed:
        return Listed(plan, Ledger.opened(plan.folder, file="a.yaml", sweep={}))

    assert supply().next() == others[0], "the chain is done"
    leave_finished(chain[0], last=b"another", start=None)
    found = supply()
    again = found.next()
    assert (again.name, again.argv) == (chain[1].name, (*chain[1].argv, "--resume=never", "--overwrite"))
    assert parse(again.argv).config.overwrite
    assert found.next() == others[0], "the last of the chain waits"
    leave_finished(chain[1], last=b"another one", start=chain[0].folder / LAST)
    assert supply().next().name == chain[2].name
    leave_finished(chain[2], last=b"the last", start=chain[1].folder / LAST)
    assert supply().next() == others[0]
