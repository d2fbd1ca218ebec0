"""Commands whose output nobody takes, whose disk takes nothing or whose terminal ends, as processes of their own."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from opening.cases import Case, ensure, environment
from vae_rd.errors import InputError

TOY = "--data=npz --data_file=own.npz '--hidden=[8]' --latent_dim=2 --batch_size=8 --max_epochs=200 --wandb=off"
FILE = """
command: ["${env}", "${interpreter}", "-m", "vae_rd.fit", "${args}"]
method: grid
parameters: {beta: {values: [1, 4]}}
"""
# What is asked of Python, and whether its text is all that was asked for.
COMMANDS: Mapping[str, tuple[str, bool]] = {
    "fit": (f"-m vae_rd.fit {TOY} --name=new --resume=auto", False),
    "evaluate": ("-m vae_rd.evaluate runs/mine", False),
    "sweep": (f"-m vae_rd.sweep two.yaml {TOY} --jobs=1", False),
    "table": ("-m analysis table runs/mine", True),
    "plane": ("-m analysis plane runs/mine -o plane.svg", True),
    "fit --help": ("-m vae_rd.fit --help", True),
    "sweep --help": ("-m vae_rd.sweep --help", True),
    "sweep --dry_run": ("-m vae_rd.sweep two.yaml --dry_run", True),
    "analysis --help": ("-m analysis --help", True),
    "a bad flag": ("-m vae_rd.fit --beta=-1", True),
}
SINKS = ("| head -1 > first", "| true", "> /dev/full", "2> /dev/full", ">&-", "2>&-", "> /dev/full 2>&1")
PLACES = ("file/below", "/proc/none", "/dev/full/below")
UNWRITABLE: Mapping[str, str] = {
    "fit": f"-m vae_rd.fit {TOY} --run_dir=PLACE",
    "sweep": f"-m vae_rd.sweep two.yaml {TOY} --run_dir=PLACE",
    "table": "-m analysis table runs/mine -o PLACE/t.md",
    "plane": "-m analysis plane runs/mine -o PLACE/p.svg",
}
HANGUPS = ("fit", "sweep", "evaluate")


class Undisturbed(NamedTuple):
    """The same commands with nothing in their way.

    Attributes:
        folder: with a finished run, a sweep file, and a file that is no folder.
        seconds: what a fit takes from the start of Python on.
        metrics: of the runs by their names.
    """

    folder: Path
    seconds: float
    metrics: Mapping[str, Any]


def cases(seed: int, count: int) -> Iterator[Case]:
    """So many of all pairs of a command and a fault, drawn without repetition."""
    draw = random.Random(f"{seed} sinks")
    pairs = [("sink", command, sink) for command in COMMANDS for sink in SINKS]
    pairs += [("place", command, place) for command in UNWRITABLE for place in PLACES]
    pairs += [("hangup", command, f"{number}") for command in HANGUPS for number in range(4)]
    draw.shuffle(pairs)
    with tempfile.TemporaryDirectory() as top:
        whole = undisturbed(Path(top)) if count else None
        for kind, command, fault in pairs[:count]:
            if kind == "hangup":
                moment = draw.uniform(0, whole.seconds)
                yield Case(
                    f"sink: {command}, SIGHUP at {moment:.2f} s", "right", partial(_hangup, whole, command, moment)
                )
            elif kind == "place":
                yield Case(f"sink: {command} to {fault}", "refused", partial(_place, whole, command, fault))
            else:
                expected = "refused" if command == "a bad flag" else "right"
                yield Case(f"sink: {command} {fault}", expected, partial(_sink, whole, command, fault))


def undisturbed(top: Path) -> Undisturbed:
    """Run everything once."""
    (top / "two.yaml").write_text(FILE)
    (top / "file").write_text("x")
    np.savez(top / "own.npz", images=np.random.default_rng(0).integers(0, 2, (60, 4, 4)))
    seconds = []
    for words in (f"-m vae_rd.fit {TOY} --name=mine", COMMANDS["sweep"][0], COMMANDS["plane"][0]):
        began = time.monotonic()
        code, said = shell(words, top)
        seconds.append(time.monotonic() - began)
        if code != 0:
            raise RuntimeError(f"{words}: exit code {code}: {said}")
    return Undisturbed(top, seconds[0], metrics_of(top))


def metrics_of(folder: Path) -> dict[str, Any]:
    """Of all finished runs below a folder."""
    records = [json.loads(path.read_text()) for path in folder.rglob("record.json")]
    return {record["name"]: record["metrics"] for record in records if record["status"] == "finished"}


def shell(words: str, folder: Path) -> tuple[int, str]:
    """Exit code of a line of bash after `python`, and all that it prints to a standard error that is open."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} {words}"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr


