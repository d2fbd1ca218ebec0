"""`--launcher slurm`: what is submitted, what is not, and that a stopped fit goes on where it was."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vae_rd import sweep
from vae_rd.errors import InputError
from vae_rd.launch.points.plan import Plan, plan
from vae_rd.launch.points.sweep_file import read_sweep_file
from vae_rd.launch.slurm import launcher as slurm
from vae_rd.launch.slurm.launcher import SlurmOptions, submit
from vae_rd.launch.slurm.task import IDLE_ATTEMPTS, FitTask
from vae_rd.launch.wandb import launcher as by_agents
from vae_rd.launch.wandb.launcher import agent_script, agents_on_slurm
from vae_rd.run.lock import locked
from vae_rd.run.record import RunRecord

from helpers import slurm_cluster
from helpers.common import ROOT
from helpers.runs import history, record_of
from helpers.stand_in_slurm import StandInSlurm
from helpers.wandb_server import WandbServer

TOY = {"n_train": 256, "hidden": [8], "latent_dim": 2, "batch_size": 64, "eval_samples": 2, "wandb": "off"}
OPTIONS = SlurmOptions(partition="main", minutes=10)


@pytest.fixture(autouse=True)
def _of_one_thread(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_", "SUBMITIT_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> StandInSlurm:
    stand_in = StandInSlurm(tmp_path / "cluster")
    monkeypatch.setenv("PATH", stand_in.path)
    return stand_in


def toy_plan(seeds: int = 3, **fixed: object) -> Plan:
    """A sweep over seeds, in the working directory."""
    given = {name: {"value": value} for name, value in {**TOY, "max_epochs": 3, **fixed}.items()}
    content = {
        "program": "vae_rd/fit.py",
        "command": ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"],
        "method": "grid",
        "parameters": {"seed": {"values": list(range(seeds))}, **given},
    }
    Path("toy.yaml").write_text(json.dumps(content))  # JSON is YAML.
    return plan(read_sweep_file(Path("toy.yaml"), fixed={}))


def finish(run) -> None:
    """Leave the record of a run as if it had been fitted."""
    run.folder.mkdir(parents=True)
    record_of(run.config, run.name, status="finished").write(run.folder)


def test_an_array_asks_for_what_the_options_say_and_nothing_else(cluster):
    options = SlurmOptions(partition="main", minutes=30, gpus=1, cpus=3, memory_gb=12, at_once=2)
    lines = submit(toy_plan(devices=2), options)
    assert lines[0] == "0 finished, 0 queued or running, 3 left to submit"
    assert lines[1] == "job 1: 3 tasks, 2 at a time, up to 30 minutes each"
    assert [task.id for task in cluster.tasks()] == ["1_0", "1_1", "1_2"]
    asked = dict(cluster.task("1_0").options)
    assert asked.pop("output").endswith("runs/toy/slurm/%A_%a_0_log.out")
    assert asked == {
        "job-name": "vae_rd.toy",
        "array": "0-2%2",
        "partition": "main",
        "nodes": "1",
        "open-mode": "append",
        "time": "30",
        "cpus-per-task": "6",
        "gpus-per-node": "2",
        "mem": "12G",
        "requeue": True,
        "signal": "B:USR1@90",
    }


def test_what_is_not_asked_for_is_left_to_the_cluster(cluster):
    submit(toy_plan(), SlurmOptions(requeue=False))
    asked = cluster.task("1_0").options
    assert not {"partition", "mem", "gpus-per-node", "requeue"} & set(asked)
    assert asked["no-requeue"]
    assert asked["array"] == "0-2%3"


def test_finished_runs_and_those_in_the_queue_are_not_submitted_again(cluster):
    sweep = toy_plan(4)
    finish(sweep.runs[1])
    assert submit(sweep, OPTIONS)[0] == "1 finished, 0 queued or running, 3 left to submit"
    assert submit(sweep, OPTIONS) == ["1 finished, 3 queued or running, 0 left to submit"]

    cluster.settle("1_1", "FAILED")  # That of the third run.
    assert submit(sweep, OPTIONS)[0] == "1 finished, 2 queued or running, 1 left to submit"
    assert [task.id for task in cluster.tasks()] == ["1_0", "1_1", "1_2", "2"]
    remembered = json.loads((sweep.folder / "slurm" / "jobs.json").read_text())
    expected = {0: "1_0", 2: "2", 3: "1_2"}
    assert remembered == {sweep.runs[number].name: job for number, job in expected.items()}


def test_a_finished_sweep_says_so_and_submits_nothing(cluster):
    sweep = toy_plan(2)
    for run in sweep.runs:
        finish(run)
    assert submit(sweep, OPTIONS) == ["2 finished, 0 queued or running, 0 left to submit"]
    assert cluster.tasks() == []
    assert not (sweep.folder / "slurm").exists()


def test_what_sbatch_refuses_is_one_line_and_leaves_nothing(cluster, capfd):
    sweep = toy_plan()
    with pytest.raises(InputError) as error:
        submit(sweep, SlurmOptions(partition="elsewhere"))
    assert str(error.value) == (
        "sbatch: invalid partition specified: elsewhere; Batch job submission failed: Invalid partition name specified"
        "; mend what it names, or ask for something else"
    )
    assert not sweep.folder.exists()
    assert capfd.readouterr().err == ""


def test_without_slurm_nothing_is_written(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="no sbatch on PATH; give the command on a login node"):
        submit(toy_plan(), OPTIONS)
    assert not Path("runs").exists()


def test_without_submitit_one_line_says_what_to_install(cluster, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError, match=r"pip install vae_rd\[slurm\]"):
        submit(toy_plan(), OPTIONS)


def test_several_machines_for_one_fit_are_refused(cluster):
    with pytest.raises(InputError, match="--num_nodes above 1"):
        submit(toy_plan(num_nodes=2), OPTIONS)


def test_a_search_is_refused(cluster):
    with pytest.raises(InputError, match="--launcher wandb"):
        submit(dataclasses.replace(toy_plan(), runs=()), OPTIONS)


def test_a_percent_sign_in_the_folder_is_refused(cluster):
    with pytest.raises(InputError, match="% in a path"):
        submit(toy_plan(run_dir="runs/100%"), OPTIONS)


@pytest.mark.parametrize(
    ("wrong", "said"), [({"num_nodes": 2}, "--num_nodes above 1"), ({"run_dir": "runs/100%"}, "% in a path")], ids=str
)
def test_a_script_of_agents_is_refused_for_the_same_reasons_before_the_sweep_is_created(wrong, said, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(by_agents, "join_sweep", lambda *_, **__: pytest.fail("it was created"))
    with pytest.raises(InputError, match=said):
        agents_on_slurm(toy_plan(wandb="online", **wrong), OPTIONS, Path("agents.sh"))
    assert not Path("agents.sh").exists()
    assert not Path("runs").exists()


def test_what_is_to_be_given_next_is_quoted(cluster, monkeypatch):
    monkeypatch.setattr(by_agents, "join_sweep", lambda *_, **__: "me/betas/abc")
    asked = toy_plan(2, run_dir="my runs", wandb="online")
    said = agents_on_slurm(asked, OPTIONS, Path("my script.sh"))
    assert said == [
        "submit: sbatch 'my script.sh'",
        "logs: 'my runs/slurm'/*.log",
        "draw: python -m analysis plane 'my runs'",
    ]
    subprocess.run(["sbatch", "my script.sh"], check=True)
    assert cluster.task("1_1").log == Path("my runs/slurm/1_1.log").absolute()
    assert submit(asked, OPTIONS)[2:] == [
        "logs: 'my runs/slurm'/2*_log.out",
        "look: squeue --jobs 2; end: scancel 2",
        "draw: python -m analysis plane 'my runs'",
    ]


def test_a_queue_that_does_not_answer_is_one_line_after_a_bounded_time(cluster, monkeypatch):
    sweep = toy_plan()
    submit(sweep, OPTIONS)
    (cluster.folder / "bin/squeue").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(slurm, "ANSWER_SECONDS", 0.5)
    with pytest.raises(InputError, match=r"^squeue: no answer in 0\.5 s; give the command again later$"):
        submit(sweep, OPTIONS)


def test_a_damaged_list_of_jobs_is_one_line(cluster):
    sweep = toy_plan()
    (sweep.folder / "slurm").mkdir(parents=True)
    (sweep.folder / "slurm" / "jobs.json").write_text('["half')
    with pytest.raises(InputError, match=r"jobs\.json: damaged; remove it once squeue --me"):
        submit(sweep, OPTIONS)


@pytest.mark.parametrize(
    "wrong", [{"minutes": 2}, {"gpus": -1}, {"cpus": 0}, {"memory_gb": 0}, {"at_once": 0}], ids=str
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))} .*: give . or more"):
        SlurmOptions(**wrong)


def test_the_command_submits_what_its_options_say(cluster, capfd):
    toy_plan()
    words = ["toy.yaml", "--launcher=slurm", "--partition=main", "--minutes=20", "--cpus=2", "--no_requeue"]
    assert sweep.main(words) == 0
    shown = capfd.readouterr().out.splitlines()
    assert shown[0] == "0 finished, 0 queued or running, 3 left to submit"
    assert shown[-1] == "draw: python -m analysis plane runs/toy"
    asked = cluster.tasks()[0].options
    assert (asked["partition"], asked["time"], asked["cpus-per-task"]) == ("main", "20", "2")
    assert "no-requeue" in asked


def test_a_task_that_fails_shows_slurm_the_fits_exit_code(cluster):
    sweep = toy_plan(1)
    (run,) = sweep.runs
    submit(dataclasses.replace(sweep, runs=(dataclasses.replace(run, argv=("--beta=much",)),)), OPTIONS)
    assert cluster.run("1") == 2
    assert cluster.task("1").state == "FAILED"
    assert "error: --beta" in (log := cluster.task("1").log.read_text())
    assert "Traceback" not in log


class Requeues:
    """What FitTask sees of submitit when SIGUSR1 comes to it: `checkpoint` is called, then the process ends."""

    def __init__(self, task: FitTask) -> None:
        self.task, self.next = task, None

    def __call__(self, signum, frame):
        self.next = self.task.checkpoint()
        raise SystemExit(255)


@pytest.fixture
def attempt(monkeypatch):
    """Run a task as submitit does, in this process: its exit code, and the attempt that it leaves to be made."""
    before = signal.getsignal(signal.SIGUSR1)

    def run(task: FitTask) -> tuple[object, FitTask | None]:
        handler = Requeues(task)
        signal.signal(signal.SIGUSR1, handler)
        try:
            code = task()
        except SystemExit as end:
            code = end.code
        return code, handler.next and handler.next.function

    yield run
    signal.signal(signal.SIGUSR1, before)


def test_a_warned_fit_ends_between_steps_and_its_next_attempt_goes_on(attempt, interrupt):
    run = toy_plan(1).runs[0]
    interrupt(10, signal.SIGUSR1)  # In the last of three epochs of four steps; the next attempt takes no tenth.
    code, following = attempt(FitTask(run.argv, str(run.folder), requeue=True))
    assert code == 255
    assert RunRecord.read(run.folder).status == "interrupted"
    assert following == FitTask(run.argv, str(run.folder), requeue=True)

    assert attempt(following) == (0, None)
    record = RunRecord.read(run.folder)
    assert record.status == "finished"
    assert record.command == run.command
    assert [row["epoch"] for row in history(run.folder)] == ["0", "1", "2"]


def test_a_task_that_may_not_be_requeued_ends_with_the_signals_code(attempt, interrupt):
    run = toy_plan(1).runs[0]
    interrupt(2, signal.SIGUSR1)
    assert attempt(FitTask(run.argv, str(run.folder), requeue=False)) == (128 + signal.SIGUSR1, None)
    assert FitTask(run.argv, str(run.folder), requeue=False).checkpoint() is None


def test_sigterm_leaves_the_requeue_to_slurm(attempt, interrupt):
    run = toy_plan(1).runs[0]
    interrupt(2, signal.SIGTERM)
    assert attempt(FitTask(run.argv, str(run.folder), requeue=True)) == (128 + signal.SIGTERM, None)


def test_attempts_that_finish_no_epoch_come_to_an_end(attempt, interrupt):
    run = toy_plan(1).runs[0]
    task = FitTask(run.argv, str(run.folder), requeue=True)
    for number in range(1, IDLE_ATTEMPTS):
        interrupt(2, signal.SIGUSR1)
        task = attempt(task)[1]
        assert task.idle == number
    interrupt(2, signal.SIGUSR1)
    assert attempt(task) == (255, None)


def agent_tasks(cluster, folder: Path, monkeypatch, *, options: SlurmOptions = OPTIONS) -> None:
    """Submit two tasks of an agent that is none: it notes its arguments and signals, and waits where told to."""
    programs = cluster.folder / "programs of this Python"
    programs.mkdir()
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    agent = programs / "wandb"
    agent.write_text(
        "#!/bin/bash\n"
        'echo "wandb $*"; trap "echo told; told=yes" USR1\n'
        "touch started; while [ -e wait ] && [ -z $told ]; do sleep 0.02; done\n"
    )
    agent.chmod(0o755)
    (folder / "logs").mkdir()
    script = agent_script("me/betas/abc", tasks=2, options=options, log_folder=folder / "logs")
    (folder / "agents.sh").write_text(script)
    subprocess.run(["sbatch", "agents.sh"], check=True)


def warn(task) -> None:
    """SLURM's warning before the time limit, once the task's program has started."""
    while not Path("started").exists():
        time.sleep(0.02)
    os.kill(task.pid, signal.SIGUSR1)


def test_each_task_of_the_script_is_one_agent_for_one_run(cluster, tmp_path, monkeypatch):
    agent_tasks(cluster, tmp_path, monkeypatch)
    assert [cluster.run(name) for name in ("1_0", "1_1")] == [0, 0]
    assert cluster.task("1_0").log.read_text() == "wandb agent --count 1 -f me/betas/abc\n"
    assert cluster.task("1_0").options["array"] == "0-1%2"
    assert cluster.task("1_1").state == "COMPLETED"


def test_a_script_is_for_the_folder_and_the_python_that_it_was_written_in(cluster, tmp_path, monkeypatch):
    """The agent's `wandb` and its runs' `python` are found there, and run_dir means the same, wherever it runs."""
    here = tmp_path / "my sweeps"
    here.mkdir()
    monkeypatch.chdir(here)
    agent_tasks(cluster, here, monkeypatch)
    monkeypatch.chdir(tmp_path)
    (cluster.folder / "bin/wandb").write_text("#!/bin/sh\nexit 3\n")
    (cluster.folder / "bin/wandb").chmod(0o755)
    assert cluster.run("1_0") == 0
    assert (here / "started").exists()
    here.rename(tmp_path / "moved")
    task = dataclasses.replace(cluster.task("1_1"), options={**cluster.task("1_1").options, "output": "1_1.log"})
    cluster._write(task)
    assert cluster.run("1_1") == 1, "rather than in the folder of whoever submits it"


def test_a_warned_agent_is_told_once_and_its_task_requeued(cluster, tmp_path, monkeypatch):
    agent_tasks(cluster, tmp_path, monkeypatch)
    Path("wait").touch()
    cluster.run("1_0", meanwhile=warn)
    Path("wait").unlink()
    task = cluster.task("1_0")
    assert (task.state, task.restarts) == ("PENDING", 1)
    assert task.log.read_text().count("told") == 1
    assert cluster.run("1_0") == 0


def test_without_requeue_a_warned_agents_task_ends(cluster, tmp_path, monkeypatch):
    agent_tasks(cluster, tmp_path, monkeypatch, options=dataclasses.replace(OPTIONS, requeue=False))
    Path("wait").touch()
    assert cluster.run("1_0", meanwhile=warn) == 0
    assert cluster.task("1_0").state == "COMPLETED"


@pytest.mark.parametrize("sweep", ["abc", "a/b", "a/b/c/d"])
def test_a_sweep_is_named_in_full(sweep, tmp_path):
    with pytest.raises(InputError, match="ENTITY/PROJECT/SWEEP_ID"):
        agent_script(sweep, tasks=1, options=OPTIONS, log_folder=tmp_path)


def wait_for_epochs(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while not (folder / "history.csv").exists() or len(history(folder)) < count:
        assert time.monotonic() < deadline, f"{folder}: {count} epochs have not come"
        time.sleep(0.05)


def check_whole(run, *, epochs: int) -> None:
    record = RunRecord.read(run.folder)
    assert (record.status, record.command) == ("finished", run.command)
    assert [row["epoch"] for row in history(run.folder)] == [str(epoch) for epoch in range(epochs)]


@pytest.mark.slow
def test_a_warned_task_is_requeued_by_submitit_and_goes_on(cluster):
    sweep = toy_plan(2, max_epochs=100)
    submit(sweep, OPTIONS)

    def warn_after_two_epochs(task) -> None:
        wait_for_epochs(sweep.runs[0].folder, 2)
        os.kill(task.pid, signal.SIGUSR1)

    assert cluster.run("1_0", meanwhile=warn_after_two_epochs) == 255
    assert RunRecord.read(sweep.runs[0].folder).error == f"stopped by signal {int(signal.SIGUSR1)}"
    assert cluster.task("1_0").state == "PENDING"
    assert cluster.run("1_0") == 0
    check_whole(sweep.runs[0], epochs=100)
    assert submit(sweep, OPTIONS) == ["1 finished, 1 queued or running, 0 left to submit"]


@pytest.mark.slow
@pytest.mark.skipif(bool(slurm_cluster.missing()), reason=f"real SLURM: {slurm_cluster.missing()}")
def test_a_real_slurm_runs_an_array_of_which_two_tasks_make_room(monkeypatch):
    sweep = toy_plan(3, max_epochs=200)
    with slurm_cluster.slurm_cluster(cpus=2) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(InputError, match=r"^sbatch: invalid partition specified: elsewhere; "):
            submit(sweep, SlurmOptions(partition="elsewhere"))
        submit(sweep, OPTIONS)
        assert submit(sweep, OPTIONS) == ["0 finished, 3 queued or running, 0 left to submit"]
        for number, end in enumerate([["scancel", "--batch", "--signal=USR1"], ["scontrol", "requeue"]]):
            wait_for_epochs(sweep.runs[number].folder, 2)
            subprocess.run([*end, f"1_{number}"], check=True)
        wait_for_an_empty_queue()
        assert submit(sweep, OPTIONS) == ["3 finished, 0 queued or running, 0 left to submit"]
    for run in sweep.runs:
        check_whole(run, epochs=200)
    said = [(sweep.folder / "slurm" / f"1_{number}_0_log.out").read_text() for number in range(3)]
    for signum, log in zip((signal.SIGUSR1, signal.SIGTERM), said, strict=False):
        assert f"interrupted by signal {int(signum)}" in log
    assert [log.count("Starting with JobEnvironment") for log in said] == [2, 2, 1]


def wait_for_an_empty_queue() -> None:
    deadline = time.monotonic() + 200
    while queue := subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True).stdout:
        assert time.monotonic() < deadline, queue
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.skipif(bool(slurm_cluster.missing()), reason=f"real SLURM: {slurm_cluster.missing()}")
def test_agents_in_a_real_array_finish_a_sweep_of_which_one_run_is_preempted(monkeypatch):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    runs = toy_plan(2, max_epochs=100, wandb="online", run_dir="runs/toy", resume="auto").runs
    with WandbServer() as server, slurm_cluster.slurm_cluster(cpus=2) as environment:
        for name, value in {**environment, **server.environment()}.items():
            monkeypatch.setenv(name, value)
        created = subprocess.run(["wandb", "sweep", "--project=toys", "toy.yaml"], capture_output=True, text=True)
        path = created.stderr.rpartition("wandb agent ")[2].strip()
        Path("logs").mkdir()
        Path("agents.sh").write_text(agent_script(path, tasks=2, options=OPTIONS, log_folder=Path("logs")))
        subprocess.run(["sbatch", "agents.sh"], check=True)
        wait_for_epochs(runs[0].folder, 2)
        first = next(number for number in range(2) if "--seed=0" in Path(f"logs/1_{number}.log").read_text())
        subprocess.run(["scancel", "--batch", "--signal=USR1", f"1_{first}"], check=True)
        wait_for_an_empty_queue()
        served = sorted((run.config["seed"], run.state, run.handed_out) for run in server.runs.values())
    assert served == [(0, "finished", 2), (1, "finished", 1)]
    for run in runs:
        assert RunRecord.read(run.folder).status == "finished"
        assert [row["epoch"] for row in history(run.folder)] == [str(epoch) for epoch in range(100)]


def test_a_sweep_that_another_process_is_submitting_is_refused(cluster):
    sweep = toy_plan()
    sweep.folder.mkdir(parents=True)
    with locked(sweep.folder / "sweep"), pytest.raises(InputError, match="is working on this sweep; wait for it"):
        submit(sweep, OPTIONS)
    assert cluster.tasks() == []
    assert submit(sweep, OPTIONS)[0] == "0 finished, 0 queued or running, 3 left to submit"
