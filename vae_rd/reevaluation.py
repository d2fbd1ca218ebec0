"""What `python -m vae_rd.evaluate` does to a run's record: renew its metrics, or add estimates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from vae_rd.estimates.annealed import annealed_curve, annealing_error
from vae_rd.estimates.base import Estimate, Fitted, Settings
from vae_rd.estimates.information import information
from vae_rd.estimates.nll import encoder_gaps, importance_nll, prior_nll
from vae_rd.estimates.partials import forget
from vae_rd.estimates.source import source_lower, source_upper
from vae_rd.evaluation import evaluate_split
from vae_rd.records import Json, RunRecord
from vae_rd.summary import split_lines

ESTIMATES: Mapping[str, tuple[Estimate, ...]] = MappingProxyType(
    {
        "importance": (importance_nll,),
        "prior": (prior_nll,),
        "ais": (annealed_curve, annealing_error),
        "gaps": (encoder_gaps,),
        "information": (information,),
        "dual": (source_lower, source_upper),
    }
)
SAME = ("kind", "split", "n", "seed", "samples", "chains", "temperatures")


def add_estimates(run: Fitted, settings: Settings, kinds: Sequence[str]) -> Iterator[Json]:
    """Make estimates and put them into the record, each as soon as it is there.

    An entry replaces one of the same kind, split, size and seed: running a command again changes nothing else.

    Args:
        run: an opened run.
        settings: what was asked for.
        kinds: keys of `ESTIMATES`.
    """
    for make in (make for kind in kinds for make in ESTIMATES[kind]):
        entry = make(run, settings)
        record = RunRecord.read(run.folder)
        record.estimates = [e for e in record.estimates if not _same(e, entry)] + [entry]
        record.write(run.folder)
        forget(run.folder)
        yield entry


def renew_metrics(run: Fitted, splits: Sequence[str]) -> list[str]:
    """Measure D, R and I of splits again as a fit does, and return them as lines of text."""
    record = RunRecord.read(run.folder)
    for split in splits:
        record.metrics[split] = evaluate_split(
            run.model,
            run.data,
            split,
            beta=run.config.beta,
            seed=run.config.seed,
            samples=run.config.eval_samples,
        )
    record.write(run.folder)
    return split_lines(record, splits)


def _same(a: Json, b: Json) -> bool:
    return all(a.get(key) == b.get(key) for key in SAME)
