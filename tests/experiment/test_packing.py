"""Fits that take their steps together are those that each takes alone: weights, optimiser, history, record, endings."""

import csv
import functools
import io
import json
import math
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
import torch
from torch import nn

import vae_rd
from vae_rd.config.packs import FREE, packs_of
from vae_rd.errors import Diverged, InputError, Interrupted
from vae_rd.experiment import build, packing, splits
from vae_rd.experiment.packing import fit_packed
from vae_rd.run.checkpoints import read_checkpoint
from vae_rd.run.folder import KEPT, LAST
from vae_rd.run.record import RunRecord
from vae_rd.training import stacked_gain, stacking
from vae_rd.training.packed import Pack, PackSeat

from helpers.runs import history

SMALL = {"batch_size": 32, "precision": "64", "n_train": None}
TURNS = ("fresh draws", "hooks", "many betas")
# What members differ in, by what they have in common.
MEMBERS = {
    "beta": (
        {},
        [{"beta": 0.1}, {"beta": 4.0, "seed": 1, "lr": 1e-3}, {"beta": 1.0, "max_steps": 6, "grad_clip": 0.1}],
    ),
    "warm-up": ({"beta_warmup": 4}, [{"beta": 2.0}, {"beta": 2.0, "beta_start": 8.0, "lr_schedule": "cosine"}]),
    "multiplier": (
        {"objective": "target_rate", "samples": 2, "val_every": 2},
        [{"target_rate": 1.0}, {"target_rate": 3.0, "seed": 1}],
    ),
    "free bits": ({"objective": "free_bits", "free_bits": 0.5}, [{"beta": 1.0}, {"beta": 3.0, "weight_decay": 0.1}]),
    "bound": ({"objective": "iwae", "samples": 3}, [{"seed": 0}, {"seed": 1}]),
    "hooks": ({"objective": "iwae", "samples": 3, "gradient": "dreg"}, [{"seed": 0}, {"seed": 1}]),
    "mixture": ({"prior": "mixture"}, [{"beta": 1.0}, {"beta": 2.0}]),
    "correlation": ({"objective": "beta_tc"}, [{"tc_weight": 4.0}, {"tc_weight": 4.0, "seed": 1}]),
    "many betas": ({"objective": "multirate", "beta_range": [0.1, 10.0]}, [{"seed": 0}, {"seed": 1}]),
    "trajectory": (
        {"objective": "trajectory", "trajectory": [0.5, 1.0, 2.0], "max_steps": 7},
        [{"seed": 0}, {"seed": 1, "lr": 1e-2}],
    ),
    "fresh draws": ({"objective": "info_vae"}, [{"beta": 1.0}, {"beta": 2.0}]),
}


@pytest.fixture
def toy(toy, tmp_path):
    """A config of a fraction of a second, of 128 images of bits."""
    rng = np.random.default_rng(0)
    sizes = (("train", 128), ("val", 32), ("test", 32))
    bits = {split: rng.random((n, 4, 4)) < rng.random((n, 1, 1)) for split, n in sizes}
    np.savez(tmp_path / "bits.npz", **{name: values.astype(np.uint8) for name, values in bits.items()})
    return functools.partial(toy, data="npz", data_file=str(tmp_path / "bits.npz"), **SMALL)


@pytest.fixture
def stacked(monkeypatch):
    """How many members each stacked step had."""
    sizes = []
    step = stacking.Stack.step

    def counted(self, *given):
        sizes.append(len(self.modules))
        return step(self, *given)

    monkeypatch.setattr(stacking.Stack, "step", counted)
    return sizes


@pytest.fixture
def measured(monkeypatch):
    """How many members each stacked measurement of their diagnosis had."""
    sizes = []
    of = stacked_gain.StackedGains.of

    def counted(self, asked):
        found = of(self, asked)
        sizes.append(self.is_right and len(asked))
        return found

    monkeypatch.setattr(stacked_gain.StackedGains, "of", counted)
    return sizes


def configs(toy, folder, words, **common):
    shared, members = MEMBERS[words]
    return [toy(**shared, **member, **common, run_dir=str(folder), name=f"m{k}") for k, member in enumerate(members)]


