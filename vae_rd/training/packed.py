"""Several fits in one process that take their optimiser steps together.

Each fit is what it is alone, in a thread of its own: its Trainer, callbacks, folder, record. One thread at a time is at
work, since torch's default precision and its global stream are the whole process's. A fit that has come to a block of
steps waits; once all wait, those that have taken as many are stacked and take theirs at once, in the thread that
signals come to. So members that go on from different epochs fall into step: those behind go first. While a fit waits
for the disk, others work.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

from torch import Tensor

from vae_rd.data.module import Batch, SharedBatches
from vae_rd.errors import Interrupted
from vae_rd.process.signals import SeatGuard, SignalGuard
from vae_rd.process.terminal import LastingStream
from vae_rd.process.waiting import wait_within
from vae_rd.training.examples import ExampleTerms
from vae_rd.training.requests import GainRequest, StepsRequest, next_of, peeked
from vae_rd.training.stacked_gain import Gain, StackedGains
from vae_rd.training.stacked_loss import Traces
from vae_rd.training.stacking import Stack, Taken, is_small, problem_of
from vae_rd.training.vae import Steps, VAEBlocks

T = TypeVar("T")
SHOWN = 120  # Characters of what kept members from being stacked.


@dataclass(eq=False)
class PackSeat:
    """A member's place in a pack.

    Attributes:
        pack: its pack.
        guard: of its signals.
        command: the words of its command line.
        log: the file that what it prints is appended to; None where it is printed.
        result: what its work has given or raised, once it has ended.
        waited: seconds that went by while others were at work, without its share of what was done for several at once.
        work: what it wants to have done in the main thread.
        is_away: whether it has left its turn to others until the disk has what it wrote.
    """

    pack: Pack
    guard: SeatGuard
    command: Sequence[str]
    log: Path | None = None
    result: Any = None
    has_ended: bool = False
    is_away: bool = False
    waited: float = 0.0
    work: Callable[[], Any] | None = None
    request: StepsRequest | GainRequest | None = None
    answer: Any = None
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def steps_of(self, module: VAEBlocks) -> Steps:
        """What takes the steps of a block, together with the others'."""

        def take(block: Iterable[Batch], first: int) -> tuple[list[ExampleTerms], list[Tensor]]:
            if problem_of(module) is not None or self.pack.is_stacked is False:
                return module.take_steps(block, first)
            answer = self._answer_to(request := StepsRequest(module, block, first))
            if answer is None:  # What cannot be stacked is taken alone.
                return module.take_steps(request.block, first)
            return answer.seen, answer.norms

        return take

    def measure(self, gain: Gain, step: int) -> Tensor | None:
        """The gain of a few steps on q(z|x), measured together with the others'.

        Args:
            gain: what is to be measured.
            step: how many the member has taken.
        """
        if not self.pack.is_stacked:
            return gain.alone()
        answer: Tensor | None = self._answer_to(GainRequest(gain, step))
        return answer

    def in_main_thread(self, work: Callable[[], T]) -> T:
        """Have something done for this member in the thread that signals come to: there one ends it at once."""
        self.work = work
        found: T = self._answer()
        return found

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let others work within the block, which only waits; then wait for a turn."""
        self.is_away = True
        self.pack.back.release()
        try:
            yield
        finally:
            began = time.monotonic()
            self.go.acquire()
            self.waited += time.monotonic() - began
            self.is_away = False

    def _answer_to(self, request: StepsRequest | GainRequest) -> Any:
        """Let others work until this member's request is answered, and it is its turn again."""
        self.request, began = request, time.monotonic()
        answer = self._answer()
        self.waited += time.monotonic() - began
        return answer

    def _answer(self) -> Any:
        self.pack.back.release()
        self.go.acquire()
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Pack:
    """Works that train, each in a thread of its own, of which one is at work at a time.

    Args:
        guard: of the signals of this process, entered in the thread that runs the pack.
        most: the largest number of members that are stacked; None for no limit.

    Attributes:
        batches: what makes the batches that members share once.
        is_stacked: whether its members are; None before any has come to a step.
    """

    def __init__(self, guard: SignalGuard, *, most: int | None = None) -> None:
        self.guard, self.most = guard, most
        self.batches = SharedBatches()
        self.traces, self.gains = Traces(), StackedGains()
        self.is_stacked: bool | None = None
        self.back = threading.Semaphore(0)

    def run(
        self,
        works: Sequence[Callable[[PackSeat], Any]],
        *,
        commands: Sequence[Sequence[str]] = (),
        logs: Sequence[Path] = (),
    ) -> list[Any]:
        """Carry them out; what each has returned or raised, in order.

        Args:
            works: of the members, of one network and data; each is given its seat.
            commands: of each, the words of its command line after the program's; by default those of this process.
            logs: of each, the file that what it prints is appended to; by default it is printed.

        Raises:
            Interrupted: by a second signal, which waits for nobody.
        """
        self.guard.hold()
        paths: Sequence[Path | None] = logs or [None] * len(works)
        words = commands or [sys.argv[1:]] * len(works)
        seats = [PackSeat(self, SeatGuard(self.guard), *own) for own in zip(words, paths, strict=True)]
        for seat, work in zip(seats, works, strict=True):
            threading.Thread(target=_work, args=(seat, work), daemon=True).start()
        ready = seats
        while ready:
            for seat in ready:
                sys.argv[1:] = seat.command  # W&B reads it as well, whenever a run of it begins.
                with _printing(seat.log):
                    self._give_turn(seat)
            ready = [seat for seat in ready if seat.is_away] or self._served([s for s in seats if not s.has_ended])
        return [seat.result for seat in seats]

    def _give_turn(self, seat: PackSeat) -> None:
        """Until it waits for others, or has ended; what it wants to have done here is done meanwhile."""
        seat.go.release()
        self.back.acquire()
        while (work := seat.work) is not None:
            seat.work, seat.answer = None, self._done(work)
            seat.go.release()
            self.back.acquire()

    def _done(self, work: Callable[[], Any]) -> Any:
        """What it gives or raises."""
        try:
            self.guard.check()
            self.guard.release()
            return work()
        except BaseException as error:  # A network of one's own may even end the program.
            if isinstance(error, Exception) and (signum := self.guard.received) is not None:
                return Interrupted(signum)  # A library may make an error of its own of it.
            return error
        finally:
            self.guard.hold()

    def _served(self, seats: Sequence[PackSeat]) -> list[PackSeat]:
        """Take the steps of those who are furthest behind, as many as may be stacked; whose turn it is then."""
        if not seats:
            return []
        asked = [(seat, seat.request) for seat in seats if seat.request is not None]
        chosen = next_of(asked)[: self.most]
        self._answer([s for s, _ in chosen], [r for _, r in chosen])
        for seat, _ in chosen:
            seat.request = None
        return [seat for seat, _ in chosen]

    def _answer(self, seats: Sequence[PackSeat], requests: Sequence[Any]) -> None:
        began = time.monotonic()
        try:
            answers: Sequence[Any] = (
                self._measured(requests) if isinstance(requests[0], GainRequest) else self._steps(requests)
            )
        except (Exception, Interrupted) as error:
            answers = [error] * len(seats)
        share = (time.monotonic() - began) / len(seats)
        for seat, answer in zip(seats, answers, strict=True):
            seat.answer = answer
            seat.waited -= share

    def _measured(self, requests: Sequence[GainRequest]) -> Sequence[Tensor | None]:
        self.guard.check()
        return self.gains.of([request.gain for request in requests])

    def _steps(self, requests: Sequence[StepsRequest]) -> Sequence[Taken | None]:
        if len(requests) == 1:
            return [None]
        modules, first = [request.module for request in requests], requests[0].first
        taken = [Taken([], []) for _ in requests]
        stack = Stack(modules, modules[0].trainer.precision_plugin.forward_context, self.traces)
        if self.is_stacked is None:
            firsts = peeked(requests)
            self.is_stacked = all(map(is_small, firsts)) and self._agrees(stack, firsts, requests[0].first)
        if not self.is_stacked:
            return [None] * len(requests)
        batches = zip(*(request.block for request in requests), strict=True)
        for step, each in enumerate(islice(batches, requests[0].count), first):
            stack.step(each, step, taken)
            _note_passed(stack, step)
            for module in modules:
                module.after_step()
        stack.put_back(first + len(taken[0].seen) - 1)
        for module in modules:
            if first + len(taken[0].seen) >= module.descent.steps:
                module.trainer.should_stop = True
        return taken

    def _agrees(self, stack: Stack, batches: Sequence[Batch], step: int) -> bool:
        """Whether a first batch gives each member in the stack the loss and the gradients that it has alone."""
        try:
            return stack.is_like_alone(batches, step)
        except Exception as error:  # Of whatever kind: alone, a member raises its own.
            reason = " ".join(str(error).split())[:SHOWN]
            print(f"not stacked, members take turns: {type(error).__name__}: {reason}", flush=True)
            return False


def _note_passed(stack: Stack, step: int) -> None:
    """Keep the models of betas that members leave with a step."""
    leaving = [module for module in stack.modules if step + 1 in module.passed.ends]
    if leaving:
        stack.put_back(step)
    for module in leaving:
        module.passed.note(step + 1, module.model)


def _work(seat: PackSeat, work: Callable[[PackSeat], Any]) -> None:
    seat.go.acquire()
    wait_within(seat.away)
    try:
        seat.guard.check()
        seat.result = work(seat)
    except BaseException as error:
        seat.result = error
    finally:
        seat.has_ended = True
        seat.pack.back.release()


@contextmanager
def _printing(log: Path | None) -> Iterator[None]:
    """What is printed within the block goes to the end of a file, as far as the system takes it."""
    if log is None:
        yield
        return
    with ExitStack() as stack:
        with suppress(OSError):
            log.parent.mkdir(parents=True, exist_ok=True)
            stream = log.open("a", encoding="utf-8")
            stack.callback(_closed, stream)
            lasting = LastingStream(stream)
            stack.enter_context(redirect_stdout(lasting))
            stack.enter_context(redirect_stderr(lasting))
        yield


def _closed(stream: IO[str]) -> None:
    with suppress(OSError):
        stream.close()
