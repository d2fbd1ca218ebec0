"""Weights & Biases as a second reader of a run's numbers: it is never asked for, never asks, and never fails a fit."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import WandbLogger

from vae_rd.config import FitConfig, to_dict
from vae_rd.records import CONFIG_FILE, HISTORY_FILE, RECORD_FILE, Json, RunRecord

INIT_SECONDS = 30.0
_REPORTED = ("distortion", "rate", "elbo", "objective", "active_units")
_INFORMATION = ("mutual_information_lower", "mutual_information_upper", "marginal_kl_lower", "marginal_kl_upper")


def tracking_mode(config: FitConfig) -> Literal["off", "offline", "online"]:
    """The mode of `--wandb`, with auto settled: W&B's own WANDB_MODE, else online under an agent or when logged in."""
    if config.wandb != "auto":
        return config.wandb
    asked = os.environ.get("WANDB_MODE")
    if asked in ("disabled", "dryrun", "offline", "online"):
        return {"disabled": "off", "online": "online"}.get(asked, "offline")  # type: ignore[return-value]
    return "online" if "WANDB_SWEEP_ID" in os.environ or _logged_in() else "offline"


def start_tracking(config: FitConfig, folder: Path, *, name: str, run_id: str | None) -> WandbLogger | None:
    """A logger for the run, online or offline as the mode says; a server out of reach costs a line and a wait.

    Args:
        config: sent as the W&B run's config.
        folder: where W&B keeps its own files.
        name: the run's name.
        run_id: the id of the W&B run to go on with, or None for a new one.
    """
    mode = tracking_mode(config)
    if mode == "off":
        return None
    import wandb

    def init(mode: Literal["offline", "online"]) -> Any:
        settings = wandb.Settings(init_timeout=INIT_SECONDS, silent=True, console="off")
        return wandb.init(
            project=config.wandb_project,
            name=name,
            id=run_id,
            resume="allow",
            dir=folder,
            mode=mode,
            config=to_dict(config),
            settings=settings,
        )

    try:
        run = init(mode)
    except (wandb.Error, OSError) as error:
        print(
            f"warning: W&B {mode} could not start ({_first_line(error)}); the run's own folder has every number",
            file=sys.stderr,
        )
        if mode == "offline":
            return None
        run = init("offline")
    if run.url:
        print(f"W&B: {run.url}")
    return WandbLogger(experiment=run, log_model=False)


def tracking_state(logger: WandbLogger | None) -> Json | None:
    """What the record says about W&B: enough to find the run again and go on with it."""
    if logger is None:
        return None
    run = logger.experiment
    return {
        "id": run.id,
        "project": run.project,
        "entity": run.entity or None,
        "mode": "offline" if run.offline else "online",
    }


def finish_tracking(logger: WandbLogger | None, record: RunRecord, folder: Path) -> None:
    """Send the kept checkpoint's numbers as the summary, attach the run's files, and close."""
    if logger is None:
        return
    run = logger.experiment
    run.summary.update(summary_of(record))
    for file in (RECORD_FILE, HISTORY_FILE, CONFIG_FILE):
        if (folder / file).is_file():
            run.save(str(folder / file), base_path=str(folder), policy="now")
    run.finish(exit_code=0 if record.status == "finished" else 1)


def summary_of(record: RunRecord) -> Json:
    """Flat W&B summary: `test/distortion`, `test/distortion_stderr`, ..., and the collapse verdict.

    Example:
        >>> metrics = {"test": {"rate": {"value": 2.0, "stderr": 0.1, "n": 9}}}
        >>> summary_of(RunRecord("a", "", {}, {}, metrics=metrics))
        {'test/rate': 2.0, 'test/rate_stderr': 0.1}
    """
    summary: Json = {}
    for split, metrics in record.metrics.items():
        for name in (*_REPORTED, *_INFORMATION):
            if name in metrics:
                summary[f"{split}/{name}"] = metrics[name]["value"]
                if metrics[name]["stderr"] is not None:
                    summary[f"{split}/{name}_stderr"] = metrics[name]["stderr"]
    if record.verdicts.get("collapse"):
        summary["collapsed"] = record.verdicts["collapse"]["collapsed"]
    return summary


def _logged_in() -> bool:
    import wandb

    return bool(os.environ.get("WANDB_API_KEY") or wandb.api.api_key)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