FAST = ("beta", "multiplier", "fresh draws")
WITHOUT_GAP = ("free bits", "bound", "correlation")  # Their loss is no D + w R, to which q(z|x) would be fitted.


@pytest.mark.parametrize(
    "words", [words if words in FAST else pytest.param(words, marks=pytest.mark.slow) for words in MEMBERS]
)
def test_a_member_is_the_run_alone(toy, tmp_path, stacked, measured, words):
    records = fit_packed(configs(toy, tmp_path / "packed", words))
    assert bool(stacked) == (words not in TURNS)
    assert (max(measured, default=0) > 1) == (words not in (*TURNS, *WITHOUT_GAP))
    for k, config in enumerate(configs(toy, tmp_path / "alone", words)):
        alone = vae_rd.fit_model(config)
        ours, theirs = tmp_path / f"packed/m{k}", tmp_path / f"alone/m{k}"
        assert records[k].status == "finished"
        check_near(records[k].metrics, alone.metrics)
        check_near(records[k].model, alone.model)
        assert list(history(ours)[0]) == list(history(theirs)[0])
        check_near([numbers(row) for row in history(ours)], [numbers(row) for row in history(theirs)])
        passed = [path.relative_to(theirs) for path in theirs.glob(f"betas/*/{KEPT}")]
        assert len(passed) == (2 if words == "trajectory" else 0)
        for file in (KEPT, LAST, *passed):
            check_near(*(without_text(read_checkpoint(folder / file)) for folder in (ours, theirs)))


def numbers(row):
    return {name: float(cell) if cell else None for name, cell in row.items()}


def without_text(content):
    """A checkpoint, its history and the rows of its notes as numbers."""
    for state in content.get("callbacks", {}).values():
        if "csv" in state:
            state["csv"] = [numbers(row) for row in csv.DictReader(io.StringIO(state["csv"]))]
        if "rows" in state:
            state["rows"] = [json.loads(row) for row in state["rows"].splitlines()]
    return content


def check_near(ours, theirs):
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            check_near(ours[key], theirs[key])
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            check_near(one, other)
    elif isinstance(theirs, torch.Tensor):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=1e-7, abs=1e-8, nan_ok=True)
    else:
        assert ours == theirs


def test_one_that_diverges_ends_and_the_others_go_on(toy, tmp_path, stacked):
    broken = toy(beta=1e300, lr=1e6, run_dir=str(tmp_path / "packed"), name="broken")
    whole = configs(toy, tmp_path / "packed", "beta")
    records = fit_packed([whole[0], broken, whole[1]])
    assert isinstance(records[1], Diverged)
    record = RunRecord.read(tmp_path / "packed/broken")
    assert record.status == "failed"
    assert "Diverged" in record.error
    assert "Diverged" in (tmp_path / "packed/broken/error.log").read_text()
    assert [records[k].status for k in (0, 2)] == ["finished", "finished"]
    assert max(stacked) == 3
    assert stacked[-1] == 2
    alone = vae_rd.fit_model(configs(toy, tmp_path / "alone", "beta")[0])
    check_near(records[0].metrics, alone.metrics)


def test_a_signal_ends_all_and_they_go_on_to_the_same_end(toy, tmp_path, interrupt):
    fit_packed(configs(toy, tmp_path / "whole", "warm-up"))
    parts = configs(toy, tmp_path / "parts", "warm-up", resume="auto")
    interrupt(4 + 2, signal.SIGTERM)
    outcomes = fit_packed(parts)
    assert [type(outcome) for outcome in outcomes] == [Interrupted, Interrupted]
    assert [RunRecord.read(tmp_path / f"parts/m{k}").stopped_by for k in (0, 1)] == [signal.SIGTERM] * 2
    interrupt(0, signal.SIGTERM)
    vae_rd.fit_model(parts[0])  # Alone, where it was in a pack; the other goes on in a pack of one.
    (record,) = fit_packed(parts[1:])
    for k in (0, 1):
        check_near(*(RunRecord.read(tmp_path / f"{way}/m{k}").metrics for way in ("parts", "whole")))
    assert record.status == "finished"


