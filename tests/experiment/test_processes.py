"""Several processes of one fit: who they are, that they compute what one would, and how they end together."""

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from vae_rd import evaluate, fit
from vae_rd.errors import InputError
from vae_rd.launch.devices import slots
from vae_rd.process import ranks as processes
from vae_rd.process.collectives import (
    all_gather,
    broadcast,
    mean_over_processes,
    own_shard,
    rank,
    rank_zero_first,
    world_size,
)
from vae_rd.process.ranks import Place, check_place, place, run_processes

from helpers.common import ROOT, TOY

FLAGS = ["--n_train=777", "--hidden=[16]", "--latent_dim=3", "--batch_size=66", "--wandb=off"]
FLAGS += ["--information_examples=2500"]  # Of 3,584; these fall into three parts.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
LIMIT = 30.0  # Seconds within which all processes end after one has failed.


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}, Place(1, 1, 2)),
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3", "SLURM_LOCALID": "1"}, Place(3, 1, 4)),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}, None),  # Not started by srun.
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}, None),
    ],
)
def test_the_environment_says_which_process_this_is(environment: dict[str, str], expected: Place | None) -> None:
    assert place(environment) == expected


def test_each_process_has_its_share_of_the_cores_that_this_one_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a part of a machine that SLURM, taskset or a container gives."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert [given["OMP_NUM_THREADS"] for given in processes._environments(2)] == ["3", "3"]
    assert [slot["OMP_NUM_THREADS"] for slot in slots(2, gpus=[], per_run=1, runs=9)] == ["3", "3"]


def test_another_number_of_processes_than_asked_for_is_refused() -> None:
    check_place(None, devices=4, num_nodes=1)
    check_place(Place(0, 0, 4), devices=2, num_nodes=2)
    with pytest.raises(InputError, match="--devices 1 --num_nodes 1: 1 processes, but 4 were started"):
        check_place(Place(0, 0, 4), devices=1, num_nodes=1)
    with pytest.raises(InputError, match="--num_nodes 2: start the command on every machine"):
        check_place(None, devices=1, num_nodes=2)


def test_an_environment_that_makes_no_sense_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "x")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert fit.main(["--wandb=off"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: environment: RANK")
    assert error.count("\n") == 1


def test_a_batch_that_does_not_divide_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit.main([*TOY, "--devices=3", f"--run_dir={tmp_path / 'runs'}"]) == 2
    assert "--batch_size 64: is over all processes and does not divide" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_from_python_several_processes_come_from_torchrun(tmp_path: Path) -> None:
    from vae_rd.config.fields import FitConfig
    from vae_rd.experiment.fitting import fit_model

    with pytest.raises(InputError, match="torchrun --nproc_per_node 2"):
        fit_model(FitConfig(devices=2, run_dir=str(tmp_path / "runs"), accelerator="cpu"))
    assert not (tmp_path / "runs").exists()


def test_alone_every_collective_is_the_identity() -> None:
    assert (rank(), world_size(), list(own_shard(3))) == (0, 1, [0, 1, 2])
    assert broadcast(lambda: 5) == rank_zero_first(lambda: 5) == 5
    assert all_gather({0: "a"}) == {0: "a"}
    assert mean_over_processes(torch.tensor(2.0)) == 2


def run(folder: Path, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vae_rd.fit", *FLAGS, f"--run_dir={folder}", *flags]
    return subprocess.run(command, env=ENVIRONMENT | environment, capture_output=True, text=True, timeout=200)


def record(run_folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run_folder / "record.json").read_text())
    return content


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from numbers(item, f"{name}/{key}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value


def check_equal(one: Path, other: Path, *, relative: float) -> None:
    a, b = (dict(numbers({k: record(run)[k] for k in ("metrics", "estimates")})) for run in (one, other))
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert b[name] == pytest.approx(value, rel=relative, abs=1e-7), name


NLL_AND_AIS = ["--nll=importance", "--samples=20", "--ais", "--examples=90", "--chains=2", "--temperatures=10"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, fitted and measured by one process."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("alone")
    assert fit.main([*FLAGS, f"--run_dir={folder}", "--max_epochs=3", "--name=run"]) == 0
    for asked in ([], NLL_AND_AIS):
        assert evaluate.main([str(folder / "run"), *asked]) == 0
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--data=gaussian", "--likelihood=gaussian_optimal"],
        ["--target_rate=1"],
        ["--free_bits=0.3"],
        ["--objective=multirate"],
        ["--objective=info_vae", "--samples=2"],
        ["--model=gan", "--information_examples=null"],
        ["--posterior=deterministic", "--beta=0", "--information_examples=null"],
    ],
    ids=" ".join,
)
def test_two_processes_train_as_one_does(flags: list[str], tmp_path: Path) -> None:
    flags = ["--max_epochs=3", *flags]
    for name, more in (("one", []), ("two", ["--devices=2", "--strategy=ddp"])):
        done = run(tmp_path, *flags, *more, f"--name={name}")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("record: ") == 1
    weights = [
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("one", "two")
    ]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], rtol=1e-4, atol=1e-6)
    rows = [list(csv.DictReader((tmp_path / name / "history.csv").open())) for name in ("one", "two")]
    for one, two in zip(*rows, strict=True):
        for column in one:
            expected = pytest.approx(float(one[column] or "nan"), rel=1e-4, abs=1e-6, nan_ok=True)
            assert float(two[column] or "nan") == expected, column
    assert record(tmp_path / "two")["environment"]["processes"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_an_evaluation_gives_the_same_numbers_with_any_number_of_processes(
    count: int, alone: Path, tmp_path: Path
) -> None:
    """777 and 3,584 examples divide neither by the chunk nor by the processes."""
    shutil.copytree(alone, tmp_path / "run")
    for asked in ([], NLL_AND_AIS):
        command = [sys.executable, "-m", "vae_rd.evaluate", str(tmp_path / "run"), *asked, f"--devices={count}"]
        subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, timeout=200)
    check_equal(alone, tmp_path / "run", relative=1e-6)


