"""What the processes of one fit do together; with a single process every function here is the identity.

Python objects travel between processes of one command alone, over the connection they made with each other.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from vae_rd.errors import InputError
from vae_rd.process.ranks import Place, check_place, end_with_parent, place

PATIENCE = timedelta(hours=3)  # With a process that works on; one that has ended is noticed at once.
T = TypeVar("T")


def rank() -> int:
    """This process's number, 0 for the one that writes."""
    return dist.get_rank() if are_connected() else 0


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if are_connected() else 1


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
    if found is None or found.world_size == 1 or are_connected():
        yield
        return
    end_with_parent()
    _share_address(found)
    if cuda:
        if (there := torch.cuda.device_count()) <= found.local_rank:
            asked = f"--devices {devices}: torch finds {there} CUDA devices here"
            raise InputError(f"{asked}; ask for no more, or set CUDA_VISIBLE_DEVICES= to take the CPU")
        torch.cuda.set_device(found.local_rank)
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    dist.init_process_group(backend, rank=found.rank, world_size=found.world_size, timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def broadcast(make: Callable[[], T]) -> T:
    """What `make` gives in the first process, in all of them; bad input there is bad input everywhere."""
    if not are_connected():
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


def rank_zero_first(make: Callable[[], T]) -> T:
    """`make()` in every process, in the first one before all others: a file that it fetches is then there for them."""
    if not are_connected():
        return make()
    made: list[T] = []
    broadcast(lambda: made.append(make()))
    return made[0] if made else make()


def on_all_ranks(make: Callable[[], T]) -> T:
    """`make()` in every process; bad input in one of them, such as a file that one machine lacks, is raised in all."""
    made: list[T] = []
    error = None
    try:
        made.append(make())
    except InputError as refused:
        error = refused
    for _, refused_there in sorted(all_gather({rank(): error}).items()):
        if refused_there is not None:
            raise refused_there
    return made[0]


def check_same(value: object, *, what: str) -> None:
    """Refuse processes that were given different things: each would work on another problem.

    Raises:
        InputError: in every process.
    """
    if len({json.dumps(other, sort_keys=True, default=str) for other in all_gather({rank(): value}).values()}) > 1:
        raise InputError(f"the processes of this command have different {what}; give all machines the same")


def own_shard(count: int) -> range:
    """The numbers below `count` that fall to this process, every `world_size`-th of them."""
    return range(rank(), count, world_size())


def shared_out(count: int, work: Callable[[int], T]) -> list[T]:
    """The results of `work` for 0, ..., count - 1 in every process, each made by one of them."""
    found = all_gather({part: work(part) for part in own_shard(count)})
    return [found[part] for part in range(count)]


def all_gather(own: dict[int, T]) -> dict[int, T]:
    """The results of all processes by number, in every process."""
    if not are_connected():
        return own
    shares: list[dict[int, T]] = [{}] * world_size()
    dist.all_gather_object(shares, own)
    return {number: result for share in shares for number, result in share.items()}


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over processes, without a gradient."""
    if not are_connected():
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / world_size()


def gathered(rows: Tensor) -> Tensor:
    """The rows of all processes in their order, [processes x B, ...], for a loss of which each has a part.

    Each has as many. The gradient of the mean over processes of what they make of it reaches whoever made a row.
    """
    return _Gathered.apply(rows) if are_connected() else rows


def first_row(own: int) -> int:
    """Where this process's `own` rows begin among those that `gathered` joins."""
    return rank() * own


class _Gathered(torch.autograd.Function):
    """Joined forward; backward, the gradients that all processes have for one's own rows, added up."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total.chunk(world_size())[rank()]


def are_connected() -> bool:
    """Whether there are several processes that talk to each other."""
    return dist.is_available() and dist.is_initialized()


def _share_address(found: Place) -> None:
    """Give what torch's own launcher would have set to processes that srun has started."""
    if "RANK" in os.environ:
        return
    from lightning.fabric.plugins.environments import SLURMEnvironment

    first_node = SLURMEnvironment.resolve_root_node_address(os.environ.get("SLURM_STEP_NODELIST", socket.gethostname()))
    # Below the ports that connections are given, and another one for every step of a job.
    step = 31 * int(os.environ["SLURM_JOB_ID"]) + int(os.environ["SLURM_STEP_ID"])
    for name, value in {
        "RANK": str(found.rank),
        "LOCAL_RANK": str(found.local_rank),
        "WORLD_SIZE": str(found.world_size),
        "GROUP_RANK": os.environ.get("SLURM_NODEID", "0"),
        "MASTER_ADDR": first_node,
        "MASTER_PORT": str(10_000 + step % 20_000),
    }.items():
        os.environ.setdefault(name, value)