@pytest.mark.slow
def test_a_pack_that_is_killed_goes_on_to_the_same_end(toy, tmp_path, interrupt):
    whole = fit_packed(configs(toy, tmp_path / "whole", "beta"))
    parts = configs(toy, tmp_path / "parts", "beta", resume="auto")
    interrupt(4 + 2, signal.SIGKILL)
    if (child := os.fork()) == 0:
        fit_packed(parts)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert [RunRecord.read(tmp_path / f"parts/m{k}").status for k in range(3)] == ["running"] * 3
    assert [len(history(tmp_path / f"parts/m{k}")) for k in range(3)] == [1] * 3
    interrupt(0, signal.SIGTERM)
    records = fit_packed(parts)
    for k, record in enumerate(records):
        check_near(record.metrics, whole[k].metrics)
        check_near(*([numbers(row) for row in history(tmp_path / f"{way}/m{k}")] for way in ("parts", "whole")))
        for file in (KEPT, LAST):
            check_near(*(without_text(read_checkpoint(tmp_path / f"{way}/m{k}" / file)) for way in ("parts", "whole")))


@pytest.mark.parametrize("is_lost", [False, True], ids=["raised", "lost in a library"])
@pytest.mark.parametrize(("module", "name"), [(splits, "evaluate_split"), (packing.build, "build_data")])
def test_a_signal_in_a_member_s_own_work_does_not_wait_for_its_end(toy, tmp_path, monkeypatch, module, name, is_lost):
    begun = []

    def slow(*given, **named):
        begun.append(given)
        deadline = time.monotonic() + 60
        with suppress(*[Interrupted] if is_lost else []):
            os.kill(os.getpid(), signal.SIGTERM)
            while time.monotonic() < deadline:
                time.sleep(0.001)
        raise RuntimeError("of a library that a signal interrupts")

    monkeypatch.setattr(module, name, slow)
    began = time.monotonic()
    outcomes = fit_packed(configs(toy, tmp_path, "warm-up", max_epochs=1))
    assert time.monotonic() - began < 30
    assert len(begun) == 1
    assert all(isinstance(outcome, Interrupted) for outcome in outcomes)
    records = [RunRecord.read(folder) for folder in tmp_path.glob("m?")]
    assert [record.stopped_by for record in records] == ([signal.SIGTERM] * 2 if module is splits else [])


@pytest.mark.slow
def test_members_of_different_epochs_fall_into_step(toy, tmp_path, interrupt, stacked):
    whole = fit_packed(configs(toy, tmp_path / "whole", "warm-up"))
    parts = configs(toy, tmp_path / "parts", "warm-up", resume="auto")
    interrupt(4 + 2, signal.SIGTERM)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(parts[0])
    interrupt(0, signal.SIGTERM)
    stacked.clear()
    records = fit_packed(parts)  # One from its second epoch, one from none.
    assert stacked == [2] * 8
    check_near([record.metrics for record in records], [record.metrics for record in whole])


@pytest.mark.slow
def test_patience_ends_a_member_alone(toy, tmp_path, stacked):
    settings = {"lr": 1.0, "max_epochs": 6, "lr_schedule": "constant", "run_dir": str(tmp_path)}
    records = fit_packed([toy(**settings, name="short", patience=1), toy(**settings, name="long", beta=2.0)])
    assert [record.status for record in records] == ["finished", "finished"]
    ends = [len(history(tmp_path / name)) for name in ("short", "long")]
    assert ends[0] < ends[1] == 6
    assert stacked == [2] * 4 * ends[0]


def test_a_batch_of_one_seed_is_made_once(toy, tmp_path, monkeypatch):
    drawn = []
    draw = packing.build.DataSet.__init__
    monkeypatch.setattr(packing.build.DataSet, "__init__", lambda self, *a, **k: drawn.append(draw(self, *a, **k)))
    shapes = []
    inputs = stacking.Stack.inputs

    def seen(self, batches, step):
        shapes.append(len({id(batch.x) for batch in batches}))
        return inputs(self, batches, step)

    monkeypatch.setattr(stacking.Stack, "inputs", seen)
    fit_packed([toy(beta=beta, seed=seed, run_dir=str(tmp_path)) for beta in (1.0, 2.0) for seed in (0, 1)])
    assert len(drawn) == 1
    assert set(shapes) == {2}


