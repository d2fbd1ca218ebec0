"""vae_rd: rate, distortion and posterior collapse of variational autoencoders, with error bars."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vae_rd.experiment.fitting import fit_model as fit_model
    from vae_rd.experiment.loading import load as load

__version__ = "0.1.0"
__all__ = ["__version__", "fit_model", "load"]

_LAZY = {"fit_model": "vae_rd.experiment.fitting", "load": "vae_rd.experiment.loading"}


def __getattr__(name: str) -> Any:
    """Import torch and lightning only when `load` or `fit_model` is asked for: `--help` and `analysis` need neither."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'vae_rd' has no attribute {name!r}")
