"""W&B runs: in which mode, opened at once or, where no server is asked, when something is first put into them."""

from __future__ import annotations

import os
import secrets
import string
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from vae_rd.config.fields import FitConfig, to_dict

INIT_SECONDS = 30.0
FINISH_SECONDS = 20.0  # An agent kills a run 30 s after asking it to stop.
STEP = "trainer/global_step"  # The name under which Lightning's users look for the step.
Mode = Literal["off", "offline", "online"]
# Each validation once more, D over R instead of the step: all runs of a project then share one rate-distortion chart.
PLANE: Mapping[str, str] = MappingProxyType({"val/rate": "plane/val_rate", "val/distortion": "plane/val_distortion"})
ID_LETTERS, ID_LENGTH = string.ascii_lowercase + string.digits, 8  # As W&B draws its own.


def tracking_mode(config: FitConfig) -> Mode:
    """The mode of `--wandb`, with auto settled: W&B's own WANDB_MODE, else online under an agent or when logged in."""
    if config.wandb != "auto":
        return config.wandb
    match os.environ.get("WANDB_MODE"):
        case "disabled":
            return "off"
        case "offline" | "dryrun":
            return "offline"
        case "online" | "run":
            return "online"
    return "online" if "WANDB_SWEEP_ID" in os.environ or _logged_in() else "offline"


class Place(NamedTuple):
    """Where a run lies at W&B; without an entity, that of the environment or of whoever is logged in."""

    project: str
    entity: str | None = None


class OfflineRun:
    """A W&B run in files alone, opened when it is first used: the client takes seconds to start.

    Args:
        place: where it is to lie at W&B.
        run_id: its id, or None for a new one.
        open_with: opens the run of an id.

    Attributes:
        id: of the run.
        project: the one asked for.
        entity: the one asked for, or that the environment names, if it does.
        offline: that it is.
        starting_step: 0, since nobody knows what W&B has.
    """

    offline, starting_step = True, 0

    def __init__(self, place: Place, run_id: str | None, open_with: Callable[[str], Any]) -> None:
        self.id = run_id or "".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH))
        self.project, self.entity = place.project, place.entity or os.environ.get("WANDB_ENTITY")
        self._open_with, self._run = open_with, None

    def __getattr__(self, name: str) -> Any:
        """Whatever else the run has."""
        if self._run is None:
            self._run = self._open_with(self.id)
        return getattr(self._run, name)


def run_of(config: FitConfig, folder: Path, mode: Mode, *, name: str, run_id: str | None, place: Place) -> Any:
    """A run to log to.

    Args:
        config: sent as the W&B run's config.
        folder: the run's folder.
        mode: "offline" or "online".
        name: the run's name.
        run_id: the id of the W&B run to go on with, or None for a new one.
        place: where it is to lie.

    Raises:
        Exception: what the client raises, online at once, offline when the run is first used.
    """
    if mode == "online":
        return open_run(config, folder, mode, name=name, run_id=run_id, place=place)
    return OfflineRun(place, run_id, lambda known: open_run(config, folder, mode, name=name, run_id=known, place=place))


def open_run(config: FitConfig, folder: Path, mode: Mode, *, name: str, run_id: str | None, place: Place) -> Any:
    """What `wandb.init` returns, with its axes defined; W&B keeps its own files in the `wandb` folder of the run's.

    Raises:
        Exception: what the client raises.
    """
    with contained(folder):
        run = _initialised(config, folder, mode, name=name, run_id=run_id, place=place)
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    run.define_metric(PLANE["val/rate"], hidden=True)
    run.define_metric(PLANE["val/distortion"], step_metric=PLANE["val/rate"], step_sync=False)
    return run


def _initialised(config: FitConfig, folder: Path, mode: Mode, *, name: str, run_id: str | None, place: Place) -> Any:
    wandb = client()
    return wandb.init(
        project=place.project,
        entity=place.entity,
        name=name,
        id=run_id,
        resume="allow",
        reinit="create_new",
        dir=folder,
        mode=mode,
        config=to_dict(config),
        settings=wandb.Settings(
            silent=True,
            console="off",
            symlink=False,
            init_timeout=INIT_SECONDS,
            finish_timeout=FINISH_SECONDS,
            finish_timeout_raises=True,
        ),
    )


def client() -> Any:
    """The wandb module, set up to print nothing and hence, having nowhere to ask, to ask for nothing."""
    import wandb

    wandb.setup(wandb.Settings(silent=True))
    return wandb


def _logged_in() -> bool:
    """Whether W&B has a key; it is not imported where there is no place that could hold one."""
    if "wandb" not in sys.modules and not _may_hold_a_key():
        return False
    try:
        wandb = client()
        if wandb.run is not None:  # One of the user's own, beside which login does not look for a key.
            return not wandb.run.offline
        return bool(wandb.login(prompt=False, verify=False))
    except Exception:  # A malformed key, say: going online will tell.
        return True


def _may_hold_a_key() -> bool:
    """Whether there is any of what W&B looks for a key in: its variables, a netrc file, settings."""
    if any(name in os.environ for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_SERVICE")):
        return True
    home = Path.home()
    settings = Path(os.environ.get("WANDB_CONFIG_DIR") or home / ".config" / "wandb")
    places = [Path(os.environ.get("NETRC") or home / ".netrc"), home / "_netrc", settings / "settings"]
    return any(place.exists() for place in [*places, Path("wandb") / "settings"])


@contextmanager
def contained(folder: Path) -> Iterator[None]:
    """Keep what the client's process writes in the run's folder, and its reports about itself unsent.

    Those would print lines and hold up the exit by 20 s when the server is out of reach.
    """
    with environment(WANDB_CACHE_DIR=str(folder.absolute()), WANDB_ERROR_REPORTING="false"):
        yield


@contextmanager
def environment(**defaults: str) -> Iterator[None]:
    """Set the variables that the user has not set, for the processes that are started within the block."""
    added = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
