"""What the processes of one fit do together; with a single process every function here is the identity.

Python objects travel between processes of one command alone, over the connection they made with each other.
"""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.launch import Place, check_place, end_with_parent, place
from vae_rd.records import write_atomic

FAILURE = "error.process"  # Begins the names of what processes other than the first leave when they fail.
TOLD_WITHIN_SECONDS = 5.0

T = TypeVar("T")


def rank() -> int:
    """This process's number, 0 for the one that writes."""
    return dist.get_rank() if _together() else 0


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if _together() else 1


def is_first() -> bool:
    """Whether this is the process that writes and speaks."""
    return rank() == 0


@contextmanager
def connected(*, devices: int, num_nodes: int, cuda: bool) -> Iterator[None]:
    """Within the block the processes that were started together can talk to each other.

    Raises:
        InputError: when not as many were started as the flags ask for.
    """
    found = place()
    check_place(found, devices=devices, num_nodes=num_nodes)
    if found is None and devices > 1:
        raise InputError(
            f"--devices {devices}: from Python, start your script by torchrun --nproc_per_node {devices}; "
            "python -m vae_rd.fit starts its processes by itself"
        )
    if found is None or found.world_size == 1 or _together():
        yield
        return
    end_with_parent()
    _share_address(found)
    if cuda:
        torch.cuda.set_device(found.local_rank)
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", rank=found.rank, world_size=found.world_size)
    try:
        yield
    finally:
        dist.destroy_process_group()


def from_first(make: Callable[[], T]) -> T:
    """What `make` gives in the first process, in all of them; bad input there is bad input everywhere."""
    if not _together():
        return make()
    answer: list[Any] = [None, None]
    if is_first():
        try:
            answer[0] = make()
        except InputError as error:
            answer[1] = error
    dist.broadcast_object_list(answer, src=0, device=torch.device("cpu"))
    if answer[1] is not None:
        raise answer[1]
    result: T = answer[0]
    return result


def first_goes_first(make: Callable[[], T]) -> T:
    """`make()` in every process, in the first one before all others: a file that it fetches is then there for them."""
    if not _together():
        return make()
    made: list[T] = []
    from_first(lambda: made.append(make()))
    return made[0] if made else make()


def own_share(count: int) -> range:
    """The numbers below `count` that fall to this process, every `world_size`-th of them."""
    return range(rank(), count, world_size())


def joined(own: dict[int, T]) -> dict[int, T]:
    """The results of all processes by number, in every process."""
    if not _together():
        return own
    shares: list[dict[int, T]] = [{}] * world_size()
    dist.all_gather_object(shares, own)
    return {number: result for share in shares for number, result in share.items()}


def tell_first(folder: Path, error: Exception) -> None:
    """Leave this process's failure in the run's folder, where the first process looks for the cause of its own."""
    if not _is_loss_of_others(error):
        write_atomic(folder / f"{FAILURE}{rank()}.log", f"{type(error).__name__}: {error}\n{traceback.format_exc()}")


def told_by_others(folder: Path, error: Exception) -> str | None:
    """In the first process: why another failed, if that is what ended this one's conversation with it."""
    if not _is_loss_of_others(error):
        return None
    deadline = time.monotonic() + TOLD_WITHIN_SECONDS
    while time.monotonic() < deadline:
        for path in sorted(folder.glob(f"{FAILURE}*.log")):
            return f"process {path.stem.removeprefix(FAILURE)}: {path.read_text(encoding='utf-8').splitlines()[0]}"
        time.sleep(0.1)
    return "another process of this run ended without a word; was it killed, or did memory run out?"


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over processes, without a gradient."""
    if not _together():
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / world_size()


def _together() -> bool:
    return dist.is_available() and dist.is_initialized()


def _is_loss_of_others(error: Exception) -> bool:
    """Whether an error says no more than that another process has gone away."""
    return _together() and (isinstance(error, dist.DistError) or "gloo" in str(error).lower())


def _share_address(found: Place) -> None:
    """Give what torch's own launcher would have set to processes that srun has started."""
    if "MASTER_ADDR" in os.environ:
        return
    from lightning.fabric.plugins.environments import SLURMEnvironment

    first_node = SLURMEnvironment.resolve_root_node_address(os.environ.get("SLURM_STEP_NODELIST", socket.gethostname()))
    port = 20_000 + int(os.environ["SLURM_JOB_ID"]) % 40_000
    os.environ |= {
        "RANK": str(found.rank),
        "LOCAL_RANK": str(found.local_rank),
        "WORLD_SIZE": str(found.world_size),
        "GROUP_RANK": os.environ.get("SLURM_NODEID", "0"),
        "MASTER_ADDR": first_node,
        "MASTER_PORT": str(port),
    }
