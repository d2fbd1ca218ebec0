"""Reading what a run has left."""

import csv
from pathlib import Path

from vae_rd.config import FitConfig


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as stream:
        return list(csv.DictReader(stream))


def only_run(config: FitConfig) -> Path:
    (folder,) = Path(config.run_dir).iterdir()
    return folder
