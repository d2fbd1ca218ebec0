"""The command line of a sweep, and who carries it out: this machine, SLURM, agents of W&B."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from vae_rd import sweep
from vae_rd.config.fields import FitConfig
from vae_rd.config.packs import packs_of
from vae_rd.experiment.packing import fit_packed
from vae_rd.launch.local import launcher as local
from vae_rd.launch.points.sweep_file import COMMAND
from vae_rd.launch.slurm import launcher as slurm
from vae_rd.launch.slurm.launcher import SlurmOptions
from vae_rd.launch.wandb import agents, api
from vae_rd.launch.wandb import launcher as by_agents
from vae_rd.launch.wandb.launcher import agent_script

from helpers.stand_in_slurm import StandInSlurm
from walk.runs import held_by_another
from walk.steps import OWN, SMALL, Call, Step, changed_variable, each, limited, step, without, written

FIXED = [flag for flag in (*SMALL, *OWN) if "wandb" not in flag]


def file(**changes: Any) -> Call:
    content = {"command": COMMAND, "method": "grid", "parameters": {"beta": {"values": [1, 4]}}} | changes
    return written("sweep.yaml", json.dumps(content))


def swept(*words: str, wandb: str = "off") -> Call:
    return lambda: sweep.main([*words, *FIXED, f"--wandb={wandb}"])


def planned(*words: str, at: str = "sweep.yaml") -> Call:
    """The commands of the sweep's runs."""
    return swept(at, "--dry_run", *words)


def of_words(says: str, words: tuple[str, ...], *instead: tuple[str, ...]) -> Step:
    return step(says, planned(*words), *(planned(*other) for other in instead), before=file())


RUN = swept("sweep.yaml", "--jobs=1")
SEEDS = file(parameters={"seed": {"values": [0, 1]}})
LEDGER = Path("runs/sweep/sweep.json")
LINE = [
    of_words(
        "--partition belongs to --launcher slurm; add it, or leave --partition out",
        ("--partition=x",),
        ("--partition=x", "--launcher=slurm"),
        (),
    ),
    of_words("--search_seed: a grid draws nothing; leave it out", ("--search_seed=1",), ()),
    step("give its parameter seed several values", planned("--search_seed=1"), each(SEEDS, planned()), before=file()),
    of_words(
        "W&B's server draws the points of its sweeps; leave it out",
        ("--launcher=wandb", "--search_seed=1"),
        ("--launcher=wandb",),
    ),
    of_words(
        "--at_once limits the tasks at a time", ("--launcher=slurm", "--jobs=2"), ("--launcher=slurm", "--at_once=2")
    ),
    of_words("--ensemble_chunk belongs to --launcher packed; add it", ("--ensemble_chunk=2",), ()),
    step(
        "runs differ by the file, as in beta: {values: [...]}",
        planned("--beta=1", "--beta=4"),
        planned(),
        before=file(),
    ),
    of_words("goes into the sweep file's command, before ${args}", ("--config=c.yaml",), ()),
    of_words("--jobs: 0: give a whole number from 1 on", ("--jobs=0",), ("--jobs=1",)),
    of_words("give a whole number from 0 to 9223372036854775807", ("--launcher=local", f"--search_seed={2**64}"), ()),
    step("the file stands before all flags", planned(at="4"), planned(), before=file()),
    step(
        "--resume never: a sweep always goes on with what is there; leave it out",
        planned(),
        each(file(), planned()),
        before=file(command=[*COMMAND[:4], "--resume=never", COMMAND[4]]),
    ),
    step(
        "are one run; leave one of them out",
        RUN,
        each(file(parameters={"beta": {"values": [1]}}), RUN),
        before=file(parameters={"beta": {"values": [1, 1.0]}}),
    ),
]


def suggested(*words: str) -> Call:
    return lambda: sweep.main(["--suggest", *FIXED, "--wandb=off", *words])