SCRIPT = """
import sys
from vae_rd.experiment import (build, fitting)
from vae_rd.config.fields import FitConfig
from vae_rd.process.collectives import rank
from vae_rd.process.command import run_command

class Failing:
    steps = 0

def after_step():
    Failing.steps += 1
    if rank() == 1 and Failing.steps == 30:
        raise ValueError("the thirtieth step is one too many")

original = build.build_module
build.build_module = lambda *args, **kwargs: original(*args, **(kwargs | {"after_step": after_step}))
config = FitConfig(n_train=777, hidden=[16], batch_size=66, devices=2, max_epochs=500, wandb="off", name="run",
                   run_dir=sys.argv[1])
sys.exit(run_command(lambda: [fitting.fit_model(config).status], goes_on="-"))
"""


@pytest.mark.slow
def test_an_exception_in_one_process_ends_all_with_its_message(tmp_path: Path) -> None:
    """Under torchrun, from a script."""
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    began = time.monotonic()
    done = subprocess.run(
        [*command, str(tmp_path / "script.py"), str(tmp_path)], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert time.monotonic() - began < LIMIT + 15  # Of which some ten are for imports and thirty steps.
    assert done.returncode != 0
    assert "the thirtieth step is one too many" in done.stderr
    found = record(tmp_path / "run")
    assert found["status"] == "failed"
    assert found["error"] == "process 1: ValueError: the thirtieth step is one too many"


def as_steps_of_srun(tmp_path: Path, rank: int, *flags: str, **environment: str) -> subprocess.Popen[str]:
    """One of two processes as srun starts them."""
    variables = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)}
    variables |= {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_ID": "0", "SLURM_STEP_NODELIST": "127.0.0.1"}
    command = [sys.executable, "-m", "vae_rd.fit", *FLAGS, "--devices=2", f"--run_dir={tmp_path}", "--name=run", *flags]
    everything = ENVIRONMENT | variables | environment
    return subprocess.Popen(command, env=everything, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_srun_starts_processes_that_find_each_other(tmp_path: Path) -> None:
    """With MASTER_ADDR exported, too, as many templates of clusters do."""
    steps = [as_steps_of_srun(tmp_path, rank, "--max_epochs=2", MASTER_ADDR="127.0.0.1") for rank in (0, 1)]
    printed = [step.communicate(timeout=120) for step in steps]
    assert [step.returncode for step in steps] == [0, 0], printed
    assert record(tmp_path / "run")["environment"]["processes"] == 2


@pytest.mark.slow
def test_processes_with_different_data_are_refused(tmp_path: Path) -> None:
    """As when a file is not the same on every machine."""
    flags = ["--data=npz", "--data_file=mine.npz", "--dequantize=uniform", "--likelihood=gaussian", "--n_train=100"]
    steps = []
    for number, levels in enumerate((7, 5)):
        machine = tmp_path / f"machine{number}"
        machine.mkdir()
        images = np.random.default_rng(number).integers(0, levels, (200, 4, 4), np.uint8)
        np.savez(machine / "mine.npz", images=images)
        with contextlib.chdir(machine):
            steps.append(as_steps_of_srun(tmp_path / "runs", number, *flags, "--batch_size=20"))
    printed = [step.communicate(timeout=120) for step in steps]
    assert [step.returncode for step in steps] == [2, 2], printed
    assert "the processes of this command have different data" in printed[0][1]
    assert not (tmp_path / "runs" / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["a process", "the one that started them"])
def test_when_one_is_killed_none_is_left(victim: str, tmp_path: Path) -> None:
    flags = [*FLAGS, "--devices=2", "--max_epochs=100000", f"--run_dir={tmp_path}", "--name=run"]
    starter = psutil.Popen([sys.executable, "-m", "vae_rd.fit", *flags], env=ENVIRONMENT, stderr=subprocess.PIPE)
    while not (tmp_path / "run" / "history.csv").is_file():
        time.sleep(0.1)
        assert starter.poll() is None
    children = starter.children()
    (children[1] if victim == "a process" else starter).kill()
    began = time.monotonic()
    psutil.wait_procs([starter, *children], timeout=LIMIT)
    assert time.monotonic() - began < LIMIT
    assert not any(child.is_running() for child in children)
    if victim == "a process":
        assert starter.wait() == 1
        assert record(tmp_path / "run")["status"] == "failed"
        assert "another process of this run exited without reporting an error" in record(tmp_path / "run")["error"]


@pytest.mark.slow
def test_a_signal_to_the_starter_ends_all_and_the_run_goes_on_alone(tmp_path: Path) -> None:
    """Interrupted with two processes, finished with one: `--devices` may change."""
    flags = ["--max_epochs=60", "--name=run"]
    command = [sys.executable, "-m", "vae_rd.fit", *FLAGS, f"--run_dir={tmp_path}", *flags, "--devices=2"]
    starter = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "run" / "history.csv").is_file():
        time.sleep(0.05)
    starter.send_signal(signal.SIGTERM)
    assert starter.wait(LIMIT) == 143
    assert record(tmp_path / "run")["status"] == "interrupted"
    assert run(tmp_path, *flags, "--resume=auto").returncode == 0
    assert len(list(csv.DictReader((tmp_path / "run" / "history.csv").open()))) == 60


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, *, first: str, second: str) -> str:
    """A module without torch whose two processes do this."""
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.5)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    code = f"import os, sys, time\nif os.environ['RANK'] == '0':\n    {first}\nelse:\n    {second}\n"
    (folder / "stand_in.py").write_text(code)
    return "stand_in"


def test_the_first_process_speaks_and_may_take_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    module = stand_in(tmp_path, monkeypatch, first="time.sleep(1.5); print('first')", second="print('second')")
    assert run_processes(module, [], count=2) == 0
    assert capfd.readouterr().out == "first\n"


@pytest.mark.parametrize(("first", "code"), [("time.sleep(60)", 1), ("time.sleep(0.2); sys.exit(2)", 2)])
def test_a_failed_process_ends_the_others_and_is_quoted_where_the_first_cannot(
    first: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    module = stand_in(tmp_path, monkeypatch, first=first, second="sys.exit('boom')")
    assert run_processes(module, [], count=2) == code
    assert time.monotonic() - began < 10
    assert ("process 1 of 2: boom" in capfd.readouterr().err) == (code == 1)
