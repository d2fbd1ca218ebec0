"""What a run leaves behind: `record.json`, written whole or not at all, and read with one-line errors.

Layout of a run folder: `record.json` (this module), `history.csv` (one row an epoch), `config.yaml` (the resolved
flags), `checkpoints/kept.ckpt` and `checkpoints/last.ckpt`. The record is all that `analysis` reads, so it carries the
data card, the metrics of three splits with standard errors, the environment and the state of the code.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast

from vae_rd import __version__
from vae_rd.config.names import MODEL, UNNAMED_FIELDS, is_read, meant
from vae_rd.errors import InputError
from vae_rd.run.files import RECORD_FILE, sha256, write_atomic
from vae_rd.run.lock import holder_of

SCHEMA_VERSION = 1
SPLITS = ("train", "val", "test")
Status = Literal["running", "finished", "failed", "interrupted"]
Json = dict[str, Any]
_AGAIN = "fit the run again with --overwrite"
_WORDS = {"finished": "is finished", "failed": "has failed", "interrupted": "was interrupted"}
_FIELD_TYPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("config", "identity", "data", "model", "metrics", "verdicts", "environment", "files"), dict),
    **dict.fromkeys(("name", "command", "status", "version"), str),
    "estimates": list,
    "seconds": (int, float),
    "wandb": (dict, type(None)),
    "stopped_by": (int, type(None)),
}
# What the first records of this schema version had not got, and what they meant by that.
_LATER: Mapping[str, Any] = {"files": {}, "stopped_by": None}


class Unreadable(Exception):
    """Why there is no reading a record, with what to do about it.

    Args:
        fault: what is wrong.
        remedy: what to do.
    """

    def __init__(self, fault: str, remedy: str = _AGAIN) -> None:
        super().__init__(fault)
        self.remedy = remedy


def estimate(value: float, stderr: float | None, n: int, **details: Any) -> Json:
    """One reported number in the record's form; a value that is not finite is undefined, hence null.

    Args:
        value: the estimate, in nats unless its name says otherwise.
        stderr: its standard error; None where the value is a count or a definition.
        n: the number of examples it is a mean over.
        details: further keys, such as `cap`, `kind` or `resampled`.

    Example:
        >>> estimate(1.5, 0.25, 16, resampled="x, z")
        {'value': 1.5, 'stderr': 0.25, 'n': 16, 'resampled': 'x, z'}
        >>> estimate(float("nan"), None, 16)
        {'value': None, 'stderr': None, 'n': 16}
    """
    finite = math.isfinite(value)
    known = stderr is not None and math.isfinite(stderr)
    return {"value": value if finite else None, "stderr": stderr if finite and known else None, "n": n, **details}


def known(values: Iterable[float]) -> list[float | None]:
    """Numbers in the record's form: what is not finite is undefined, hence null.

    Example:
        >>> known([1.5, float("nan")])
        [1.5, None]
    """
    return [value if math.isfinite(value) else None for value in values]


@dataclass
class RunRecord:
    """The self-sufficient account of one run; its fields are the keys of `record.json`."""

    name: str
    command: str
    config: Json
    data: Json
    identity: Json = field(default_factory=lambda: {"defaults_version": 1})
    model: Json = field(default_factory=dict)
    status: Status = "running"
    error: str | None = None
    stopped_by: int | None = None  # The signal that interrupted it.
    units: str = "nats"
    metrics: dict[str, Json] = field(default_factory=dict)
    estimates: list[Json] = field(default_factory=list)
    verdicts: Json = field(default_factory=lambda: {"collapse": None, "fit": None, "training": []})
    environment: Json = field(default_factory=dict)
    git: Json | None = None
    seconds: float = 0.0
    wandb: Json | None = None
    files: Json = field(default_factory=dict)
    version: str = __version__
    schema_version: int = SCHEMA_VERSION

    @property
    def kind(self) -> str:
        """The word of `--model`."""
        return str(self.config.get("model", MODEL))

    @property
    def settings(self) -> Json:
        """The config without what says where or how the run was carried out."""
        return meant(self.config)

    def standing(self, folder: Path) -> str:
        """How it stands with the run in a folder, in words that follow its name.

        A process that is killed leaves "running" in its record, and its lock to nobody.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as runs:
            ...     RunRecord("mine", "", {}, {}).standing(Path(runs) / "mine")
            'was killed'
        """
        if self.status != "running":
            return _WORDS.get(self.status, f"is {self.status}")
        match holder_of(folder):
            case "":
                return "was killed"
            case None:
                return "is running or was killed"
            case holder:
                return f"is running in another process ({holder})"

    def may_be_running(self, folder: Path) -> bool:
        """Whether a process may be at work on the run in a folder: its record says so, and nothing says it is gone."""
        return self.status == "running" and holder_of(folder) != ""

    def write(self, folder: Path) -> Path:
        """Replace `folder/record.json` atomically and return its path."""
        content = json.dumps(with_nulls(asdict(self)), indent=2, allow_nan=False)
        return write_atomic(folder / RECORD_FILE, content + "\n")

    def seal(self, folder: Path, names: Iterable[str]) -> None:
        """Remember files of the run, which are complete, by their checksums: what `check` compares them with."""
        self.files = {name: sha256(folder / name) for name in names}

    def check(self, folder: Path, name: str) -> None:
        """Refuse a file of the run that is not the one the record was made with; one it does not know will do.

        Raises:
            InputError: when the file is missing, damaged, changed, or another run's.
        """
        try:
            if not self.is_of(folder, name):
                raise InputError(
                    f"{folder / name}: damaged, or not the file that {RECORD_FILE} is about; put it back, or {_AGAIN}"
                )
        except OSError as error:
            raise InputError(f"{folder / name}: cannot be read ({error.strerror}); put it back, or {_AGAIN}") from None

    def is_of(self, folder: Path, name: str) -> bool:
        """Whether a file of the run is the one the record was made with, as far as the record knows it.

        Raises:
            OSError: where the file cannot be read.
        """
        return name not in self.files or bool(self.files[name] == sha256(folder / name))

    @classmethod
    def read(cls, folder: Path) -> RunRecord:
        """Read `folder/record.json`.

        Raises:
            InputError: when it is missing, damaged, or of another schema version.
        """
        try:
            return cls.attempt(folder)
        except Unreadable as fault:
            raise InputError(f"{folder / RECORD_FILE}: {fault}; {fault.remedy}") from None

    @classmethod
    def attempt(cls, folder: Path, *, newer: bool = False) -> RunRecord:
        """As `read`, for who goes on without a run that cannot be read.

        Args:
            folder: of the run.
            newer: take a record of a later schema version for what it has of this one.

        Raises:
            Unreadable: when it is missing, damaged, or of another schema version.
        """
        try:
            content = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        except OSError as error:
            raise Unreadable(
                f"no run record can be read there ({error.strerror})", "give the folder of a run"
            ) from None
        except (ValueError, RecursionError):
            raise Unreadable("damaged, not JSON") from None
        return cls.of(content, newer=newer)

    @classmethod
    def of(cls, content: object, *, newer: bool = False) -> RunRecord:
        """Build a record from parsed JSON.

        Raises:
            Unreadable: when it lacks a field, or has another schema version, unless that is a later one and `newer`.
        """
        version = content.get("schema_version") if isinstance(content, Mapping) else None
        known = version == SCHEMA_VERSION or (newer and type(version) is int and version > SCHEMA_VERSION)
        if not isinstance(content, Mapping) or not known:
            raise Unreadable(f"schema_version is {version}, this vae_rd reads {SCHEMA_VERSION}")
        content = _upgraded(content)
        names = [f.name for f in fields(cls)]
        if missing := [name for name in names if name not in content]:
            raise Unreadable(f"damaged, it lacks {', '.join(missing)}")
        wrong = [name for name, kind in _FIELD_TYPES.items() if not isinstance(content[name], kind)]
        wrong += [] if "identity" in wrong or type(content["identity"].get("defaults_version")) is int else ["identity"]
        if wrong:
            raise Unreadable(f"damaged, {', '.join(wrong)} cannot be right")
        return cls(**{name: cast(Any, content[name]) for name in names})


def _upgraded(content: Mapping[str, Any]) -> Json:
    """A record with what records of earlier versions had not got, as far as it follows from what they had."""
    content = {**_LATER, **content}
    config, model = content.get("config"), content.get("model")
    if "identity" not in content and isinstance(config, Mapping) and isinstance(model, Mapping):
        stopped = re.fullmatch(r"stopped by signal (\d+)", str(content.get("error")))  # All that those records say.
        content["stopped_by"] = int(stopped[1]) if stopped and content.get("status") == "interrupted" else None
        content["identity"] = {"defaults_version": 1, **{k: v for k, v in config.items() if k not in UNNAMED_FIELDS}}
        own, fixed = model.get("is_own"), config.get("likelihood") == "gaussian"
        distortion = {
            "family": None if own else config.get("likelihood"),
            "scale": config.get("likelihood_scale") if fixed and not own else None,
            "squared_error_weight": model.get("squared_error_weight"),
            "constant": None,
        }
        content["model"] = {"kept_epoch": None, "slope": config.get("beta"), "distortion": distortion, **model}
    if isinstance(config, Mapping) and isinstance(content.get("model"), Mapping):
        if (
            isinstance(content.get("identity"), Mapping)
            and config.get("rate_weight")
            and is_read("rate_weight", config)
        ):
            # Runs of version 3 of the defaults were made with the weight that null now leaves to be found.
            content["identity"] = {"rate_weight": config["rate_weight"], **content["identity"]}
        asked = config.get("target_rate") if is_read("target_rate", config) else None
        slope = content["model"].get("slope")
        content["model"] = {
            "target_rate": asked,
            "target_distortion": None,
            "achieved_slope": slope,
            **content["model"],
        }
    data = content.get("data")
    if isinstance(data, Mapping) and isinstance(config, Mapping):
        content["data"] = {"is_own": bool(data) and data.get("name") != config.get("data"), "file_sha256": None, **data}
    return content


def with_nulls(value: Any) -> Any:
    """The value with every number that is not finite replaced by null."""
    if isinstance(value, dict):
        return {key: with_nulls(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_nulls(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
