"""`wandb:ENTITY/PROJECT[/SWEEP]`: runs that lie at Weights & Biases, as run folders in a cache of one's own.

What `fit` attached to a run, its record and its history, is downloaded once; it is asked for again when W&B has heard
from the run since. The client works in a process of its own with a time limit: out of reach of the server it would wait
without end, print, and leave files.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vae_rd.errors import InputError

PREFIX = "wandb:"
COLUMNS = ("beta", "rate", "distortion")
ANSWER_SECONDS = 600.0  # For all runs of a project.
CONNECT_SECONDS = 15  # For one answer.
Entry = str | Path


def local_runs(entries: Entry | Sequence[Entry], *, columns: str | None = None) -> list[Entry]:
    """Run folders, or folders of them, for all entries; those at W&B are brought into the cache.

    Args:
        entries: as for `load_runs`; an entry of W&B is `wandb:ENTITY/PROJECT` or `wandb:ENTITY/PROJECT/SWEEP`.
        columns: `beta=config.beta,rate=val/kl,distortion=val/recon`: where runs of other code have their numbers, in
            the summary or, where they begin with "config.", in the config.

    Raises:
        InputError: for such an entry that is malformed, cannot be answered, or has no run.

    Warns:
        UserWarning: one line that names the runs that hold no record.
    """
    found: list[Entry] = []
    named = _columns(columns)
    for entry in [entries] if isinstance(entries, str | Path) else entries:
        found += _fetched(entry, named) if str(entry).startswith(PREFIX) else [entry]
    return found


def cache_folder() -> Path:
    """Where downloaded records lie: below XDG_CACHE_HOME, by default ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vae_rd" / "wandb"


def _columns(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    named = dict(part.partition("=")[::2] for part in text.split(","))
    if set(named) != set(COLUMNS) or not all(named.values()):
        raise InputError(f"--wandb_columns {text}: write beta=COLUMN,rate=COLUMN,distortion=COLUMN")
    return named


def _fetched(entry: Entry, columns: dict[str, str] | None) -> list[Entry]:
    path = re.fullmatch(r"wandb:([^/\s]+)/([^/\s]+)(?:/([^/\s]+))?", str(entry))
    if path is None or ".." in path.groups():
        raise InputError(f"{entry}: write wandb:ENTITY/PROJECT or wandb:ENTITY/PROJECT/SWEEP")
    entity, project, sweep = path.groups()
    place = cache_folder() / entity / project
    answer = _ask(str(entry), entity=entity, project=project, sweep=sweep, place=str(place), columns=columns)
    if left_out := answer["left_out"]:
        said = ", ".join(f"{name} ({why})" for name, why in left_out)
        warnings.warn(f"left out, without a record at W&B: {said}", UserWarning, stacklevel=4)
    if not answer["folders"]:
        whose = "the sweep" if sweep else "the project"
        remedy = "send them with `wandb sync`, or name columns of other code with --wandb_columns"
        raise InputError(f"{entry}: none of the {len(left_out)} runs of {whose} has a record; {remedy}")
    return [Path(folder) for folder in answer["folders"]]


def _ask(entry: str, **request: Any) -> dict[str, Any]:
    """What the client answers.

    Raises:
        InputError: the server does not answer, refuses, or nobody is logged in.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        places = {"WANDB_DIR": scratch, "WANDB_CACHE_DIR": scratch, "WANDB_ERROR_REPORTING": "false"}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "analysis.sources.wandb_client"],
                input=json.dumps(request | {"timeout": CONNECT_SECONDS}),
                env={**os.environ, **places},
                capture_output=True,
                text=True,
                timeout=ANSWER_SECONDS,
                start_new_session=True,  # Without a terminal, where the client would ask for a key.
                check=False,
            )
            answer: dict[str, Any] = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            answer = {"refused": f"no answer in {ANSWER_SECONDS:g} s"}
        except ValueError:
            answer = {"refused": " ".join(done.stderr.split()) or "the client ended without a word"}
    if "refused" in answer:
        remedy = "see to the login (`wandb login`), the server and the names"
        raise InputError(f"{entry}: W&B: {answer['refused']}; {remedy}")
    return answer
