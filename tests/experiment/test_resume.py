"""Runs that are there already: gone on with, left alone, replaced or refused."""

import json
import signal

import pytest
import torch

import vae_rd
from vae_rd.config.cli import parse
from vae_rd.config.fields import to_dict, to_yaml
from vae_rd.errors import InputError, Interrupted
from vae_rd.experiment import splits
from vae_rd.run.folder import KEPT, LAST, claim
from vae_rd.run.record import RunRecord

from helpers.runs import history, only_run

WAYS = [
    {"lr_schedule": "constant"},
    {"objective": "target_rate", "target_rate": 2.0},
    {"objective": "multirate"},
    pytest.param({"lr_schedule": "cosine"}, marks=pytest.mark.slow),
    pytest.param({"objective": "geco", "target_distortion": 150.0}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("flags", WAYS, ids=str)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(toy, tmp_path, interrupt, flags):
    whole = toy(run_dir=str(tmp_path / "whole"), max_epochs=5, patience=50, **flags)
    vae_rd.fit_model(whole)
    parts = toy(run_dir=str(tmp_path / "parts"), max_epochs=5, patience=50, resume="auto", **flags)
    interrupt(3 * 4 + 2, signal.SIGTERM)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(parts)
    folder = only_run(parts)
    record = RunRecord.read(folder)
    assert record.status == "interrupted"
    assert len(history(folder)) == 3
    interrupt(0, signal.SIGTERM)
    vae_rd.fit_model(parts)
    assert (folder / "history.csv").read_text() == (only_run(whole) / "history.csv").read_text()
    for file in (KEPT, LAST):
        ours, theirs = (torch.load(f / file, weights_only=True)["state_dict"] for f in (folder, only_run(whole)))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert RunRecord.read(folder).metrics == RunRecord.read(only_run(whole)).metrics
    assert RunRecord.read(folder).status == "finished"
    assert list(folder.rglob("*.tmp")) == []


@pytest.mark.parametrize("ending", [{}, {"max_steps": 10}, {"patience": 1, "lr": 1.0, "max_epochs": 30}])
def test_a_run_stopped_in_its_evaluation_trains_no_further(toy, tmp_path, monkeypatch, ending):
    settings = {"lr_schedule": "constant", **ending}
    whole = toy(run_dir=str(tmp_path / "whole"), **settings)
    vae_rd.fit_model(whole)
    with monkeypatch.context() as patch:
        patch.setattr(splits, "evaluate_split", lambda *a, **k: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(Interrupted):
            vae_rd.fit_model(toy(**settings))
    record = vae_rd.fit_model(toy(**settings, resume="auto"))
    assert (only_run(toy()) / "history.csv").read_text() == (only_run(whole) / "history.csv").read_text()
    assert record.metrics == RunRecord.read(only_run(whole)).metrics


def test_a_validation_at_an_end_that_is_put_off_changes_no_training_and_counts(toy, tmp_path, monkeypatch):
    """A run of 4 epochs, stopped in its evaluation, goes on to 6: what is more is that epoch 4 was validated."""
    settings = {"lr_schedule": "constant", "val_every": 3, "lr": 0.1}
    whole, parts = ({**settings, "run_dir": str(tmp_path / name), "name": "a"} for name in ("whole", "parts"))
    vae_rd.fit_model(toy(**whole, max_epochs=6))
    with monkeypatch.context() as patch:
        patch.setattr(splits, "evaluate_split", lambda *a, **k: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(Interrupted):
            vae_rd.fit_model(toy(**parts, max_epochs=4))
    record = vae_rd.fit_model(toy(**parts, max_epochs=6, resume="auto"))
    ours, theirs = (tmp_path / name / "a" for name in ("parts", "whole"))
    weights, others = (torch.load(folder / LAST, weights_only=True) for folder in (ours, theirs))
    assert all(torch.equal(weights["state_dict"][name], value) for name, value in others["state_dict"].items())
    rows = [{name: cell for name, cell in row.items() if cell} for row in history(ours)]
    for epoch, (row, other) in enumerate(zip(rows, history(theirs), strict=True)):
        common = {name: cell for name, cell in other.items() if cell}
        changes = {name for name in common if "objective_" in name}  # Since the validation before.
        assert {n: row[n] for n in common.keys() - changes} == {n: common[n] for n in common.keys() - changes}
        assert ("val/rate" in row, "val/rate" in common) == (epoch in (2, 3, 5), epoch in (2, 5))
    best = min((float(row["val/objective"]), epoch) for epoch, row in enumerate(rows) if "val/objective" in row)
    assert (record.model["score"], record.model["kept_epoch"]) == best


def test_resume_auto_on_a_finished_run_changes_nothing(toy):
    config = toy(resume="auto")
    vae_rd.fit_model(config)
    before = {p: p.stat().st_mtime_ns for p in only_run(config).rglob("*")}
    assert vae_rd.fit_model(config).status == "finished"
    assert {p: p.stat().st_mtime_ns for p in only_run(config).rglob("*")} == before


def test_an_existing_run_is_refused_replaced_or_refused_by_field(toy):
    config = toy(name="mine")
    vae_rd.fit_model(config)
    folder = only_run(config)
    with pytest.raises(InputError, match="this run exists"):
        vae_rd.fit_model(config)
    with pytest.raises(InputError, match=r"has lr 0.01 \(now 0.02\), seed 0 \(now 3\)"):
        vae_rd.fit_model(toy(name="mine", lr=0.02, seed=3, resume="auto"))
    (folder / "mark").touch()
    vae_rd.fit_model(toy(name="mine", lr=0.02, overwrite=True))
    assert not (folder / "mark").exists()
    assert RunRecord.read(folder).config["lr"] == 0.02


@pytest.mark.parametrize("is_old", [False, True], ids=["now", "before"])
@pytest.mark.parametrize(
    ("asked", "other"), [({"overwrite": True}, "--resume=auto"), ({"resume": "auto"}, "--overwrite")]
)
def test_what_was_asked_for_once_is_not_asked_for_by_the_config_file_of_a_run(toy, tmp_path, asked, other, is_old):
    fitted = toy(name="mine", max_epochs=1, **asked)
    vae_rd.fit_model(fitted)
    file, own = only_run(fitted) / "config.yaml", tmp_path / "own.yaml"
    own.write_text(to_yaml(fitted))
    assert to_dict(parse([f"--config={own}"]).config) == to_dict(fitted), "a user's own file is taken at its word"
    if is_old:  # Such a file was the run's, too.
        own.replace(file)
    with pytest.raises(InputError, match="this run exists"):
        claim(parse([f"--config={file}", "--beta=2"]).config)
    assert claim(parse([f"--config={file}", other]).config).action == ("start" if "over" in other else "finished")


def test_overwrite_never_removes_a_folder_that_is_no_run(toy, tmp_path):
    precious = tmp_path / "runs" / "mine" / "thesis.tex"
    precious.parent.mkdir(parents=True)
    precious.touch()
    with pytest.raises(InputError, match="holds files but no record"):
        vae_rd.fit_model(toy(name="mine", overwrite=True))
    assert precious.exists()


def test_an_interrupted_run_may_be_given_more_epochs(toy, interrupt):
    interrupt(4 + 3, signal.SIGINT)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(toy(name="mine"))
    interrupt(0, signal.SIGINT)
    vae_rd.fit_model(toy(name="mine", max_epochs=4, resume="auto"))
    assert len(history(only_run(toy()))) == 4


@pytest.mark.parametrize("damage", [b"", b"garbage", b"PK\x03\x04"])
def test_a_damaged_last_checkpoint_is_refused_before_anything_is_written(toy, interrupt, damage):
    interrupt(6, signal.SIGTERM)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(toy())
    folder = only_run(toy())
    (folder / LAST).write_bytes(damage)
    before = (folder / "record.json").read_bytes()
    with pytest.raises(InputError, match="damaged, no checkpoint can be read"):
        vae_rd.fit_model(toy(resume="auto"))
    assert (folder / "record.json").read_bytes() == before


@pytest.mark.parametrize(("key", "value"), [("config", [1]), ("seconds", "y"), ("metrics", None), ("wandb", 3)])
def test_a_damaged_record_is_refused(toy, key, value):
    vae_rd.fit_model(toy())
    path = only_run(toy()) / "record.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(InputError, match=f"damaged, {key} cannot be right"):
        RunRecord.read(path.parent)


def test_claim_decides_without_touching_the_disk(toy, tmp_path):
    assert claim(toy()).action == "start"
    assert not (tmp_path / "runs").exists()


def test_fewer_steps_than_are_taken_are_refused_and_nothing_is_changed(toy, interrupt):
    interrupt(step=11, signum=signal.SIGTERM)  # Four steps an epoch: two epochs are whole.
    with pytest.raises(Interrupted):
        vae_rd.fit_model(toy(max_epochs=5, name="run"))
    folder = only_run(toy())
    before = (folder / "record.json").read_bytes()
    with pytest.raises(InputError, match="has taken 8 steps already"):
        vae_rd.fit_model(toy(max_epochs=1, resume="auto", name="run"))
    assert (folder / "record.json").read_bytes() == before


def test_a_run_that_ended_within_an_epoch_takes_no_more_steps(toy, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("the evaluation fails")

    with monkeypatch.context() as patched:
        patched.setattr(splits, "evaluate_split", refuse)
        with pytest.raises(RuntimeError):
            vae_rd.fit_model(toy(max_steps=6, name="run"))
    with pytest.raises(InputError, match="ended within an epoch"):
        vae_rd.fit_model(toy(max_steps=12, max_epochs=3, name="run", resume="auto"))
