"""Points of a run that holds many betas: `<run>/betas/<beta>/record.json`, a record each, from which a curve is read.

`model.slope` of such a run is the beta that its own record is measured at. A point's record is as any other:
`model.slope` and `config.beta` are the point's, and `model.point_of` leads to its run. Its weights are those of its own
`checkpoints/kept.ckpt`, where there is one, else the run's, opened at the point's beta.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vae_rd.run.files import POINTS, RECORD_FILE
from vae_rd.run.folder import KEPT
from vae_rd.run.record import RunRecord

POINT_OF = "../.."  # From a point's folder to its run's.


def point_folder(run: Path, beta: float) -> Path:
    """Where the point at a beta lies, whether it is there or not; the number is written as in a run's name.

    Example:
        >>> point_folder(Path("runs/mine"), 0.0316227766).as_posix()
        'runs/mine/betas/0.0316228'
    """
    return run / POINTS / f"{beta:g}"


def points_of(run: Path) -> list[Path]:
    """The folders of a run's points, by beta."""
    found = (record.parent for record in (run / POINTS).glob(f"*/{RECORD_FILE}"))
    return sorted(found, key=lambda folder: (_beta(folder.name), folder.name))


def run_of_point(folder: Path) -> Path | None:
    """The folder of the run that a point is of; None for a folder that is no point's.

    Example:
        >>> run_of_point(Path("runs/mine")) is None
        True
    """
    run = folder.parent.parent
    return run if folder.parent.name == POINTS and (run / RECORD_FILE).is_file() else None


def kept_of(folder: Path) -> Path:
    """The checkpoint with the weights of a run or a point: its own, or that of the run that a point is of.

    Example:
        >>> kept_of(Path("runs/mine")).as_posix()
        'runs/mine/checkpoints/kept.ckpt'
    """
    run = run_of_point(folder)
    return folder / KEPT if run is None or (folder / KEPT).exists() else run / KEPT


def point_record(record: RunRecord, beta: float) -> RunRecord:
    """The record of a point before anything is measured there.

    Args:
        record: of the run.
        beta: of the point.
    """
    aim = {"slope": beta, "achieved_slope": beta, "score": None, "point_of": POINT_OF}
    return replace(
        record,
        name=f"{record.name}-beta{beta:g}",
        config={**record.config, "beta": beta},
        identity={**record.identity, "beta": beta},
        model={**record.model, **aim},
        metrics={},
        estimates=[],
        verdicts={"collapse": None, "fit": None, "training": []},
        files={},
        seconds=0.0,
        wandb=None,
    )


def _beta(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return float("inf")
