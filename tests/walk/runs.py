"""Runs that are there already: their folders, records, checkpoints and locks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import vae_rd
from vae_rd import FitConfig
from vae_rd.run import folder as folder_module
from vae_rd.run import lock
from vae_rd.run.checkpoints import read_checkpoint
from vae_rd.run.folder import KEPT, LAST, PREVIOUS

from helpers.own import own_vae
from walk.networks import data
from walk.steps import BITS, Call, Step, archive, each, evaluated, fitted, limited, step, written

RUN = Path("runs/a")
NAMED = ("--name=a", "--max_epochs=1", "--max_steps=null")
FITTED = fitted(*NAMED)
AGAIN = fitted(*NAMED, "--resume=auto")
ANEW = fitted(*NAMED, "--overwrite")
LONGER = fitted("--name=a", "--max_epochs=2", "--max_steps=null", "--resume=auto")
OTHER = fitted("--name=b", "--max_epochs=1", "--max_steps=null")
EVALUATED = evaluated("runs/a")


def changed(**fields: Any) -> Callable[[Path], object]:
    """A record with other fields; without those that are `...`."""

    def change(folder: Path) -> None:
        content = json.loads((folder / "record.json").read_text()) | fields
        kept = {name: value for name, value in content.items() if value is not Ellipsis}
        (folder / "record.json").write_text(json.dumps(kept))

    return change


def unsealed(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """A change of files of which the record knows no checksum."""
    return lambda folder: [change(folder), changed(files={})(folder)]


# What can happen to a finished run; to fit it again is the remedy of them all.
DAMAGE: dict[str, Callable[[Path], object]] = {
    "no JSON": lambda folder: (folder / "record.json").write_text("{"),
    "another schema": changed(schema_version=99),
    "a field is missing": changed(metrics=...),
    "a field of another type": changed(seconds="long"),
    "another kept checkpoint": lambda folder: (folder / KEPT).write_bytes(b"another"),
    "no kept checkpoint": lambda folder: (folder / KEPT).unlink(),
    "no kept checkpoint, and a record that knows of none": unsealed(lambda folder: (folder / KEPT).unlink()),
    "a damaged one, and a record that knows of none": unsealed(lambda folder: (folder / KEPT).write_bytes(b"another")),
}


def after_fit(change: Callable[[Path], object] = lambda folder: None) -> Call:
    return each(FITTED, lambda: change(RUN))


def interrupted(change: Callable[[Path], object] = lambda folder: None) -> Call:
    """A run that has ended early after an epoch, changed."""
    return after_fit(lambda folder: [changed(status="interrupted")(folder), change(folder)])


def without(*names: str) -> Callable[[Path], object]:
    return lambda folder: [(folder / name).unlink(missing_ok=True) for name in names]


def rewritten(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """A checkpoint that says something else."""

    def rewrite(folder: Path) -> None:
        content = read_checkpoint(folder / name)
        change(content)
        torch.save(content, folder / name)

    return rewrite


def python(
    name: str = "a", *, own_data: bool = False, flags: bool = False, model: Call | None = own_vae, **fields: Any
) -> Call:
    """A fit from Python, of one's own network or data."""
    place = {} if own_data or flags else {"data": "npz", "data_file": "bits.npz"}
    settings = {"name": name, "batch_size": 8, "eval_samples": 2, "wandb": "off", "max_epochs": 1, "resume": "auto"}
    config = FitConfig(**(settings | place | fields))
    return lambda: vae_rd.fit_model(config, model=model and model(), data=data() if own_data else None)


def wider() -> vae_rd.VAE:
    return own_vae(hidden=9)


def held_by_another(call: Call, place: str = "runs/a") -> Call:
    """A call while another process is at work there: to the system, a lock that is taken by another opening of it."""

    def made() -> object:
        with lock.locked(Path(place)):
            return call()

    return made


def blocked() -> None:
    lock.lock_file(RUN).symlink_to("elsewhere")


@contextmanager
def raced(folder: Path) -> Iterator[None]:
    """In the place of the run's lock: another process that has come first."""
    shutil.copytree(folder.with_name("other"), folder)
    try:
        yield
    finally:
        shutil.rmtree(folder)


