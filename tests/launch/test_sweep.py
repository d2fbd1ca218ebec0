"""`python -m vae_rd.sweep` as a user gives it: what is refused, what is printed, what is done and what is left."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from vae_rd import sweep
from vae_rd.config.cli import parse
from vae_rd.config.fields import FitConfig
from vae_rd.errors import InputError
from vae_rd.launch import devices
from vae_rd.launch.devices import gpus_for, slots
from vae_rd.launch.local import launcher as local
from vae_rd.launch.points.plan import plan, planned
from vae_rd.launch.points.sweep_file import COMMAND, read_sweep_file
from vae_rd.run.folder import folder_of
from vae_rd.run.lock import locked
from vae_rd.run.record import RunRecord

from helpers.common import ROOT, TOY
from helpers.runs import history, record_of


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a sweep file of two betas."""
    monkeypatch.chdir(tmp_path)
    write(beta={"values": [1, 4]})
    search = {"method": "bayes", "run_cap": 9, "metric": {"name": "val/objective"}}
    write("bayes.yaml", seed={"values": [0, 1, 2]}, **search)
    return tmp_path


def write(name: str = "two.yaml", *, method: str = "grid", **given) -> None:
    """A sweep file; what is no parameter belongs to a search."""
    search = {key: given.pop(key) for key in ("run_cap", "metric") if key in given}
    content = {"command": COMMAND, "method": method, **search, "parameters": given}
    Path(name).write_text(yaml.safe_dump(content, sort_keys=False))


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# What is refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: FILE"),
        (["none.yaml"], "none.yaml: no sweep file can be read there"),
        (["two.yaml", "--bta", "1"], "unknown flag --bta; did you mean --beta?"),
        (["two.yaml", "--beta", "x"], "--beta x: give a number"),
        (
            ["two.yaml", "--seed", "0", "--seed", "1"],
            "--seed is given twice; runs differ by the file, as in seed: {val",
        ),
        (["~nobody_of_this_name/two.yaml"], "the path ~nobody_of_this_name/two.yaml: there is no such home folder"),
        (["two.yaml", "--search_seed", "1"], "--search_seed: a grid draws nothing; leave it out"),
        (["two.yaml", "--config", "a.yaml"], "--config: goes into the sweep file's command"),
        (["two.yaml", "--jobs", "0"], "argument --jobs: 0: give a whole number from 1 on"),
        (["two.yaml", "--launcher", "ray"], "invalid choice: 'ray'"),
        (["two.yaml", "--partition", "gpu"], "--partition belongs to --launcher slurm"),
        (["two.yaml", "--launcher", "wandb", "--search_seed", "1"], "W&B's server draws the points"),
        (["two.yaml", "--launcher", "slurm", "--jobs", "2"], "--jobs is of this machine"),
        (["two.yaml", "--launcher", "slurm", "--minutes", "1"], "minutes 1: give 3 or more"),
        (["two.yaml", "--launcher", "wandb", "--wandb", "off"], "wandb is off, and W&B would hear of no run"),
        (["bayes.yaml", "--num_nodes", "2"], "num_nodes: a sweep's runs are each on one machine"),
        (["two.yaml", "--run_dir", "two.yaml"], "--run_dir two.yaml: nothing can be written in"),
        (["two.yaml", "--run_dir", "x" * 300], "File name too long"),
        (["--max_epochs", "2", "two.yaml"], "the file stands before all flags"),
        (["two.yaml", "--resume", "never"], "a sweep always goes on with what is there"),
        (["two.yaml", "--num_nodes", "2"], "num_nodes: a sweep's runs are each on one machine"),
        (["two.yaml", "--batch_size", "3", "--devices", "2"], "does not divide by --devices 2"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(words, message, here, capfd):
    before = everything(here)
    assert sweep.main(words) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert everything(here) == before


def test_a_folder_that_another_run_has_is_refused_before_anything_starts(here, capfd):
    (here / "runs/two/mine").mkdir(parents=True)
    assert sweep.main(["two.yaml", "--dry_run"]) == 0
    argv = capfd.readouterr().out.splitlines()[1].split()
    assert argv[:3] == ["python", "-m", "vae_rd.fit"]
    folder = folder_of(parse(argv[3:]).config)
    folder.mkdir()
    (folder / "stranger").touch()
    assert sweep.main(["two.yaml"]) == 2
    assert "holds files but no record.json" in capfd.readouterr().err
    assert everything(here / "runs/two") == sorted(["mine", folder.name, f"{folder.name}/stranger"])


def test_two_launchers_in_one_folder_are_refused(here, capfd):
    (here / "runs/two").mkdir(parents=True)
    with locked(here / "runs/two/sweep"):
        assert sweep.main(["two.yaml"]) == 2
    assert re.search(r"another process \(pid \d+ on .*\) is working on this sweep; .*--run_dir", capfd.readouterr().err)


def test_a_damaged_ledger_is_one_line(here, capfd):
    (here / "runs/two").mkdir(parents=True)
    (here / "runs/two/sweep.json").write_text('{"runs": 3}')
    assert sweep.main(["two.yaml"]) == 2
    assert "sweep.json: damaged; remove it, the runs' own records stay and count" in capfd.readouterr().err


# What is printed


def test_dry_run_prints_commands_that_a_shell_takes_and_writes_nothing(here, capfd):
    before = everything(here)
    assert sweep.main(["two.yaml", "--dry_run", "--hidden", "[8, 4]", "--max_steps", "1"]) == 0
    first, second = capfd.readouterr().out.splitlines()
    assert first == "python -m vae_rd.fit --run_dir=runs/two --resume=auto --beta=1 '--hidden=[8, 4]' --max_steps=1"
    assert second == first.replace("--beta=1", "--beta=4")
    assert everything(here) == before


def test_dry_run_of_a_search_shows_the_draws_it_begins_with_each_once(here, capfd):
    assert sweep.main(["bayes.yaml", "--dry_run"]) == 0
    *commands, rest = capfd.readouterr().out.splitlines()
    assert len(commands) == len(set(commands)) == 3
    assert rest == "# and up to 6 more, chosen by what the runs before them give"


def test_help_takes_under_a_second_and_needs_no_torch(command):
    began = time.monotonic()
    done = command("vae_rd.sweep", "--help")
    assert done.returncode == 0
    assert "python -m vae_rd.sweep FILE [options] [--FLAG VALUE]..." in done.stdout
    assert time.monotonic() - began < 2, "the machine may be busy; 0.6 s when it is not"
    imports = (
        "import sys, vae_rd.sweep; print([m for m in ('torch', 'lightning', 'wandb', 'optuna') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", imports], cwd=ROOT, capture_output=True, text=True).stdout == "[]\n"


