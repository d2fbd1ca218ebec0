"""A stand-in for SLURM where none is installed: its commands on PATH, and tasks that run when a test says so.

    cluster = StandInSlurm(folder)
    monkeypatch.setenv("PATH", cluster.path)
    ...                                # What calls sbatch.
    cluster.run("1_0")                 # Runs that task as a local process, to its end.

It knows the options that SLURM's manual lists and that this project uses; any other is refused, as a real one refuses
what its site has not configured. A requeued task is sent SIGCONT and SIGTERM, as SLURM does.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

COMMANDS = ("sbatch", "squeue", "scontrol", "srun", "scancel")
PARTITION = "main"
VALUED = ("array", "cpus-per-task", "gpus-per-node", "job-name", "mem", "nodes", "open-mode", "output", "partition")
TIMED = ("signal", "time")
FLAGS = ("requeue", "no-requeue")


class Refused(Exception):
    """What a command says on stderr before it ends with exit code 1."""


@dataclass
class Task:
    """A task of an array, or a job by itself; `id` is what squeue shows."""

    id: str
    script: str
    options: dict[str, Any]
    state: str = "PENDING"
    restarts: int = 0
    pid: int | None = None
    codes: list[int] = field(default_factory=list)

    @property
    def log(self) -> Path:
        job, _, number = self.id.partition("_")
        return Path(self.options["output"].replace("%A", job).replace("%j", job).replace("%a", number))

    def environment(self) -> dict[str, str]:
        main, _, number = self.id.partition("_")
        array = {"SLURM_ARRAY_JOB_ID": main, "SLURM_ARRAY_TASK_ID": number} if number else {}
        restarts = {"SLURM_RESTART_COUNT": str(self.restarts)} if self.restarts else {}
        alone = dict.fromkeys(("SLURM_PROCID", "SLURM_NODEID", "SLURM_LOCALID"), "0")
        single = dict.fromkeys(("SLURM_NTASKS", "SLURM_NNODES", "SLURM_JOB_NUM_NODES"), "1")
        own_id = str(int(main) * 1000 + int(number)) if number else main
        return (
            {"SLURM_JOB_ID": own_id, "SLURM_JOB_NAME": self.options["job-name"], **array, **restarts} | alone | single
        )


class StandInSlurm:
    """The cluster as a test sees it; its state is files, because its commands are processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "tasks").mkdir()
        for name in COMMANDS:
            program = folder / "bin" / name
            program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -S '{__file__}' {name} '{folder}' \"$@\"\n")
            program.chmod(0o755)

    @property
    def path(self) -> str:
        """PATH with the commands in front."""
        return f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def tasks(self) -> list[Task]:
        """All tasks in the order of their submission."""
        return sorted((_read(path) for path in (self.folder / "tasks").iterdir()), key=lambda t: _number(t.id))

    def task(self, name: str) -> Task:
        return _read(self.folder / "tasks" / name)

    def run(self, name: str, *, meanwhile: Callable[[Task], None] = lambda task: None) -> int:
        """Run a pending task once; `meanwhile` is called while it runs. Its exit code."""
        task = self.task(name)
        assert task.state == "PENDING", task
        with task.log.open("a") as log:
            process = subprocess.Popen(
                ["bash", task.script], env={**os.environ, **task.environment()}, stdout=log, stderr=log
            )
            task.state, task.pid = "RUNNING", process.pid
            self._write(task)
            try:
                meanwhile(task)
                code = process.wait(timeout=120)
            finally:
                process.kill()
                process.wait()
        task = self.task(name)  # scontrol may have changed it.
        requeued = task.state == "REQUEUED"
        task.state = "PENDING" if requeued else "COMPLETED" if code == 0 else "FAILED"
        task.restarts, task.pid, task.codes = task.restarts + requeued, None, [*task.codes, code]
        self._write(task)
        return code

    def settle(self, name: str, state: str) -> None:
        """Let a task have ended."""
        task = self.task(name)
        task.state = state
        self._write(task)

    def sbatch(self, arguments: Sequence[str]) -> str:
        script = Path(*arguments)
        options = _directives(script.read_text())
        if options.get("partition", PARTITION) != PARTITION:
            raise Refused(
                f"invalid partition specified: {options['partition']}\n"
                "sbatch: error: Batch job submission failed: Invalid partition name specified"
            )
        job = 1 + max((_number(task.id)[0] for task in self.tasks()), default=0)
        count = int(re.fullmatch(r"0-(\d+)%\d+", options["array"])[1]) + 1 if "array" in options else 0
        kept = self.folder / f"{job}.sh"
        kept.write_text(script.read_text())
        for name in [f"{job}_{number}" for number in range(count)] or [str(job)]:
            self._write(Task(name, str(kept), options))
        return f"Submitted batch job {job}"

    def squeue(self, arguments: Sequence[str]) -> str:
        assert sorted(arguments) == ["--array", "--format=%i", "--me", "--noheader"], arguments
        return "\n".join(task.id for task in self.tasks() if task.state in ("PENDING", "RUNNING", "REQUEUED"))

    def scontrol(self, arguments: Sequence[str]) -> str:
        word, name = arguments
        assert word == "requeue", arguments
        task = self.task(name)
        if "requeue" not in task.options:
            raise Refused(f"Requested operation is presently disabled for job {name}")
        task.state = "REQUEUED"
        self._write(task)
        for signum in (signal.SIGCONT, signal.SIGTERM):
            os.kill(task.pid, signum)
        return ""

    def _write(self, task: Task) -> None:
        staged = self.folder / f"{task.id}.tmp"
        staged.write_text(json.dumps(asdict(task)))
        staged.replace(self.folder / "tasks" / task.id)


def _read(path: Path) -> Task:
    return Task(**json.loads(path.read_text()))


def _number(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split("_"))


def _directives(text: str) -> dict[str, Any]:
    """The options of a script, which end at its first command."""
    head = text.split("\nexport ", 1)[0]
    words = [line.removeprefix("#SBATCH ") for line in head.splitlines() if line.startswith("#SBATCH ")]
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    for name in (*VALUED, *TIMED):
        parser.add_argument(f"--{name}", dest=name)
    for name in FLAGS:
        parser.add_argument(f"--{name}", dest=name, action="store_true")
    known, unknown = parser.parse_known_args([word.replace("'", "") for word in words])
    if unknown:
        raise Refused(f"unrecognized option '{unknown[0]}'")
    options = {name: value for name, value in vars(known).items() if value not in (None, False)}
    if not re.fullmatch(r"(B:)?USR[12]@\d+", options.get("signal", "USR1@90")):
        raise Refused("Invalid --signal specification")
    return options


def main(command: str, folder: str, *arguments: str) -> int:
    cluster = StandInSlurm.__new__(StandInSlurm)
    cluster.folder = Path(folder)
    try:
        print(getattr(cluster, command)(arguments))
    except Refused as refusal:
        print(f"{command}: error: {refusal}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
