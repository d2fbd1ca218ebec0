"""What is measured of an opened run: its metrics again, or estimates beside them, into its record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from vae_rd.config.estimates import ESTIMATES, flag_of
from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted, Settings
from vae_rd.estimates.kinds import KINDS
from vae_rd.estimates.partials import forget
from vae_rd.experiment.loading import precision_of
from vae_rd.metrics.split import by_split, evaluate_split
from vae_rd.process.collectives import broadcast, is_first
from vae_rd.process.memory import memory_advice
from vae_rd.run.files import HISTORY_FILE
from vae_rd.run.record import Json, RunRecord
from vae_rd.run.summary import split_lines
from vae_rd.units import Unit
from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.histories import rows_of
from vae_rd.verdicts.kinds import judged
from vae_rd.verdicts.notes import Row

SAME = ("kind", "split", "n", "seed", "samples", "chains", "temperatures", "factor", "marginal")


def check_estimates(run: Fitted, settings: Settings, kinds: Sequence[str]) -> None:
    """Refuse what a run cannot have, before anything is measured.

    Raises:
        InputError: naming the run and the flag.
    """
    of_x = [kind for kind in kinds if not KINDS[kind].is_of_z]
    if run.data.card.target is not None and of_x:
        raise InputError(
            f"{run.folder}: {flag_of(of_x[0])} is of p(x|z), and this run has --target label; choose a run without it"
        )
    taking = [kind for kind in kinds if KINDS[kind].takes_encoder]
    if taking and not run.model.has_encoder:
        without = " or ".join(flag_of(kind) for kind in KINDS if not KINDS[kind].takes_encoder)
        raise InputError(
            f"{run.folder}: {flag_of(taking[0])} takes a q(z|x), and a run of --model {run.config.model} has none; "
            f"choose {without}, or another run"
        )
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
    for name, make in [(kind, make) for kind in kinds for make in KINDS[kind].estimates]:
        with precision_of(run.config), memory_advice(flag_of(name), lower=_options_of(name)):
            entry = make(run, settings)
        broadcast(partial(_add, run, entry))
        yield entry


def _options_of(kind: str) -> str:
    """The options that say how much work, and so how much memory, an estimate takes."""
    counts = [f"--{name}" for name in ESTIMATES[kind].reads if name not in ("factor", "marginal", "seed")]
    return " or ".join(counts) or "what else takes memory here"


def _add(run: Fitted, entry: Json) -> None:
    record = RunRecord.read(run.folder)
    record.estimates = [e for e in record.estimates if not _same(e, entry)] + [entry]
    record.write(run.folder)
    forget(run.folder, kind=entry["kind"], split=entry["split"])


def renew_metrics(
    run: Fitted,
    splits: Sequence[str],
    *,
    record: RunRecord | None = None,
    examples: int | None = None,
    units: Unit = "nats",
) -> list[str]:
    """Measure D, R and I of splits again as a fit does, and return them as lines of text.

    Args:
        run: an opened run.
        splits: which to measure.
        record: what they go into; None for the record that is there.
        examples: how many I is a mean over, where it is not as many as the run says.
        units: of the lines.
    """
    record = record or RunRecord.read(run.folder)
    rows = history_of(record, run.folder)
    evaluate = partial(
        evaluate_split,
        run.model,
        run.data,
        slope=run.slope,
        seed=run.config.seed,
        samples=run.config.eval_samples,
        information_examples=examples or run.config.information_examples,
        bound_samples=record.model.get("bound_samples"),
    )
    with precision_of(run.config):
        record.metrics.update(by_split(run.data, splits, evaluate))
    if "test" in record.metrics:
        evidence = Evidence(record.metrics, run.model.latent_dim, rows, record.model, record.data)
        record.verdicts |= judged(evidence)
    if is_first():
        run.folder.mkdir(parents=True, exist_ok=True)
        record.write(run.folder)
    return split_lines(record, splits, units=units)


def history_of(record: RunRecord, folder: Path) -> list[Row]:
    """The rows of history.csv; none where there is none.

    Raises:
        InputError: when it is damaged, or not the one that the record was made with.
    """
    path = folder / HISTORY_FILE
    if not path.is_file():
        return []
    record.check(folder, HISTORY_FILE)
    try:
        return rows_of(path.read_text(encoding="utf-8"), slope=record.model["slope"])
    except (ValueError, TypeError, KeyError):
        raise InputError(
            f"{path}: damaged, not a row of numbers an epoch; fit the run again with --overwrite"
        ) from None


def _same(a: Json, b: Json) -> bool:
    return all(a.get(key) == b.get(key) for key in SAME)