# Devices


def test_each_job_has_its_gpus_and_its_share_of_the_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("vae_rd.launch.devices.cores", lambda: 16)

    def made(*arguments, **given) -> list[tuple[str | None, str]]:
        found = slots(*arguments, **given)
        return [(slot.get("CUDA_VISIBLE_DEVICES"), slot["OMP_NUM_THREADS"]) for slot in found]

    assert made(None, gpus=["0", "1"], per_run=1, runs=9) == [("0", "8"), ("1", "8")]
    assert made(4, gpus=["0", "1"], per_run=1, runs=9) == [("0", "4"), ("1", "4"), ("0", "4"), ("1", "4")]
    assert made(None, gpus=["0", "1", "2", "3"], per_run=2, runs=9) == [("0,1", "4"), ("2,3", "4")]
    assert made(None, gpus=["0", "1"], per_run=1, runs=1) == [("0", "16")]
    assert made(None, gpus=[], per_run=1, runs=99) == [(None, "2")] * 8
    assert made(16, gpus=[], per_run=1, runs=99) == [(None, "1")] * 16
    with pytest.raises(InputError, match="--devices 2: 1 GPU is visible here"):
        made(None, gpus=["0"], per_run=2, runs=9)


@pytest.fixture
def driver(monkeypatch):
    """A machine on which torch says that it sees so many GPUs."""

    def install(count: int) -> None:
        monkeypatch.setattr(devices.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
        monkeypatch.setattr(devices, "COUNT", f"print({count})")

    return install


def test_the_user_s_own_choice_of_gpus_and_threads_holds(driver, monkeypatch):
    driver(2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b, 5")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert gpus_for(FitConfig()) == ["GPU-b", "5"]
    assert gpus_for(FitConfig(accelerator="cpu")) == []
    (slot, _) = slots(None, gpus=gpus_for(FitConfig()), per_run=1, runs=9)
    assert dict(slot) == {"CUDA_VISIBLE_DEVICES": "GPU-b", "OMP_NUM_THREADS": "3"}


def test_gpus_that_torch_does_not_see_are_none(driver, monkeypatch):
    driver(0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert gpus_for(FitConfig()) == []
    driver(3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert gpus_for(FitConfig()) == ["0", "1", "2"]


# What is done


def test_the_best_run_of_a_search_is_the_one_with_the_least_loss(here):
    """Two learning rates whose labels, of four digits, are the same."""
    lrs = [0.0100049, 0.0099996]
    write("near.yaml", method="bayes", run_cap=2, metric={"name": "val/objective"}, lr={"values": lrs})
    asked = plan(read_sweep_file(Path("near.yaml"), fixed={}))
    finished = [planned(asked.file, {"lr": lr}) for lr in lrs]
    assert finished[0].label == finished[1].label
    for run, value in zip(finished, (71.6, 71.5), strict=True):
        run.folder.mkdir(parents=True)
        metrics = {"val": {"objective": {"value": value, "stderr": 0.25, "n": 9}}}
        record_of(run.config, run.name, status="finished", metrics=metrics).write(run.folder)
    best = f"best val/objective of 2, 71.500 ± 0.250: lr 0.01, {finished[1].folder}"
    assert local._best(asked, finished) == local._best(asked, finished[::-1]) == best


def test_a_sweep_leaves_records_and_a_second_call_has_nothing_to_do(here, capfd, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    words = ["two.yaml", *TOY, "--max_steps=2"]
    assert sweep.main(words) == 0
    shown = capfd.readouterr().out.splitlines()
    finished = [
        re.fullmatch(r"\[(\d)/2\] beta (\d): finished, test D .* ± .*  R .* \(\d+ s\)", line) for line in shown[:2]
    ]
    assert [line[1] for line in finished] == ["1", "2"]
    assert {line[2] for line in finished} == {"1", "4"}
    assert shown[-2:] == ["runs/two: 2 runs, 2 finished", "draw them: python -m analysis plane runs/two"]
    records = [RunRecord.read(path.parent) for path in Path("runs/two").glob("*/record.json")]
    assert sorted(record.config["beta"] for record in records) == [1.0, 4.0]
    for record in records:
        assert record.command.startswith("python -m vae_rd.fit --run_dir=runs/two ")
        assert record.environment["device"] == "cpu, 1 threads"
        assert (Path("runs/two/logs") / f"{record.name}.log").read_text().rstrip().endswith("record.json")
    assert sweep.main(words) == 0
    assert capfd.readouterr().out.splitlines() == shown[-2:]
    assert not [path for path in Path("runs").rglob("*.lock") if path.is_file()]


@pytest.mark.slow
def test_fourteen_runs_with_one_killed_one_failing_and_ctrl_c(here):
    """The second call does exactly what is missing, and all but the one that cannot succeed are finished."""
    write("many.yaml", beta={"values": [0.3, 1, 3, 10, 30, 100]}, seed={"values": [0, 1]}, lr={"value": 1e-3})
    content = yaml.safe_load(Path("many.yaml").read_text())
    content["parameters"]["beta"]["values"].append(1e38)  # Not finite at once, by design.
    Path("many.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    words = [sys.executable, "-m", "vae_rd.sweep", "many.yaml", *TOY, "--max_epochs=60", "--jobs=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    started = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    ledger = Path("runs/many/sweep.json")

    first = subprocess.Popen(words, start_new_session=True, **started)
    victim = wait_until(lambda: fit_at_work("beta0.3-seed0"))
    victim.kill()
    wait_until(lambda: ledger.is_file() and states().get("interrupted", 0) + states().get("finished", 0) >= 4)
    os.killpg(first.pid, signal.SIGINT)  # As a terminal's Ctrl-C does.
    out, err = first.communicate(timeout=60)
    assert first.returncode == 130, err
    assert "interrupted by signal 2" in err
    assert "ended by SIGKILL; it is tried again" in out
    left = [path.parent.name for path in Path("runs/many").glob("*/record.json")]
    done = {name for name in left if RunRecord.read(Path("runs/many") / name).status == "finished"}
    assert 4 <= len(done) < 12
    assert not at_work()
    assert {RunRecord.read(Path("runs/many") / name).status for name in set(left) - done} <= {"interrupted", "running"}
    before = {name: (Path("runs/many") / name / "record.json").read_bytes() for name in done}

    second = subprocess.run(words, **started, check=False)
    assert second.returncode == 1
    lines = second.stdout.splitlines()
    assert len([line for line in lines if ": finished, test D" in line]) == 12 - len(done), "exactly what was missing"
    assert "runs/many: 14 runs, 12 finished, 2 failed" in lines
    assert all((Path("runs/many") / name / "record.json").read_bytes() == was for name, was in before.items())
    failed = [line for line in lines if line.startswith("  beta 1e+38")]
    assert len(failed) == 2
    assert all("failed: Diverged: " in line and line.endswith(".log") for line in failed)
    for folder in Path("runs/many").glob("*-beta0.3-*"):
        assert [int(row["epoch"]) for row in history(folder)] == list(range(60)), "the killed one went on"


@pytest.mark.slow
def test_ctrl_c_while_the_server_imports_and_a_kill_of_the_launcher_lose_nothing(here):
    """Ctrl-C reaches every process of the terminal, kill -9 none but the launcher; then a call to the end."""
    words = [sys.executable, "-m", "vae_rd.sweep", "two.yaml", *TOY, "--max_epochs=40", "--jobs=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    started = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen(words, start_new_session=True, **started)
    wait_until(lambda: Path("runs/two/sweep.json").is_file())
    time.sleep(0.5)
    os.killpg(first.pid, signal.SIGINT)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 130
    assert err.startswith("interrupted by signal 2; the same command does what is left")
    assert err.count("\n") == 1
    assert "Traceback" not in out

    second = subprocess.Popen(words, start_new_session=True, **started)
    wait_until(lambda: list(Path("runs/two").glob("*/checkpoints/last.ckpt")))
    second.kill()
    second.communicate()
    wait_until(lambda: not at_work())
    done = subprocess.run(words, check=False, **started)
    assert done.returncode == 0, done.stderr
    for folder in Path("runs/two").glob("sprites-*"):
        assert RunRecord.read(folder).status == "finished"
        assert [int(row["epoch"]) for row in history(folder)] == list(range(40))


def states() -> dict[str, int]:
    entries = json.loads(Path("runs/many/sweep.json").read_text())["runs"].values()
    found = [entry["state"] for entry in entries]
    return {state: found.count(state) for state in found}


def fit_at_work(name: str) -> psutil.Process | None:
    """The process that holds the lock of a run which has a checkpoint."""
    for lock in Path("runs/many").glob(f".*{name}*.lock"):
        text = lock.read_text()
        folder = lock.parent / lock.name[1:].removesuffix(".lock")
        if text.startswith("pid ") and (folder / "checkpoints/last.ckpt").exists():
            return psutil.Process(int(text.split()[1]))
    return None


def at_work() -> list[psutil.Process]:
    here = str(Path.cwd())
    return [p for p in psutil.process_iter(["cwd", "pid"]) if p.info["cwd"] == here and p.pid != os.getpid()]


def wait_until(condition, seconds: float = 90.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found
