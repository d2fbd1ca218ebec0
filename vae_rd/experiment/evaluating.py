"""What `python -m vae_rd.evaluate` does to a run's record: renew its metrics, or add estimates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vae_rd.config.estimates import ESTIMATES, flag_of
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted, Settings
from vae_rd.estimates.kinds import KINDS
from vae_rd.estimates.partials import forget
from vae_rd.experiment.door import check_network_and_data
from vae_rd.experiment.loading import open_run, precision_of
from vae_rd.experiment.options import OPTIONS
from vae_rd.metrics.split import evaluate_split
from vae_rd.model.vae import VAE
from vae_rd.process.collectives import broadcast, check_same, connected, is_first, on_all_ranks, rank_zero_first
from vae_rd.process.memory import memory_advice
from vae_rd.run.files import HISTORY_FILE
from vae_rd.run.finding import check_finished
from vae_rd.run.lock import locked
from vae_rd.run.record import SPLITS, Json, RunRecord
from vae_rd.run.summary import split_lines, with_error
from vae_rd.units import Unit, check_units
from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.histories import rows_of
from vae_rd.verdicts.kinds import judged
from vae_rd.verdicts.notes import Row

BESIDE = {"negative_elbo": "-ELBO", "nll": "NLL"}  # What some entries hold beside their value, in words.
SAME = ("kind", "split", "n", "seed", "samples", "chains", "temperatures", "factor")


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
    counts = [f"--{name}" for name in ESTIMATES[kind].reads if name not in ("factor", "seed")]
    return " or ".join(counts) or "what else takes memory here"


def _add(run: Fitted, entry: Json) -> None:
    record = RunRecord.read(run.folder)
    record.estimates = [e for e in record.estimates if not _same(e, entry)] + [entry]
    record.write(run.folder)
    forget(run.folder, kind=entry["kind"], split=entry["split"])


def renew_metrics(
    run: Fitted, splits: Sequence[str], *, examples: int | None = None, units: Unit = "nats"
) -> list[str]:
    """Measure D, R and I of splits again as a fit does, and return them as lines of text.

    Args:
        run: an opened run.
        splits: which to measure.
        examples: how many I is a mean over, where it is not as many as the run says.
        units: of the lines.
    """
    record = RunRecord.read(run.folder)
    rows = _history(record, run.folder)
    with precision_of(run.config):
        for split in splits:
            record.metrics[split] = evaluate_split(
                run.model,
                run.data,
                split,
                slope=run.slope,
                seed=run.config.seed,
                samples=run.config.eval_samples,
                information_examples=examples or run.config.information_examples,
                bound_samples=record.model.get("bound_samples"),
            )
    if "test" in record.metrics:
        evidence = Evidence(record.metrics, run.model.latent_dim, rows, record.model, record.data)
        record.verdicts |= judged(evidence)
    if is_first():
        record.write(run.folder)
    return split_lines(record, splits, units=units)


def _history(record: RunRecord, folder: Path) -> list[Row]:
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


def evaluate_run(
    run_dir: str | Path,
    *kinds: str,
    split: str | None = None,
    model: VAE | None = None,
    data: DataSet | None = None,
    data_file: str | None = None,
    factor: str | None = None,
    **settings: int,
) -> RunRecord:
    """What `python -m vae_rd.evaluate` does to one run, from Python: with one's own network or data, if the run has.

    Args:
        run_dir: folder of a finished run.
        kinds: of estimates, such as "importance" or "ais"; without any, D, R and I are measured again.
        split: of the estimates, by default test; of D, R and I, by default all.
        model: the network, where the run was fitted with one's own.
        data: the data, where the run was fitted to some given from Python.
        data_file: where the file or folder of one's own data is now.
        factor: of "probe": which labels, where there are several.
        settings: of the estimates: samples, examples, chains, temperatures, seed; without any, examples are those that
            I is a mean over.

    Returns:
        The record with what was measured.

    Raises:
        InputError: for what is no kind or setting, and where network or data are not the run's.

    Example:
        >>> import tempfile
        >>> from vae_rd import FitConfig, fit_model
        >>> with tempfile.TemporaryDirectory() as runs:
        ...     flags = FitConfig(name="a", max_steps=2, hidden=[8], n_train=256, wandb="off", run_dir=runs)
        ...     _ = fit_model(flags)  # doctest: +ELLIPSIS
        ...     record = evaluate_run(f"{runs}/a", "importance", samples=10, examples=20)
        sprites: ...
        >>> [(entry["kind"], entry["n"]) for entry in record.estimates]
        [('importance', 20)]
    """
    check_network_and_data(model, data)
    words = (("kind", kinds, KINDS), ("setting", settings, OPTIONS), ("split", [split] if split else [], SPLITS))
    for name, given, known in words:
        if unknown := [word for word in given if word not in known]:
            raise InputError(f"evaluate_run: {unknown[0]} is no {name}; choose one of {', '.join(known)}")
    for name, value in settings.items():
        least = 0 if name == "seed" else 2
        if type(value) is not int or value < least:
            raise InputError(f"evaluate_run: {name} is {value!r}; give a whole number from {least} on")
    folder, wanted = Path(run_dir), Settings(split=split or "test", factor=factor, kinds=kinds, **settings)
    with ExitStack() as held:
        _hold([folder], held)
        run = open_run(folder, model=model, data=data, data_file=data_file)
        check_estimates(run, wanted, kinds)
        splits = [split] if split else SPLITS
        for _ in add_estimates(run, wanted, kinds) if kinds else renew_metrics(run, splits, examples=wanted.examples):
            pass  # Each has gone into the record.
    return RunRecord.read(folder)


def evaluate_runs(
    folders: Sequence[Path],
    kinds: Sequence[str],
    *,
    split: str | None,
    given: Mapping[str, Any],
    data_file: str | None,
    processes: Mapping[str, int],
    said: Sequence[str] = (),
    units: Unit = "nats",
) -> Iterator[str]:
    """What the command does: every run is opened and checked before any work is begun; lines as numbers are there.

    Args:
        folders: of finished runs.
        kinds: keys of `KINDS`; without any, metrics are measured again.
        split: of the estimates, by default test; of metrics, by default all.
        given: settings of the estimates; without any, examples are those that I is a mean over.
        data_file: where the runs' own data are now.
        processes: `devices` and `num_nodes`.
        said: lines that come first.
        units: of D, R and I as they are printed.
    """
    settings = Settings(split=split or "test", kinds=tuple(kinds), **given)
    cuda = torch.cuda.is_available() and any(_wants_gpu(folder) for folder in folders)
    with connected(**processes, cuda=cuda), ExitStack() as held:
        check_same([[str(folder) for folder in folders], list(kinds), split, dict(given)], what="options")
        broadcast(lambda: _hold(folders, held))
        opened = (partial(open_run, folder, data_file=data_file) for folder in folders)
        runs = [on_all_ranks(partial(rank_zero_first, opening)) for opening in opened]
        for run in runs:
            check_estimates(run, settings, kinds)
            record = RunRecord.read(run.folder)
            check_units(units, record.data, record.model["distortion"].get("measure"))
            if not kinds:
                _history(record, run.folder)
        yield from said
        for run in runs:
            yield f"{run.folder}:"
            if kinds:
                yield from (line for entry in add_estimates(run, settings, kinds) for line in _lines(entry))
            else:
                yield from renew_metrics(run, [split] if split else SPLITS, examples=settings.examples, units=units)


def _wants_gpu(folder: Path) -> bool:
    return RunRecord.read(folder).config.get("accelerator") != "cpu"


def _hold(folders: Sequence[Path], held: ExitStack) -> None:
    """Keep every other process from working on these runs until `held` is closed."""
    for folder in {folder.resolve(): folder for folder in folders}.values():
        check_finished(RunRecord.read(folder), folder)  # No file is written where there is no run to measure.
        held.enter_context(locked(folder))


def _lines(entry: Json) -> list[str]:
    kind = KINDS.get(entry["kind"])
    return [_line(entry)] if kind is None or kind.lines is None else kind.lines(entry)


def _line(entry: Json) -> str:
    value = "undefined" if entry["value"] is None else f"{entry['value']:.4f}"
    stderr = "" if entry["stderr"] is None else f" ± {entry['stderr']:.4f}"
    limit = f", certified 99 % limit {entry['limit']:.4f}" if entry.get("limit") is not None else ""
    bound = f"{entry['bound']} bound" if entry["bound"] else "estimate"
    if entry["kind"] == "dual" and not entry["certified"]:
        bound = "estimated lower bound"
    number = f"{value}{stderr} nats (n = {entry['n']:,}){limit}"
    more = "".join(f"; {words} {with_error(entry[name])}" for name, words in BESIDE.items() if entry.get(name))
    return f"  {entry['kind']:<12} {entry['split']:<6} {number}  {bound}: {entry['source']}{more}"