LOCK = lock.lock_file
DAMAGED = [
    step("fit the run again with --overwrite", EVALUATED, each(ANEW, EVALUATED), before=after_fit(change))
    for change in DAMAGE.values()
]
CLAIMS = [
    step(
        "choose another --name or --run_dir",
        FITTED,
        OTHER,
        fitted(*NAMED, "--run_dir=b"),
        before=written("runs/a/x", ""),
    ),
    step("add --resume auto to go on with it or --overwrite to replace it", FITTED, AGAIN, ANEW, before=FITTED),
    step(
        "of another kind; remove it",
        AGAIN,
        each(lambda: shutil.rmtree(RUN / "history.csv"), AGAIN),
        before=interrupted(lambda folder: [(folder / "history.csv").unlink(), (folder / "history.csv").mkdir()]),
    ),
    step(
        "is no folder of its own; choose another --name or --run_dir",
        FITTED,
        OTHER,
        fitted(*NAMED, "--run_dir=b"),
        before=written("runs/a", ""),
    ),
    step("nothing can be written in", fitted(*NAMED, "--run_dir=x/y"), FITTED, before=written("x", "")),
    step("cannot be used (File name too long); give another place", fitted("--run_dir=" + "n" * 300), FITTED),
    step(
        "choose another --name, or --overwrite",
        fitted(*NAMED, "--beta=2", "--resume=auto"),
        fitted("--name=b", "--beta=2", "--resume=auto"),
        fitted(*NAMED, "--beta=2", "--overwrite"),
        before=FITTED,
    ),
    step(
        "is working on this run; wait for it or choose another --name",
        held_by_another(AGAIN),
        AGAIN,
        held_by_another(OTHER),
        before=interrupted(),
    ),
    step("make", AGAIN, each(lambda: LOCK(RUN).unlink(), AGAIN), before=each(interrupted(), blocked)),
    step("put it back, or fit the run again with --overwrite", LONGER, ANEW, before=interrupted(without(KEPT))),
    step(
        "damaged, no checkpoint can be read; fit the run again with --overwrite",
        LONGER,
        ANEW,
        before=interrupted(lambda folder: [(folder / LAST).write_bytes(b"no"), without(PREVIOUS)(folder)]),
    ),
    step(
        "put the right file there",
        LONGER,
        each(lambda: shutil.copy(RUN / "right", RUN / LAST), LONGER),
        before=interrupted(
            lambda folder: [
                shutil.copy(folder / LAST, folder / "right"),
                rewritten(LAST, lambda c: c.update(run="b 12345678"))(folder),
                without(PREVIOUS)(folder),
            ]
        ),
    ),
    step(
        "has taken 4 steps already; ask for no fewer",
        fitted("--name=a", "--max_steps=2", "--resume=auto"),
        AGAIN,
        before=interrupted(),
    ),
    step(
        "whole ones alone; choose another --name, or --overwrite",
        fitted("--name=a", "--max_steps=4", "--max_epochs=2", "--resume=auto"),
        fitted("--name=a", "--max_steps=4", "--max_epochs=2", "--overwrite"),
        fitted("--name=b", "--max_steps=4"),
        before=each(fitted("--name=a", "--max_steps=3", "--max_epochs=2"), lambda: changed(status="interrupted")(RUN)),
    ),
    step(
        "give the command again",
        limited(folder_module, "locked", raced, AGAIN),
        AGAIN,
        before=each(FITTED, lambda: RUN.rename("runs/other")),
    ),
]
GIVEN = [
    step(
        "give it as model= there",
        EVALUATED,
        lambda: vae_rd.evaluate_run("runs/a", model=own_vae()),
        before=python(),
    ),
    step(
        "give that one as model=",
        lambda: vae_rd.evaluate_run("runs/a", model=wider()),
        lambda: vae_rd.evaluate_run("runs/a", model=own_vae()),
        before=python(),
    ),
    step(
        "restore its files, or say by --data_file where they are now",
        EVALUATED,
        each(archive("bits.npz", images=BITS), EVALUATED),
        each(archive("there.npz", images=BITS), evaluated("runs/a", "--data_file=there.npz")),
        before=each(FITTED, archive("bits.npz", images=1 - BITS)),
    ),
    step(
        "give it as model= there, or choose another --name",
        python(model=None),
        python(),
        python("b", model=None),
        before=python(),
    ),
    step(
        "give them as data= there, or choose another --name",
        python(flags=True),
        python(own_data=True),
        python("b", flags=True, model=None, n_train=16, n_test=16),
        before=python(own_data=True),
    ),
    step(
        "give that one as model=, or choose another --name",
        python(model=wider),
        python(),
        python("b", model=wider),
        before=python(),
    ),
    step(
        "restore its files, or choose another --name",
        AGAIN,
        each(archive("bits.npz", images=BITS), AGAIN),
        OTHER,
        before=each(FITTED, archive("bits.npz", images=1 - BITS)),
    ),
    step("give the path of a file that can be", evaluated("runs/a", "--data_file=none.npz"), EVALUATED, before=FITTED),
]
STEPS: list[Step] = [*DAMAGED, *CLAIMS, *GIVEN]
