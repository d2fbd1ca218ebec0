"""The `history.csv` of runs to a tidy table, with a row per run, epoch and split."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from analysis.rows.finding import warn_of_parts
from analysis.rows.reading import Damaged, record_of
from analysis.rows.runs import Row, as_rows, is_gan
from analysis.rows.scale import Scale
from vae_rd.errors import InputError
from vae_rd.run.files import HISTORY_FILE

EPOCH_METRICS = ("distortion", "rate", "elbo")
CHOSEN_BY = ("val/objective", "beta_effective")  # columns of a history that tell which epoch was kept
QUOTES = "'\""


class Undefined(Damaged):
    """A history without what is asked for, in which nothing is wrong."""


def load_histories(runs: pd.DataFrame) -> pd.DataFrame:
    """What the runs of `load_runs` logged: one row per run, epoch and split (train, val), in the units of `runs`.

    Columns: `run`, `folder`, `data`, `beta`, `seed`, `units`, `epoch`, `step`, `split`, `distortion`, `rate`, `elbo`,
    and `kept`, true at the epoch of the kept checkpoint.

    Raises:
        InputError: when no run has a history.csv that can be read, and is the one that its record was made with.

    Warns:
        RunWarning: one line that names the runs left out for want of one.
    """
    parts: list[pd.DataFrame] = []
    faults: dict[str, Damaged] = {}
    for run in as_rows(runs.drop_duplicates("folder")):
        try:
            parts += list(_histories(run))
        except Damaged as fault:
            faults[run["folder"]] = fault
    if not parts:
        folder, why = next(iter(faults.items()))
        if isinstance(why, Undefined):
            raise InputError(f"{folder}: {why}; draw samples, or choose other runs")
        raise InputError(f"{Path(folder) / HISTORY_FILE}: {why}; put it back, or fit the run again with --overwrite")
    warn_of_parts("no history", {folder: fault for folder, fault in faults.items() if not _is_point(Path(folder))})
    return pd.concat(parts, ignore_index=True)


def _is_point(folder: Path) -> bool:
    """Whether it is a point of a run of many betas, whose history is the run's."""
    return "point_of" in record_of(folder).model


def _histories(run: Row) -> Iterator[pd.DataFrame]:
    folder = Path(run["folder"])
    if is_gan(run):
        raise Undefined("of a GAN, which has no D, R or ELBO")
    history = read_history(folder / HISTORY_FILE)
    if not record_of(folder).is_of(folder, HISTORY_FILE):
        raise Damaged(f"damaged, or not the {HISTORY_FILE} that the record is about")
    scale = Scale.of_row(run)
    kept = history["epoch"] == (
        _kept_before(history, run["beta"]) if math.isnan(run["kept_epoch"]) else run["kept_epoch"]
    )
    for split in ("train", "val"):
        rows = history[["epoch", "step"]].assign(split=split, kept=kept)
        for name in EPOCH_METRICS:
            rows[name] = scale.shown(name, history[f"{split}/{name}"])
        for name in ("units", "seed", "beta", "data", "folder", "run"):
            rows.insert(0, name, run[name])
        defined = [name for name in EPOCH_METRICS if rows[name].notna().any()]
        yield rows.dropna(subset=["distortion", *defined])


def read_history(path: Path) -> pd.DataFrame:
    """A history.csv whose epochs, D, R and ELBO are numbers, NaN where they are not finite.

    Raises:
        Damaged: when there is none.
    """
    numbers = [f"{split}/{name}" for split in ("train", "val") for name in EPOCH_METRICS]
    needed = ["epoch", "step", *numbers]
    try:
        read = pd.read_csv(path, usecols=lambda name: name in (*needed, *CHOSEN_BY))
        history = read.astype({name: int if name in ("epoch", "step") else float for name in needed})
        history = history.replace([math.inf, -math.inf], math.nan)
        if history[["train/distortion", "val/distortion"]].isna().all(axis=None):
            raise ValueError("no epoch with a finite D")
        return history
    except OSError as error:
        raise Damaged(f"no history can be read there ({error.strerror})") from None
    except (ValueError, KeyError) as error:
        raise Damaged(f"damaged, {str(error).splitlines()[0].strip(QUOTES)}") from None


def _kept_before(history: pd.DataFrame, beta: float) -> float:
    """The epoch that a run whose record is older than `kept_epoch` kept: of the lowest val/objective after warm-up.

    NaN where the history does not tell.
    """
    if not set(CHOSEN_BY) <= set(history):
        return math.nan
    after = history[(history["beta_effective"] - beta).abs() <= 1e-6 * beta].dropna(subset="val/objective")
    return math.nan if after.empty else float(after["epoch"].iloc[int(after["val/objective"].argmin())])
