"""What `--devices` means to packs: as many of them at a time, each on a device of its own."""

from __future__ import annotations

from dataclasses import replace

from vae_rd.config.cli import split
from vae_rd.errors import InputError
from vae_rd.launch.devices import gpus_for, slots
from vae_rd.launch.points.plan import Plan, PlannedRun


def shared_out(plan: Plan, jobs: int | None) -> tuple[Plan, int | None]:
    """The sweep with its runs on one device each, and how many packs are at work at a time.

    A step of a stack has no use for a second device that would have half of every member's batch; half of the members
    is as much work, and needs no word between the devices.

    Args:
        plan: the sweep.
        jobs: as asked for, None for the default.

    Raises:
        InputError: where two flags say how many, or there are fewer GPUs.
    """
    config = plan.example.config
    if config.devices == 1:
        return plan, jobs
    if jobs not in (None, config.devices):
        given = f"--devices {config.devices} and --jobs {jobs}"
        raise InputError(f"{plan.file.path}: {given} are both of packs at a time, each on a device; give one of them")
    slots(None, gpus=gpus_for(config), per_run=config.devices, runs=1)  # Refuses more GPUs than there are.
    runs, example = tuple(map(_on_one, plan.runs)), _on_one(plan.example)
    return replace(plan, runs=runs, example=example), config.devices


def _on_one(run: PlannedRun) -> PlannedRun:
    words = [f"--{name}={value}" for name, value in split(run.argv) if name != "devices"]
    return replace(run, argv=(*words, "--devices=1"), config=replace(run.config, devices=1))