SUGGESTIONS = [
    step("--beta: is what --suggest chooses; leave it out", suggested("--beta=4"), suggested()),
    step(
        "remove it, or name another file",
        suggested("-o", "sweep.yaml"),
        suggested("-o", "other.yaml"),
        each(Path("sweep.yaml").unlink, suggested("-o", "sweep.yaml"), planned()),
        before=file(),
    ),
    step(
        "write the betas yourself, as in sweeps/beta.yaml",
        suggested("--posterior=categorical", "--prior=categorical"),
        swept("sweep.yaml", "--dry_run", "--posterior=categorical", "--prior=categorical"),
        before=file(),
    ),
]
PACKED = swept("sweep.yaml", "--launcher=packed", "--jobs=1")
SEARCH = {"run_cap": 2, "metric": {"name": "val/objective"}, "parameters": {"lr": {"min": 1e-3, "max": 1e-2}}}
BANDS = {"early_terminate": {"type": "hyperband", "min_iter": 1}, "metric": {"name": "val/objective"}}
BANDS |= {"parameters": {"lr": {"values": [1e-3, 1e-2]}}}
KINDS = [FitConfig(latent_dim=d, max_steps=2, hidden=[8], n_train=256, wandb="off") for d in (2, 3)]
PACKS = [
    step(
        "a search decides on a run when others have ended; use --launcher local",
        PACKED,
        swept("sweep.yaml", "--dry_run"),
        before=file(method="bayes", **SEARCH),
    ),
    step(
        "early_terminate stops runs by others' results; use --launcher local", PACKED, planned(), before=file(**BANDS)
    ),
    step(
        "are both of packs at a time, each on a device; give one of them",
        swept("sweep.yaml", "--launcher=packed", "--devices=2", "--jobs=3"),
        PACKED,
        before=file(),
    ),
    step(
        "give those of one network and one data set, as packs_of says",
        lambda: fit_packed(KINDS),
        lambda: [fit_packed([KINDS[k] for k in places]) for places in packs_of(KINDS)],
    ),
]
NODES = file(parameters={"beta": {"values": [1, 4]}, "num_nodes": {"value": 2}})
LOCAL = [
    step("a sweep's runs are each on one machine; use --devices", RUN, each(file(), RUN), before=NODES),
    step(
        "damaged; remove it, the runs' own records stay and count",
        RUN,
        each(LEDGER.unlink, RUN),
        before=each(file(), written("runs/sweep/sweep.json", "{")),
    ),
    step(
        "pip install 'vae_rd[bayes]'",
        without("optuna", RUN),
        RUN,
        before=file(
            method="bayes", run_cap=2, metric={"name": "val/objective"}, parameters={"lr": {"min": 1e-3, "max": 1e-2}}
        ),
    ),
    step(
        "ask for no more, or add --accelerator cpu",
        limited(
            local,
            "gpus_for",
            lambda config: ["0"] if config.accelerator != "cpu" else [],
            swept("sweep.yaml", "--devices=2"),
        ),
        swept("sweep.yaml", "--devices=1"),
        before=file(parameters={"beta": {"values": [1]}}),
    ),
    step(
        "is working on this sweep; wait for it or choose another --run_dir",
        held_by_another(RUN, "runs/sweep/sweep"),
        RUN,
        held_by_another(swept("sweep.yaml", "--jobs=1", "--run_dir=b"), "runs/sweep/sweep"),
        before=each(file(), RUN),
    ),
]


def cluster(**changes: Any) -> Call:
    """A stand-in for SLURM, and a sweep file."""

    def make() -> None:
        changed_variable({"PATH": StandInSlurm(Path("cluster").absolute()).path})()
        file(**changes)()

    return make


def answering(program: str, script: str) -> Callable[[], None]:
    """A program of SLURM's that does something else."""
    return lambda: Path("cluster/bin", program).write_text(f"#!/bin/sh\n{script}\n") and None


def again() -> None:
    Path("cluster/bin/squeue").write_text("#!/bin/sh\n")


