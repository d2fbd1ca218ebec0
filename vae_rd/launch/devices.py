"""Which device each job of a sweep has, and how many threads: so that jobs do not fight.

Two processes of two threads each on two cores run tens of times slower than of one thread each.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from vae_rd.config.fields import FitConfig
from vae_rd.errors import InputError
from vae_rd.process.ranks import cores

VISIBLE = "CUDA_VISIBLE_DEVICES"
THREADS = "OMP_NUM_THREADS"
DRIVERS = ("/dev/nvidiactl", "/proc/driver/nvidia", "/dev/kfd")  # NVIDIA's, also in containers, and AMD's.
COUNT = "import torch; print(torch.cuda.device_count())"
MOST_JOBS = 8  # by default, without GPUs: each takes some hundred MB

Environment = MappingProxyType[str, str]


def slots(jobs: int | None, *, gpus: Sequence[str], per_run: int, runs: int) -> list[Environment]:
    """The environment of each job: its GPUs, and its share of the CPU's threads unless the user has set them.

    Args:
        jobs: how many at a time; None of one for each GPU that a run takes, else one a core, up to MOST_JOBS.
        gpus: names of the GPUs as CUDA_VISIBLE_DEVICES takes them; empty where runs take none.
        per_run: devices of one run.
        runs: how many there are: more jobs would have nothing to do.

    Raises:
        InputError: where a run takes more GPUs than there are.

    Example:
        >>> [dict(slot)["CUDA_VISIBLE_DEVICES"] for slot in slots(None, gpus=["0", "1", "2", "3"], per_run=2, runs=9)]
        ['0,1', '2,3']
    """
    if 0 < len(gpus) < per_run:
        there = f"{len(gpus)} GPU{'s are' if len(gpus) > 1 else ' is'} visible here"
        raise InputError(f"--devices {per_run}: {there}; ask for no more, or add --accelerator cpu")
    groups = [gpus[i : i + per_run] for i in range(0, len(gpus) - per_run + 1, per_run)]
    wanted = jobs or len(groups) or min(max(1, cores() // per_run), MOST_JOBS)
    count = max(1, min(wanted, runs))
    threads = os.environ.get(THREADS) or str(max(1, cores() // (count * per_run)))
    pinned = [{VISIBLE: ",".join(groups[i % len(groups)])} if groups else {} for i in range(count)]
    return [MappingProxyType({THREADS: threads, **devices}) for devices in pinned]


def gpus_for(config: FitConfig) -> list[str]:
    """The GPUs that runs of the config may take, by name: the user's own CUDA_VISIBLE_DEVICES, else their numbers.

    torch is asked, in a process of its own, and only where there is a driver: its import takes seconds.
    """
    has_driver = shutil.which("nvidia-smi") is not None or any(Path(path).exists() for path in DRIVERS)
    if config.accelerator == "cpu" or not has_driver:
        return []
    asked = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=False).stdout
    count = int(asked) if asked.strip().isdigit() else 0
    own = os.environ.get(VISIBLE)
    names = [name.strip() for name in own.split(",") if name.strip()] if own is not None else map(str, range(count))
    return list(names)[:count]
