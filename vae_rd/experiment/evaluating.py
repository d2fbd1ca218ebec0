"""What `python -m vae_rd.evaluate` does to a run's record: renew its metrics, or add estimates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from vae_rd.estimates.base import Fitted, Settings
from vae_rd.estimates.kinds import KINDS
from vae_rd.estimates.partials import forget
from vae_rd.experiment.loading import precision_of
from vae_rd.metrics.split import evaluate_split
from vae_rd.process.collectives import broadcast, is_first
from vae_rd.run.record import Json, RunRecord
from vae_rd.run.summary import split_lines

SAME = ("kind", "split", "n", "seed", "samples", "chains", "temperatures")


def check_estimates(run: Fitted, settings: Settings, kinds: Sequence[str]) -> None:
    """Refuse what a run cannot have, before anything is measured.

    Raises:
        InputError: naming the run and the flag.
    """
    with precision_of(run.config):
        for kind in kinds:
            KINDS[kind].check(run, settings)


def add_estimates(run: Fitted, settings: Settings, kinds: Sequence[str]) -> Iterator[Json]:
    """Make estimates and put them into the record, each as soon as it is there.

    An entry replaces one of the same kind, split, size and seed: running a command again changes nothing else.

    Args:
        run: an opened run.
        settings: what was asked for.
        kinds: keys of `KINDS`.
    """
    for make in (make for kind in kinds for make in KINDS[kind].estimates):
        with precision_of(run.config):
            entry = make(run, settings)
        broadcast(partial(_add, run, entry))
        yield entry


def _add(run: Fitted, entry: Json) -> None:
    record = RunRecord.read(run.folder)
    record.estimates = [e for e in record.estimates if not _same(e, entry)] + [entry]
    record.write(run.folder)
    forget(run.folder, kind=entry["kind"], split=entry["split"])


def renew_metrics(run: Fitted, splits: Sequence[str]) -> list[str]:
    """Measure D, R and I of splits again as a fit does, and return them as lines of text."""
    record = RunRecord.read(run.folder)
    with precision_of(run.config):
        for split in splits:
            record.metrics[split] = evaluate_split(
                run.model,
                run.data,
                split,
                slope=run.slope,
                seed=run.config.seed,
                samples=run.config.eval_samples,
            )
    if is_first():
        record.write(run.folder)
    return split_lines(record, splits)


def _same(a: Json, b: Json) -> bool:
    return all(a.get(key) == b.get(key) for key in SAME)
