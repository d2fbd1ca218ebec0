"""What `python -m vae_rd.explore` does, from the command line and from Python."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vae_rd.config.explorations import EXPLORATIONS
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted
from vae_rd.experiment.loading import open_run, precision_of
from vae_rd.explore.base import Asked
from vae_rd.explore.files import FOLDER, write_found
from vae_rd.explore.kinds import KINDS
from vae_rd.model.vae import VAE
from vae_rd.run.lock import locked
from vae_rd.run.record import Json, RunRecord
from vae_rd.training.tracking import track_afterwards


def explore_run(
    run_dir: str | Path,
    *only: str,
    seed: int = 0,
    model: VAE | None = None,
    data: DataSet | None = None,
    data_file: str | None = None,
) -> dict[str, Json]:
    """What `python -m vae_rd.explore` makes of one run, from Python: with one's own network or data, if the run has.

    Args:
        run_dir: folder of a finished run.
        only: words of explorations; without any, all that apply to the run.
        seed: of all draws.
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
        ...     flags = FitConfig(name="a", max_steps=2, hidden=[8], n_train=64, wandb="off", run_dir=runs)
        ...     _ = fit_model(flags)  # doctest: +ELLIPSIS
        ...     found = explore_run(f"{runs}/a", "samples")
        sprites: ...
        >>> found["samples"]["numbers"]["prior, x"]["verdict"]
        'further away'
    """
    if unknown := [word for word in only if word not in EXPLORATIONS]:
        raise InputError(f"explore_run: {unknown[0]} is no exploration; choose one of {', '.join(EXPLORATIONS)}")
    folder, asked = Path(run_dir), Asked(only, seed)
    with locked(folder):
        run = open_run(folder, model=model, data=data, data_file=data_file)
        lines = dict(_explored(run, asked))
    return {word: {"why_not": why} if (why := KINDS[word].why_not(run)) else _read(folder, word) for word in lines}


def explore_runs(
    folders: Sequence[Path], asked: Asked, *, data_file: str | None = None, said: Sequence[str] = ()
) -> Iterator[str]:
    """What the command does: every run is opened before any is explored; lines as there are numbers.

    Args:
        folders: of finished runs.
        asked: what was asked for.
        data_file: where the runs' own data are now.
        said: lines that come first.

    Raises:
        InputError: where a run cannot be opened, or nothing can be written there.
    """
    with ExitStack() as held:
        for folder in folders:
            held.enter_context(locked(folder))
        runs = [open_run(folder, data_file=data_file) for folder in folders]
        for folder in folders:
            with _writing(folder):
                (folder / FOLDER).mkdir(exist_ok=True)
        yield from said
        for run in runs:
            yield f"{run.folder}:"
            for word, line in _explored(run, asked):
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
