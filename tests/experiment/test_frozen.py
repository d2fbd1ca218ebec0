"""Runs of earlier code go on meaning what was trained: one of commit cbad025, before records had an identity.

tests/frozen holds its folder, less the last checkpoint: the one before it is what a kill would have left. Likewise of
commit 86e40cf one on an npz of 17 grey levels, which version 1 of the defaults read as 256.
"""

import inspect
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import vae_rd
from analysis.rows.histories import load_histories
from analysis.rows.runs import load_runs
from vae_rd import evaluate, fit, sweep
from vae_rd.config import versions
from vae_rd.config.cli import parse, recorded
from vae_rd.config.fields import FIELDS, FitConfig, to_dict
from vae_rd.config.names import differences, identity, run_name
from vae_rd.errors import InputError
from vae_rd.run.folder import check_unread
from vae_rd.run.record import RunRecord

from helpers.common import ROOT
from helpers.runs import history, record_of

NAME = "sprites-beta2-seed0-ddf95e2e"
FROZEN = ROOT / "tests" / "frozen" / NAME
SETTINGS = {"beta": 2, "n_train": 256, "hidden": [4], "latent_dim": 2, "batch_size": 64, "max_epochs": 3}
SWEEP = {
    "program": "vae_rd/fit.py",
    "command": ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"],
    "method": "grid",
    "parameters": {
        **{name: {"value": value} for name, value in (SETTINGS | {"eval_samples": 2, "patience": 5}).items()},
        "wandb": {"value": "off"},
        "run_dir": {"value": "runs"},
    },
}