def test_others_work_while_a_member_s_files_come_to_the_disk(toy, tmp_path, monkeypatch):
    away, alone, synced = PackSeat.away, os.fsync, []
    inside = set()

    @contextmanager
    def watched(seat):
        with away(seat):
            inside.add(threading.get_ident())
            yield
            inside.remove(threading.get_ident())

    def fsync(descriptor):
        if threading.current_thread() is not threading.main_thread():
            synced.append(threading.get_ident() in inside)
        alone(descriptor)

    monkeypatch.setattr(PackSeat, "away", watched)
    monkeypatch.setattr(os, "fsync", fsync)
    records = fit_packed([toy(beta=beta, run_dir=str(tmp_path), max_epochs=2) for beta in (1.0, 2.0)])
    assert [record.status for record in records] == ["finished"] * 2
    assert len(synced) >= 2 * 2 * 3  # Members, epochs; history, the kept and the last checkpoint.
    assert all(synced)


def test_whole_numbers_are_those_that_their_flags_would_be(toy, tmp_path):
    """As ints they would be words, which stacks have in common; each member has its own target."""
    given = {"objective": "target_rate", "rate_weight": 20, "max_epochs": 8}
    grid = [(target, seed) for target in (1, 6) for seed in (0, 1)]
    packed = fit_packed([toy(**given, target_rate=t, seed=s, run_dir=str(tmp_path / "packed")) for t, s in grid])
    alone = vae_rd.fit_model(toy(**given, target_rate=6, seed=1, run_dir=str(tmp_path / "alone")))
    check_near(packed[-1].metrics, alone.metrics)
    assert abs(packed[-1].metrics["val"]["rate"]["value"] - packed[1].metrics["val"]["rate"]["value"]) > 0.1


def test_a_flag_that_nothing_reads_is_refused_of_its_member_alone(toy, tmp_path):
    outcomes = fit_packed([toy(run_dir=str(tmp_path), target_rate=2.0), toy(run_dir=str(tmp_path), max_epochs=1)])
    assert isinstance(outcomes[0], InputError)
    assert outcomes[1].status == "finished"
    assert len(list(tmp_path.glob("*/record.json"))) == 1


@pytest.mark.parametrize("own", ["buffers that move", "a gradient of one's own"])
def test_members_with_something_of_their_own_in_a_step_take_turns(toy, tmp_path, monkeypatch, stacked, own):
    built = build.build_module

    def with_own(config, model, *given, **named):
        if own == "buffers that move":
            model.encoder.trunk.insert(2, nn.BatchNorm1d(16, dtype=torch.float64))
        module = built(config, model, *given, **named)
        if own == "a gradient of one's own":
            module.gradient.__class__ = type("Own", (type(module.gradient),), {})
        return module

    monkeypatch.setattr(build, "build_module", with_own)
    packed = fit_packed([toy(seed=seed, run_dir=str(tmp_path / "packed"), name=f"m{seed}") for seed in (0, 1)])
    assert not stacked
    alone = vae_rd.fit_model(toy(run_dir=str(tmp_path / "alone"), name="m0"))
    check_near(packed[0].metrics, alone.metrics)
    saved = [read_checkpoint(tmp_path / way / "m0" / LAST) for way in ("packed", "alone")]
    check_near(*(content["state_dict"] for content in saved))


def test_members_have_all_in_common_but_what_is_free(toy):
    assert packs_of([toy(beta=1.0), toy(latent_dim=3), toy(beta=2.0, seed=4)]) == [[0, 2], [1]]
    assert not {"data", "hidden", "batch_size", "precision", "n_train", "samples", "objective", "gradient"} & FREE
    with pytest.raises(InputError, match="fits of several kinds"):
        fit_packed([toy(), toy(latent_dim=3)])


@pytest.mark.slow
def test_a_pack_that_may_not_be_stacked_stacks_no_more_than_it_may(toy, tmp_path, stacked, monkeypatch):
    monkeypatch.setattr(packing, "Pack", lambda guard, most: Pack(guard, most=2))
    fit_packed([toy(beta=beta, run_dir=str(tmp_path), max_epochs=1) for beta in (1.0, 2.0, 3.0, 4.0)])
    assert stacked == [2] * 8
    assert math.isclose(sum(stacked), 16)
