"""A user of W&B's real client and a server of our own: what tests of sweeps by agents share."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from vae_rd.config.fields import FitConfig, to_dict
from vae_rd.run.record import RunRecord

from helpers.common import ROOT
from helpers.wandb_server import WandbServer

TOY = {"n_train": 256, "n_test": 256, "hidden": [8], "latent_dim": 2, "batch_size": 64, "eval_samples": 2}
LONG = 1_000_000  # Epochs: it ends because something ends it.


def toy(file: Path, run_dir: Path, **changes: Any) -> dict[str, Any]:
    """A sweep file's content at toy size: what it varies stays, unless `changes` has other choices."""
    content = yaml.safe_load(file.read_text())
    parameters = content["parameters"]
    fixed = {**TOY, "max_epochs": 2, "run_dir": str(run_dir)}
    for name, value in fixed.items():
        if "value" in parameters.setdefault(name, {"value": value}):
            parameters[name] = {"value": value}
    for name, value in changes.items():
        parameters[name] = {"values" if isinstance(value, list) else "value": value}
    return content


def config_of(content: dict[str, Any], **point: Any) -> dict[str, Any]:
    """The config of a run of the sweep, at a point of what it varies."""
    fixed = {name: spec["value"] for name, spec in content["parameters"].items() if "value" in spec}
    return to_dict(FitConfig(**{**fixed, **point}))


@dataclass(frozen=True)
class User:
    """Somebody who is logged in to the server, with an empty home folder."""

    home: Path
    server: WandbServer

    @property
    def environment(self) -> dict[str, str]:
        others = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "XDG_"))}
        here = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(self.home)}
        path = os.pathsep.join([str(Path(sys.executable).parent), others["PATH"]])
        return {**others, **here, "PATH": path, **self.server.environment()}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`python ARGUMENTS...`, with all that it says in one pipe."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def sweep(self, content: dict[str, Any], name: str = "sweep") -> str:
        """ENTITY/PROJECT/ID of a new sweep, by `wandb sweep`."""
        file = self.home / f"{name}.yaml"
        file.write_text(yaml.safe_dump({"project": "toys", **content}))
        said = whole(self.start("-m", "wandb", "sweep", str(file)))
        return said.rpartition("wandb agent ")[2].strip()

    def agent(self, path: str, *options: str) -> subprocess.Popen[str]:
        return self.start("-m", "wandb", "agent", "-f", *options, path)


def whole(process: subprocess.Popen[str], *, code: int = 0) -> str:
    """What the process says until it ends."""
    said = process.communicate(timeout=200)[0]
    assert process.returncode == code, said
    return said


def wait_for(condition, *processes: subprocess.Popen[str], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in processes), [process.communicate()[0] for process in processes]
        time.sleep(0.02)


@contextmanager
def a_user(home: Path) -> Iterator[User]:
    home.mkdir(parents=True, exist_ok=True)
    with WandbServer() as server:
        yield User(home, server)


def records_in(folder: Path) -> list[RunRecord]:
    return [RunRecord.read(path.parent) for path in sorted(folder.glob("*/record.json"))]


def fits(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The fits that the process has started, by whatever way."""
    return [child for child in psutil.Process(process.pid).children(recursive=True) if "vae_rd.fit" in child.cmdline()]


def launch(user: User, path: str, folder: Path, *, jobs: int) -> subprocess.Popen[str]:
    """`run_agents` as a command of its own."""
    script = (
        "import sys; from pathlib import Path\n"
        "from vae_rd.process.command import run_command; from vae_rd.launch.wandb.agents import run_agents\n"
        f"slots = [{{'OMP_NUM_THREADS': '1'}} for _ in range({jobs})]\n"
        f"act = lambda: run_agents({path!r}, Path({str(folder)!r}), slots=slots)\n"
        "sys.exit(run_command(act, goes_on='give the command again'))"
    )
    return user.start("-c", script)
