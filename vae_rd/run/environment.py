"""Versions, hardware, code and command that a run's numbers may depend on."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from vae_rd.run.record import Json

_RECORDED_PACKAGES = ("torch", "lightning", "torchmetrics", "wandb", "omegaconf", "numpy")


def capture_environment(device: str) -> Json:
    """Versions and hardware that a number may depend on; nothing that names a user or holds a secret."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "device": device,
        "packages": {name: metadata.version(name) for name in _RECORDED_PACKAGES},
    }


def capture_git() -> Json | None:
    """Commit of the checkout this package runs from and whether it was modified; None outside a checkout."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None


def command_line() -> str:
    """The command as the user typed it, with `python -m` restored."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    program = f"python -m {spec.name.removesuffix('.__main__')}" if spec is not None else Path(sys.argv[0]).name
    return f"{program} {shlex.join(sys.argv[1:])}".strip()
