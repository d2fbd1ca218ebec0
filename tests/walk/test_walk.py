"""Every message of refusal is walked: its input is refused in one line, and what the line says to do helps.

A step's input is refused with exit code 2 (from Python: an InputError), in one line with the words that the step names,
and nothing is written. Each remedy of that line, in the world in which it was met, then succeeds. No message is left
out.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from walk import (
    adapters,
    analysis,
    callbacks,
    columns,
    commands,
    continuation,
    estimators,
    evaluations,
    files,
    folders,
    gan,
    losses,
    multirate,
    networks,
    runs,
    sources,
    strangers,
    sweep_files,
    sweeps,
    theory,
    trajectory,
)
from walk.sites import Site, met, noted, sites
from walk.steps import BITS, Step, archive, listing, refusal_of

AREAS = (
    columns, commands, files, folders, networks, sources, runs, sweep_files, sweeps, evaluations, analysis, theory,
    estimators, losses, gan, strangers, callbacks, adapters, multirate, trajectory, continuation,
)  # fmt: skip
STEPS = {f"{area.__name__.rpartition('.')[2]}-{i}": step for area in AREAS for i, step in enumerate(area.STEPS)}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def walked() -> dict[str, set[Site]]:
    """The sites that each step has met."""
    return {}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """An empty working directory, and an environment that is afterwards as before."""
    for name in [name for name in os.environ if name.startswith(("VAE_RD_", "SLURM_", "WANDB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    before, path = dict(os.environ), Path.cwd()
    made = iter(range(99))

    def make(step: Step) -> None:
        os.environ.clear()
        os.environ.update(before)
        folder = tmp_path / f"{next(made)}"
        folder.mkdir()
        os.chdir(folder)
        archive("bits.npz", images=BITS)()
        step.before()

    yield make
    os.environ.clear()
    os.environ.update(before)
    os.chdir(path)


@pytest.mark.parametrize("name", STEPS)
def test_what_a_refusal_says_to_do_helps(name, world, walked, capsys):
    step = STEPS[name]
    for remedied in step.remedies:
        world(step)
        before = listing()
        with noted() as made:
            line = refusal_of(step.refused, lambda: tuple(capsys.readouterr()))
        assert step.says in line
        assert "\n" not in line
        assert listing() == before
        walked[name] = met(line, made)
        answer = remedied()
        assert type(answer) is not int or answer == 0, capsys.readouterr().err


def test_no_message_is_left_out(walked):
    if len(walked) < len(STEPS):
        pytest.skip("the walk was not walked whole")
    found = set().union(*walked.values())
    left = [str(site) for site in sites() if site not in found]
    print(f"{len(sites())} messages, {len(found)} walked by {len(STEPS)} steps")
    assert not left, "\n".join(["met by no step of the walk:", *left])