SUBMIT = swept("sweep.yaml", "--launcher=slurm")
JOBS = Path("runs/sweep/slurm/jobs.json")
SLURM = [
    step(
        "SLURM: minutes 2: give 3 or more",
        swept("sweep.yaml", "--launcher=slurm", "--minutes=2"),
        swept("sweep.yaml", "--launcher=slurm", "--minutes=3"),
        before=cluster(),
    ),
    step(
        "a task of the array is on one machine; use --devices",
        SUBMIT,
        each(file(), SUBMIT),
        before=cluster(parameters={"beta": {"values": [1, 4]}, "num_nodes": {"value": 2}}),
    ),
    step(
        "choose another --run_dir", swept("sweep.yaml", "--launcher=slurm", "--run_dir=a%b"), SUBMIT, before=cluster()
    ),
    step(
        "give the command on a login node of the cluster",
        SUBMIT,
        each(cluster(), SUBMIT),
        before=each(file(), changed_variable({"PATH": "/nowhere"})),
    ),
    step(
        "pip install vae_rd[slurm]",
        limited(slurm.importlib.util, "find_spec", lambda name: None, SUBMIT),
        SUBMIT,
        before=cluster(),
    ),
    step(
        "mend what it names, or ask for something else",
        swept("sweep.yaml", "--launcher=slurm", "--partition=none"),
        swept("sweep.yaml", "--launcher=slurm", "--partition=main"),
        before=each(cluster()),
    ),
    step(
        "give the command again later",
        limited(slurm, "ANSWER_SECONDS", 0.2, SUBMIT),
        each(again, SUBMIT),
        before=each(cluster(), SUBMIT, answering("squeue", "sleep 2")),
    ),
    step(
        "give the command again later",
        SUBMIT,
        each(again, SUBMIT),
        before=each(cluster(), SUBMIT, answering("squeue", "echo squeue: error: Unable to contact >&2; exit 1")),
    ),
    step(
        "remove it once squeue --me shows no job of this sweep",
        SUBMIT,
        each(JOBS.unlink, SUBMIT),
        before=each(cluster(), written("runs/sweep/slurm/jobs.json", "{")),
    ),
    step(
        "use --launcher wandb",
        SUBMIT,
        each(file(), SUBMIT),
        before=cluster(
            method="bayes", run_cap=2, metric={"name": "val/objective"}, parameters={"lr": {"min": 1e-3, "max": 1e-2}}
        ),
    ),
]


def script(sweep: str = "me/betas/abc", tasks: int = 2) -> Call:
    return lambda: agent_script(sweep, tasks=tasks, options=SlurmOptions(), log_folder=Path("logs"))


def served(place: ModuleType, call: Call, **answer: Any) -> Call:
    """A call for which a W&B server has this answer."""
    return limited(place, "ask", lambda *_, **__: {"path": "me/betas/abc", "url": "", **answer}, call)


def client(program: str, call: Call, **more: Any) -> Call:
    """A call for which W&B's client is another program."""
    run = subprocess.run

    def other(words: list[str], **settings: Any) -> Any:
        return run([sys.executable, "-c", program] if "vae_rd.launch.wandb.api" in words else words, **settings)

    return limited(api.subprocess, "run", other, call)


BY_AGENTS = swept("sweep.yaml", "--launcher=wandb", wandb="online")
AUTO = swept("sweep.yaml", "--launcher=wandb", wandb="auto")
WITHOUT_SERVER = each(swept("sweep.yaml", "--jobs=1"))


def without_agents(call: Call) -> Call:
    """A call that starts no agent once the sweep is on the server."""
    return limited(by_agents, "run_agents", lambda *_, **__: 0, served(agents, call))


WANDB = [
    step(
        "add --wandb auto",
        swept("sweep.yaml", "--launcher=wandb"),
        each(changed_variable({"WANDB_MODE": None}), without_agents(AUTO)),
        before=file(),
    ),
    step(
        "unset it, or add --wandb online",
        AUTO,
        without_agents(BY_AGENTS),
        each(changed_variable({"WANDB_MODE": None}), without_agents(AUTO)),
        before=file(),
    ),
    step("give ENTITY/PROJECT/SWEEP_ID and one task or more", script(tasks=0), script()),
    step("give ENTITY/PROJECT/SWEEP_ID and one task or more", script("abc"), script()),
    step(
        "name a file in a folder that exists",
        swept("sweep.yaml", "--launcher=slurm", "--script=none/x.sh", wandb="online"),
        without_agents(swept("sweep.yaml", "--launcher=slurm", "--script=x.sh", wandb="online")),
        before=file(),
    ),
    step(
        "--launcher local needs no server",
        client('print(\'{"refused": "no"}\')', BY_AGENTS),
        WITHOUT_SERVER,
        before=each(file()),
    ),
    step(
        "--launcher local needs no server",
        client("raise SystemExit(1)", BY_AGENTS),
        WITHOUT_SERVER,
        before=each(file()),
    ),
    step(
        "W&B: no answer in 0.3 s; --launcher local needs no server",
        limited(api.ask, "__kwdefaults__", {"seconds": 0.3}, client("import time; time.sleep(9)", BY_AGENTS)),
        WITHOUT_SERVER,
        before=each(file()),
    ),
]
STEPS: list[Step] = [*LINE, *SUGGESTIONS, *PACKS, *LOCAL, *SLURM, *WANDB]