@pytest.fixture
def frozen(tmp_path, monkeypatch) -> Path:
    """The run's folder, copied to where it was made from: `runs` in the working directory."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(FROZEN, tmp_path / "runs" / NAME)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_its_config_has_its_name_and_is_its_identity():
    config = parse(["--config", str(FROZEN / "config.yaml")]).config
    assert run_name(config) == NAME
    assert config == recorded(RunRecord.read(FROZEN).config, where="record")
    assert not differences(config, RunRecord.read(FROZEN).identity, allowed=frozenset())
    assert identity(config) == {"defaults_version": 1, "eval_samples": 2, "patience": 5, **SETTINGS}


def test_it_loads_with_the_weights_that_it_kept(frozen):
    kept = torch.load(FROZEN / "checkpoints" / "kept.ckpt", weights_only=True)["state_dict"]
    loaded = vae_rd.load(frozen).state_dict()
    assert kept.keys() == {f"model.{name}" for name in loaded}
    assert all(torch.equal(value, kept[f"model.{name}"]) for name, value in loaded.items())


def test_evaluating_it_finds_the_numbers_of_its_record(frozen):
    before = RunRecord.read(frozen).metrics
    assert evaluate.main([str(frozen)]) == 0
    after = RunRecord.read(frozen)
    assert after.identity["beta"] == 2.0
    # Its val is the population that its test is, and was measured by draws of its own.
    for split, metrics in {**before, "val": before["test"]}.items():
        for name in ("distortion", "rate", "objective", "mutual_information_lower"):
            assert after.metrics[split][name]["value"] == pytest.approx(metrics[name]["value"], rel=1e-5, abs=1e-5)


def test_interrupted_it_goes_on_by_its_own_config_to_the_same_end(frozen):
    record = json.loads((frozen / "record.json").read_text())
    (frozen / "record.json").write_text(json.dumps(record | {"status": "interrupted", "metrics": {}, "files": {}}))
    rows = history(frozen)
    assert fit.main(["--config", str(frozen / "config.yaml"), "--resume", "auto"]) == 0
    for now, was in zip(history(frozen), rows, strict=True):
        assert {k: float(v) for k, v in now.items() if v} == pytest.approx(
            {k: float(v) for k, v in was.items() if v}, rel=1e-4, abs=1e-4
        )
    finished = RunRecord.read(frozen)
    assert finished.status == "finished"
    assert finished.metrics["test"]["rate"]["value"] == pytest.approx(record["metrics"]["test"]["rate"]["value"], 1e-3)


def test_a_sweep_leaves_it_alone(frozen, capfd):
    (frozen.parent.parent / "betas.yaml").write_text(yaml.safe_dump(SWEEP))
    before = content(frozen)
    assert sweep.main(["betas.yaml", "--defaults_version=1"]) == 0
    assert "1 runs, 1 finished" in capfd.readouterr().out
    assert content(frozen) == before
    assert [path.name for path in frozen.parent.iterdir() if path.is_dir()] == [NAME]


CHANGED = f"""
import sys
from vae_rd import (evaluate, fit, load, sweep)
from vae_rd.config.cli import parse
from vae_rd.config.fields import (FIELDS, FitConfig)
from vae_rd.config.names import run_name
folder = "runs/{NAME}"
config = parse(["--config", folder + "/config.yaml"]).config
assert "dummy_9" in FIELDS and FitConfig().lr == 0.5 and FitConfig().dummy_0 == 7
assert (run_name(config), config.lr, config.dummy_0, config.dummy_1) == ("{NAME}", 1e-3, 0, 7)
names = [run_name(parse(["--beta=2", "--defaults_version=%s" % version]).config) for version in (1, 2, 3, 4)]
assert names[0] == names[1] != names[2] != names[3]
load(folder)
codes = evaluate.main([folder]), fit.main(["--config", folder + "/config.yaml", "--resume", "auto"])
sys.exit(sum(codes) + sweep.main(["betas.yaml", "--lr=1e-3", "--defaults_version=1"]))
"""


@pytest.mark.slow
def test_ten_new_flags_and_a_changed_default_leave_it_what_it_was(frozen, tmp_path):
    """In a copy of the package whose fourth version of the defaults has another lr, and ten flags more."""
    root = tmp_path / "later"
    shutil.copytree(Path(vae_rd.__file__).parent, root / "vae_rd", ignore=shutil.ignore_patterns("__pycache__"))
    flags = "".join(f'    dummy_{n}: int = flag(7, "nothing", group="run")\n' for n in range(10))
    edit(root, FitConfig, {"    defaults_version: int = flag(": flags + "    defaults_version: int = flag("})
    edit(root, FitConfig, {"    lr: float = flag(3e-3": "    lr: float = flag(0.5"})
    edit(root, versions, {"DEFAULTS_VERSION = 3": "DEFAULTS_VERSION = 4"})
    second = '_UNTIL_2 | {"dummy_0": 0}'
    earlier = f'{{1: {{"file_rules": "1"}} | {second}, 2: {second}, 3: {{"lr": 3e-3, "dummy_0": 0}}}}'
    edit(root, versions, {'{1: {"file_rules": "1", **_UNTIL_2}, 2: _UNTIL_2}': earlier})
    (tmp_path / "betas.yaml").write_text(yaml.safe_dump(SWEEP))
    done = subprocess.run(
        [sys.executable, "-c", CHANGED], cwd=tmp_path, env={"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "finished already" in done.stdout
    assert "1 runs, 1 finished" in done.stdout


def edit(root: Path, what: object, changes: dict[str, str]) -> None:
    """Replace text in the copy of the file that a class or module comes from."""
    file = root / Path(inspect.getsourcefile(what)).relative_to(Path(vae_rd.__file__).parent.parent)
    text = file.read_text()
    for before, after in changes.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    file.write_text(text)


def test_a_flag_that_was_read_by_nothing_still_names_the_run_that_had_it(tmp_path):
    """As versions before allowed: such a run is found by its flags and its config.yaml, and no new one is begun."""
    config = FitConfig(likelihood_scale=0.1, defaults_version=1, run_dir=str(tmp_path / "runs"))
    values = to_dict(config)
    del values["defaults_version"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    of_the_run = parse(["--config", str(tmp_path / "config.yaml")])
    assert of_the_run.config == config
    check_unread(of_the_run.config, spared=of_the_run.spared)
    said = parse(["--config", str(tmp_path / "config.yaml"), "--likelihood_scale", "0.1"])
    for refused in (said.config, config):
        with pytest.raises(InputError, match="--likelihood_scale belongs to --likelihood gaussian, not to "):
            check_unread(refused, spared=said.spared)
    folder = tmp_path / "runs" / run_name(config)
    folder.mkdir(parents=True)
    record_of(config, folder.name, status="finished").write(folder)
    check_unread(config)
    assert vae_rd.fit_model(replace(config, resume="auto")).status == "finished"


@pytest.mark.parametrize(("signum", "stopped_by"), [(10, 10), (15, 15)])
def test_the_signal_that_stopped_an_old_run_is_known(frozen, signum, stopped_by):
    content = json.loads((frozen / "record.json").read_text())
    content |= {"status": "interrupted", "error": f"stopped by signal {signum}"}
    (frozen / "record.json").write_text(json.dumps(content))
    assert RunRecord.read(frozen).stopped_by == stopped_by


def test_its_curves_mark_the_epoch_that_it_kept(frozen):
    rows = load_histories(load_runs(frozen))
    kept = torch.load(FROZEN / "checkpoints" / "kept.ckpt", weights_only=True)["epoch"]
    assert rows[rows["kept"]]["epoch"].unique().tolist() == [kept]


def test_the_fields_of_version_1_are_all_there():
    assert set(FIELDS) >= versions.FIRST_FIELDS


OWN = "npz-beta1-seed0-5d35e2a9"


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """The folder of the run on digits.npz, and that file, where it was made from."""
    monkeypatch.chdir(tmp_path)
    np.savez("digits.npz", images=(np.arange(60 * 16) * 7919 % 17).reshape(60, 4, 4).astype(np.uint8))
    return shutil.copytree(ROOT / "tests" / "frozen" / OWN, tmp_path / "runs" / OWN)


def test_a_run_on_digits_that_were_read_as_256_levels_is_measured_again_as_it_was(own):
    vae_rd.load(own)
    before = RunRecord.read(own).metrics
    assert evaluate.main([str(own)]) == 0
    after = RunRecord.read(own)
    for split, metrics in before.items():
        for name in ("distortion", "rate"):
            assert after.metrics[split][name]["value"] == pytest.approx(metrics[name]["value"], rel=1e-5, abs=1e-5)


def test_it_goes_on_by_its_own_config_and_by_its_flags(own):
    record = json.loads((own / "record.json").read_text())
    (own / "record.json").write_text(json.dumps(record | {"status": "interrupted", "metrics": {}, "files": {}}))
    config = parse(["--config", str(own / "config.yaml")]).config
    assert run_name(config) == OWN
    assert config.file_rules == "1"
    assert fit.main(["--config", str(own / "config.yaml"), "--resume", "auto"]) == 0
    finished = RunRecord.read(own).metrics["test"]["distortion"]["value"]
    assert finished == pytest.approx(record["metrics"]["test"]["distortion"]["value"], rel=1e-3)


def test_new_flags_are_another_run_than_its_own_unless_they_state_its_version(own, capsys):
    flags = ["--data=npz", "--data_file=digits.npz", "--binarization=dynamic", "--hidden=[4]", "--latent_dim=2"]
    flags += ["--batch_size=16", "--max_epochs=3", "--wandb=off", "--resume=auto"]
    assert fit.main([*flags, "--defaults_version=1"]) == 0
    assert "finished already" in capsys.readouterr().out
    assert fit.main([*flags, "--name", OWN]) == 2
    assert "the finished run there has file_rules 1 (now 2)" in capsys.readouterr().err
    assert fit.main(flags) == 0
    assert len([path for path in own.parent.iterdir() if path.is_dir()]) == 2
