"""What `python -m vae_rd.explore` does, from the command line and from Python."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from vae_rd.config.explorations import AGAINST, EXPLORATIONS
from vae_rd.config.fields import DataName, FitConfig
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted
from vae_rd.experiment import build, tables
from vae_rd.experiment.loading import data_flags, open_run, precision_of
from vae_rd.explore.base import Asked
from vae_rd.explore.files import FOLDER, write_found
from vae_rd.explore.kinds import KINDS
from vae_rd.model.vae import VAE
from vae_rd.run.finding import hold_finished
from vae_rd.run.record import Json, RunRecord
from vae_rd.training.tracking import track_afterwards

EMBEDDED = ("sprites", "scenes", "digits")  # Need no file, and are there at once.


def explore_run(
    run_dir: str | Path,
    *only: str,
    seed: int = 0,
    against: Sequence[str] = (),
    model: VAE | None = None,
    data: Any = None,
    data_file: str | None = None,
) -> dict[str, Json]:
    """What `python -m vae_rd.explore` makes of one run, from Python: with one's own network or data, if the run has.

    Args:
        run_dir: folder of a finished run.
        only: words of explorations; without any, all that apply to the run.
        seed: of all draws.
        against: words of `--data` whose examples "ood" ranks with the run's own; none for embedded ones of its shape.
        model: the network, where the run was fitted with one's own.
        data: the data, where the run was fitted to some given from Python.
        data_file: where the file or folder of one's own data is now.

    Returns:
        What stands in RUN/explore/WORD.json, by word; of one that does not apply, `why_not` alone.

    Raises:
        InputError: for a word that is none, where the run cannot be opened, and where nothing can be written.

    Example:
        >>> import tempfile
        >>> from vae_rd import FitConfig, fit_model
        >>> with tempfile.TemporaryDirectory() as runs:
        ...     flags = FitConfig(name="a", max_steps=2, hidden=[8], n_train=128, wandb="off", run_dir=runs)
        ...     _ = fit_model(flags)  # doctest: +ELLIPSIS
        ...     found = explore_run(f"{runs}/a", "samples")
        sprites: ...
        >>> found["samples"]["numbers"]["prior, x"]["verdict"]
        'further away'
    """
    for words, known, what in ((only, EXPLORATIONS, "exploration"), (against, AGAINST, "data set of `against`")):
        if unknown := [word for word in words if word not in known]:
            raise InputError(f"explore_run: {unknown[0]} is no {what}; choose one of {', '.join(known)}")
    folder, asked = Path(run_dir), Asked(only, seed)
    with ExitStack() as locks:
        hold_finished([folder], locks)
        run = open_run(folder, model=model, data=data, data_file=data_file)
        lines = dict(_explored(run, asked._replace(others=other_data(run, asked, against, held={}))))
    return {word: {"why_not": why} if (why := KINDS[word].why_not(run)) else _read(folder, word) for word in lines}


def explore_runs(
    folders: Sequence[Path],
    asked: Asked,
    *,
    against: Sequence[str] = (),
    data_file: str | None = None,
    said: Sequence[str] = (),
) -> Iterator[str]:
    """What the command does: every run is opened before any is explored; lines as there are numbers.

    Args:
        folders: of finished runs.
        asked: what was asked for.
        against: as of `explore_run`.
        data_file: where the runs' own data are now.
        said: lines that come first.

    Raises:
        InputError: where a run cannot be opened, or nothing can be written there.
    """
    with ExitStack() as locks:
        hold_finished(folders, locks)
        runs: list[Fitted] = []
        for folder in folders:
            runs.append(open_run(folder, data_file=data_file, opened=runs))
        held: dict[str, DataSet] = {}
        others = [other_data(run, asked, against, held=held) for run in runs]
        for folder in folders:
            with _writing(folder):
                (folder / FOLDER).mkdir(exist_ok=True)
        yield from said
        for run, data in zip(runs, others, strict=True):
            yield f"{run.folder}:"
            for word, line in _explored(run, asked._replace(others=data)):
                yield f"  {word:<14} {line}"


def _explored(run: Fitted, asked: Asked) -> Iterator[tuple[str, str]]:
    """Each word with its line, as soon as its files are there; W&B gets the pictures of all."""
    pictures: dict[str, Path] = {}
    for word in asked.only or EXPLORATIONS:
        if (why := KINDS[word].why_not(run)) is not None:
            yield word, f"does not apply: {why}"
            continue
        with precision_of(run.config):
            found = KINDS[word].make(run, asked)
        with _writing(run.folder):
            paths = write_found(run.folder, word, found, asked)
        pictures |= {f"{FOLDER}/{word}": path for path in paths if path.suffix == ".png"}
        yield word, found.line
    track_afterwards(run.config, RunRecord.read(run.folder), run.folder, pictures)


def other_data(run: Fitted, asked: Asked, against: Sequence[str], *, held: dict[str, DataSet]) -> dict[str, DataSet]:
    """Data sets whose x are like those of a run: those asked for, or the embedded ones; none where nothing ranks them.

    Args:
        run: whose.
        asked: what was asked for.
        against: words of those asked for.
        held: those made for other runs, which are in memory once; those made for this one join them.

    Raises:
        InputError: where one that is asked for is of another shape, or of other values.
    """
    if asked.only and "ood" not in asked.only:
        return {}
    found = {}
    for word in (word for word in against or EMBEDDED if word != run.data.card.name):
        try:
            found[word] = _like(run, word, held)
        except InputError:  # The run's flags do not fit it.
            if against:
                raise
    fits = {word: (data.card.shape, data.card.support) for word, data in found.items()}
    card = run.data.card
    for word, fit in fits.items():
        if word in against and fit != (card.shape, card.support):
            raise InputError(
                f"{run.folder}: --against {word}: its x are {_words(*fit)}, those of the run "
                f"{_words(card.shape, card.support)}; choose another data set, or leave it out"
            )
    return {word: data for word, data in found.items() if fits[word] == (card.shape, card.support)}


def _like(run: Fitted, word: str, held: dict[str, DataSet]) -> DataSet:
    """A data set under the run's flags, made where none of the same is held."""
    config = replace(run.config, data=cast(DataName, word), data_file=None, n_train=None, n_test=None, target="x")
    is_for_bits = run.data.card.support == "binary"
    key = repr((is_for_bits, data_flags(config)))
    if key not in held:
        held[key] = _made(config, is_for_bits)
        held[key].to(run.data.pixels["test"].device)
    return held[key]


def _made(config: FitConfig, is_for_bits: bool) -> DataSet:
    """One that is binary already is not made so, and one that is not is for bits."""
    source = tables.SOURCES[config.data](config)
    if getattr(source, "levels", None) == 2 or getattr(source, "support", None) == "binary":
        config = replace(config, binarization="none", dequantize="none")
    elif is_for_bits and config.binarization == "none":
        config = replace(config, binarization="static")
    with precision_of(config):
        return build.data_set(source, config)


def _words(shape: Sequence[int], support: str) -> str:
    return f"{support} of shape {'x'.join(map(str, shape))}"


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = f"{folder / FOLDER}: cannot be written ({error.strerror})"
        raise InputError(f"{place}; make it a folder that you may write to, and give the command again") from None


def _read(folder: Path, word: str) -> Json:
    content: Json = json.loads((folder / FOLDER / f"{word}.json").read_text(encoding="utf-8"))
    return content