def _prepared(whole: Undisturbed) -> None:
    """What the commands need, in the working directory."""
    shutil.copytree(whole.folder / "runs" / "mine", "runs/mine")
    for name in ("two.yaml", "file", "own.npz"):
        shutil.copy(whole.folder / name, name)


def _sink(whole: Undisturbed, command: str, sink: str) -> None:
    _prepared(whole)
    words, is_text = COMMANDS[command]
    code, said = shell(f"{words} {sink}", Path())
    check_said(code, said, is_heard=command != "a bad flag" or "2>" not in sink)
    is_refused_by_disk = is_text and ("> /dev/full" in sink.replace("2> /dev/full", "") or sink == ">&-")
    codes = {0, 1} if is_refused_by_disk else {0}
    ensure(code in codes, f"exit code {code}: {said!r}")
    ensure(code == 0 or "2>" in sink or said.startswith("failed: standard output"), f"exit code 1 with {said!r}")
    _check_work(whole, command)


def _place(whole: Undisturbed, command: str, place: str) -> None:
    _prepared(whole)
    code, said = shell(UNWRITABLE[command].replace("PLACE", place), Path())
    check_said(code, said)


def _hangup(whole: Undisturbed, command: str, moment: float) -> None:
    """The end of a terminal comes to the whole group; the same command then goes on to the same numbers."""
    _prepared(whole)
    words = ["bash", "-c", f"exec {sys.executable} {COMMANDS[command][0]}"]
    process = subprocess.Popen(
        words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGHUP)
    _, said = process.communicate(timeout=120)
    check_said(process.returncode, said)
    ensure(process.returncode in (0, -signal.SIGHUP, 128 + signal.SIGHUP), f"exit code {process.returncode}: {said!r}")
    status = [json.loads(path.read_text())["status"] for path in Path().rglob("record.json")]
    ensure("running" not in status, f"records are {status}")
    code, said = shell(COMMANDS[command][0], Path())
    ensure(code == 0, f"afterwards exit code {code}: {said!r}")
    _check_work(whole, command)


def check_said(code: int, said: str, *, is_heard: bool = True) -> None:
    """No traceback, and a refusal is one line.

    Raises:
        InputError: for exit code 2.
    """
    if "Traceback" in said:
        raise RuntimeError(f"exit code {code}: {said}")
    if code == 2:
        ensure(not is_heard or (said.startswith("error: ") and said.count("\n") == 1), f"exit code 2 with {said!r}")
        raise InputError(said.removeprefix("error: ").rstrip("\n"))
    ensure(said.count("\n") <= 1, f"it says {said!r}")


def _check_work(whole: Undisturbed, command: str) -> None:
    """What a command leaves is what it leaves without a fault."""
    found, wanted = metrics_of(Path()), whole.metrics
    made = {"fit": ["new"], "sweep": [name for name in wanted if name != "mine"]}.get(command, [])
    for name in ["mine", *made]:
        ensure(name in found, f"{name} is not finished")
        ensure(found[name] == wanted["mine" if name == "new" else name], f"the metrics of {name} are others")
    if command == "plane":
        ensure(Path("plane.csv").read_bytes() == (whole.folder / "plane.csv").read_bytes(), "plane.csv is another")
    if command == "evaluate":
        record = json.loads(Path("runs/mine/record.json").read_text())
        ensure(record["status"] == "finished", f"the record says {record['status']}")
