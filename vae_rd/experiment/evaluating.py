"""What `python -m vae_rd.evaluate` does to a run's record: renew its metrics, or add estimates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vae_rd.estimates.base import Fitted, Settings
from vae_rd.estimates.kinds import KINDS
from vae_rd.estimates.partials import forget
from vae_rd.experiment.loading import check_finished, open_run, precision_of
from vae_rd.metrics.split import evaluate_split
from vae_rd.process.collectives import broadcast, check_same, connected, is_first, on_all_ranks, rank_zero_first
from vae_rd.run.lock import locked
from vae_rd.run.record import SPLITS, Json, RunRecord
from vae_rd.run.summary import split_lines
from vae_rd.verdicts.kinds import judged

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
    if "test" in record.metrics:
        record.verdicts |= judged(record.metrics, run.model.latent_dim)
    if is_first():
        record.write(run.folder)
    return split_lines(record, splits)


def _same(a: Json, b: Json) -> bool:
    return all(a.get(key) == b.get(key) for key in SAME)


def evaluate_runs(
    folders: Sequence[Path],
    kinds: Sequence[str],
    *,
    split: str | None,
    given: Mapping[str, Any],
    processes: Mapping[str, int],
) -> Iterator[str]:
    """What the command does: every run is opened and checked before any work is begun; lines as numbers are there.

    Args:
        folders: of finished runs.
        kinds: keys of `KINDS`; without any, metrics are measured again.
        split: of the estimates, by default test; of metrics, by default all.
        given: settings of the estimates.
        processes: `devices` and `num_nodes`.
    """
    settings = Settings(split=split or "test", **given)
    cuda = torch.cuda.is_available() and any(_wants_gpu(folder) for folder in folders)
    with connected(**processes, cuda=cuda), ExitStack() as held:
        check_same([[str(folder) for folder in folders], list(kinds), split, dict(given)], what="options")
        broadcast(lambda: _hold(folders, held))
        runs = [on_all_ranks(partial(rank_zero_first, partial(open_run, folder))) for folder in folders]
        for run in runs:
            check_estimates(run, settings, kinds)
        for run in runs:
            yield f"{run.folder}:"
            if kinds:
                yield from (_line(entry) for entry in add_estimates(run, settings, kinds))
            else:
                yield from renew_metrics(run, [split] if split else SPLITS)


def _wants_gpu(folder: Path) -> bool:
    return RunRecord.read(folder).config.get("accelerator") != "cpu"


def _hold(folders: Sequence[Path], held: ExitStack) -> None:
    """Keep every other process from working on these runs until `held` is closed."""
    for folder in {folder.resolve(): folder for folder in folders}.values():
        check_finished(RunRecord.read(folder), folder)  # No file is written where there is no run to measure.
        held.enter_context(locked(folder))


def _line(entry: Json) -> str:
    value = "undefined" if entry["value"] is None else f"{entry['value']:.4f}"
    stderr = "" if entry["stderr"] is None else f" ± {entry['stderr']:.4f}"
    limit = f", certified 99 % limit {entry['limit']:.4f}" if entry.get("limit") is not None else ""
    bound = f"{entry['bound']} bound" if entry["bound"] else "estimate"
    if entry["kind"] == "dual" and not entry["certified"]:
        bound = "estimated lower bound"
    number = f"{value}{stderr} nats (n = {entry['n']:,}){limit}"
    return f"  {entry['kind']:<12} {entry['split']:<6} {number}  {bound}: {entry['source']}"
