"""A real SLURM of one machine on the loopback: munged, slurmctld and slurmd, started in a folder of their own."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "squeue", "scontrol", "scancel", "sinfo")
START_SECONDS = 60.0
PARTITION = "main"

# A requeued job waits until its credential has expired. Without an accounting database there is no sacct.
CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={daemon_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1
MpiDefault=none
ReturnToService=2
KillWait=15
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName={partition} Nodes=ALL Default=YES MaxTime=60 State=UP
"""


def missing() -> str | None:
    """Why no cluster can be started here, if it cannot."""
    absent = [name for name in (*DAEMONS, *COMMANDS) if _program(name) is None]
    return f"{', '.join(absent)} not installed (Debian: apt-get install slurm-wlm munge)" if absent else None


@contextmanager
def slurm_cluster(*, cpus: int = 2) -> Iterator[dict[str, str]]:
    """Within the block the cluster runs; gives the environment variables with which its commands find it.

    Args:
        cpus: of its only node, whatever the machine has.
    """
    # A socket's path has at most 107 characters, fewer than a path of pytest's may have.
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm.")))
        environment = {**os.environ, "SLURM_CONF": str(_configured(folder, cpus))}
        stack.callback(_kill_all, environment["SLURM_CONF"])
        _start(stack, folder, _munged(folder), environment)
        _wait_for((folder / "munge.socket").exists, folder)
        _start(stack, folder, ["slurmctld", "-D"], environment)
        _start(stack, folder, ["slurmd", "-D"], environment)
        _wait_for(lambda: _said(["sinfo", "--noheader", "--format=%T"], environment) == "idle", folder)
        stack.callback(_cancel_all, environment)
        yield {"SLURM_CONF": environment["SLURM_CONF"]}


def _configured(folder: Path, cpus: int) -> Path:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(1024))
    ports = _free_ports()
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().split(".")[0],
            user=getpass.getuser(),
            controller_port=ports[0],
            daemon_port=ports[1],
            folder=folder,
            cpus=cpus,
            partition=PARTITION,
        )
    )
    return configuration


def _munged(folder: Path) -> list[str]:
    files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed"}
    return ["munged", "--foreground", "--force", *(f"--{option}={folder / file}" for option, file in files.items())]


def _start(stack: ExitStack, folder: Path, command: Sequence[str], environment: dict[str, str]) -> None:
    log = stack.enter_context((folder / f"{command[0]}.out").open("w"))
    program = _program(command[0])
    assert program is not None, missing()
    daemon = subprocess.Popen([program, *command[1:]], env=environment, stdout=log, stderr=log, start_new_session=True)
    stack.callback(daemon.wait)
    stack.callback(daemon.terminate)


def _wait_for(condition, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            logs = "\n".join(f"{path.name}:\n{path.read_text()}" for path in sorted(folder.glob("*.out")))
            raise RuntimeError(f"SLURM has not started within {START_SECONDS:.0f} s\n{logs}")
        time.sleep(0.1)


def _cancel_all(environment: dict[str, str]) -> None:
    subprocess.run(["scancel", f"--user={getpass.getuser()}"], env=environment, check=False)
    deadline = time.monotonic() + 20
    while _said(["squeue", "--noheader"], environment) and time.monotonic() < deadline:
        time.sleep(0.1)


def _kill_all(configuration: str) -> None:
    """End what is left: slurmd starts its helpers and jobs outside its own session."""
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("SLURM_CONF") == configuration:
                process.kill()
        except psutil.Error:
            continue  # It has ended meanwhile, or is not ours to look at.


def _said(command: Sequence[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout.strip()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
