"""What `python -m vae_rd.evaluate` does, from the command line and from Python."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted, Settings
from vae_rd.estimates.kinds import KINDS
from vae_rd.estimates.priors import FAMILIES
from vae_rd.experiment.curve import betas_asked, measure_points
from vae_rd.experiment.door import check_network_and_data
from vae_rd.experiment.loading import open_run
from vae_rd.experiment.measuring import add_estimates, check_estimates, history_of, renew_metrics
from vae_rd.experiment.options import OPTIONS
from vae_rd.model.vae import VAE
from vae_rd.process.collectives import broadcast, check_same, connected, on_all_ranks, rank_zero_first
from vae_rd.run.finding import hold_finished
from vae_rd.run.points import run_of_point
from vae_rd.run.record import SPLITS, Json, RunRecord
from vae_rd.run.summary import with_error
from vae_rd.units import Unit, check_units

BESIDE = {"negative_elbo": "-ELBO", "nll": "NLL"}  # What some entries hold beside their value, in words.


def evaluate_run(
    run_dir: str | Path,
    *kinds: str,
    split: str | None = None,
    model: VAE | None = None,
    data: Any = None,
    data_file: str | None = None,
    factor: str | None = None,
    marginal: str | None = None,
    betas: Sequence[float] = (),
    target_rate: float | None = None,
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
        marginal: of "ais" and "quality": word of the fitted prior that z comes from, in place of the run's own.
        betas: at which D, R and I are measured, of a run of many, or of that of a point: a record each, in folders that
            `find_runs` finds.
        target_rate: R of validation, nats, whose beta is found and measured likewise.
        settings: of the estimates: samples, examples, chains, temperatures, seed; without any, examples are those that
            I is a mean over.

    Returns:
        The record with what was measured.

    Raises:
        InputError: for what is no kind or setting, where network or data are not the run's, and for betas and rates
            that the run does not have.

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
    _check_words(kinds, settings, split, marginal)
    wanted = Settings(split=split or "test", factor=factor, marginal=marginal, kinds=kinds, **settings)
    folder = Path(run_dir)
    if betas or target_rate is not None:
        folder = run_of_point(folder) or folder
    with ExitStack() as held:
        hold_finished([folder], held)
        run = open_run(folder, model=model, data=data, data_file=data_file)
        check_estimates(run, wanted, kinds)
        splits, points = [split] if split else SPLITS, _points(run, betas, target_rate)
        for _ in add_estimates(run, wanted, kinds):
            pass  # Each has gone into the record.
        for _ in measure_points(run, points, splits, examples=wanted.examples):
            pass
        if not (kinds or points):
            renew_metrics(run, splits, examples=wanted.examples)
    return RunRecord.read(folder)


def _check_words(kinds: Sequence[str], settings: Mapping[str, int], split: str | None, marginal: str | None) -> None:
    """Refuse words that `evaluate_run` does not know, and settings that are no numbers."""
    words: tuple[tuple[str, Collection[str], Collection[str]], ...] = (
        ("kind", kinds, KINDS),
        ("setting", settings, OPTIONS),
        ("split", [split] if split else [], SPLITS),
        ("marginal", [marginal] if marginal else [], FAMILIES),
    )
    for name, given, known in words:
        if unknown := [word for word in given if word not in known]:
            raise InputError(f"evaluate_run: {unknown[0]} is no {name}; choose one of {', '.join(known)}")
    for name, value in settings.items():
        least = 0 if name == "seed" else 2
        if type(value) is not int or value < least:
            raise InputError(f"evaluate_run: {name} is {value!r}; give a whole number from {least} on")


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
    betas: Sequence[float] = (),
    target_rate: float | None = None,
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
        betas, target_rate: of the points at which these are measured, of runs of many betas; neither for the runs' own.
    """
    settings = Settings(split=split or "test", kinds=tuple(kinds), **given)
    cuda = torch.cuda.is_available() and any(_wants_gpu(folder) for folder in folders)
    with connected(**processes, cuda=cuda), ExitStack() as held:
        check_same([[str(folder) for folder in folders], list(kinds), split, dict(given)], what="options")
        broadcast(lambda: hold_finished(folders, held))
        runs: list[Fitted] = []
        for folder in folders:
            opening = partial(open_run, folder, data_file=data_file, opened=runs)
            runs.append(on_all_ranks(partial(rank_zero_first, opening)))
        for run in runs:
            check_estimates(run, settings, kinds)
            record = RunRecord.read(run.folder)
            check_units(units, record.data, record.model["distortion"].get("measure"))
            if not kinds:
                history_of(record, run.folder)
        points = [_points(run, betas, target_rate) for run in runs]
        yield from said
        for run, asked in zip(runs, points, strict=True):
            yield f"{run.folder}:"
            if asked:
                where = [split] if split else SPLITS
                yield from measure_points(run, asked, where, examples=settings.examples, units=units)
            elif kinds:
                yield from (line for entry in add_estimates(run, settings, kinds) for line in _lines(entry))
            else:
                yield from renew_metrics(run, [split] if split else SPLITS, examples=settings.examples, units=units)


def _points(run: Fitted, betas: Sequence[float], target_rate: float | None) -> list[float]:
    """The betas of the points that are asked for; none where nothing asks for any."""
    return betas_asked(run, betas, target_rate) if betas or target_rate is not None else []


def _wants_gpu(folder: Path) -> bool:
    return RunRecord.read(folder).config.get("accelerator") != "cpu"


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
