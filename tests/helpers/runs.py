"""What a run leaves: reading it, and making it up."""

import csv
from pathlib import Path

from vae_rd.config.fields import FitConfig, to_dict
from vae_rd.config.names import identity
from vae_rd.run.record import RunRecord


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as stream:
        return list(csv.DictReader(stream))


def only_run(config: FitConfig) -> Path:
    (folder,) = Path(config.run_dir).iterdir()
    return folder


def record_of(config: FitConfig, name: str, **fields) -> RunRecord:
    """A record of a run of this config, with no data."""
    return RunRecord(name, "", to_dict(config), {}, identity(config), **fields)
