"""Models of other libraries on the plane; none of these libraries is imported before its adapter is called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vae_rd.foreign.adapters.from_compressai import compressai as compressai
    from vae_rd.foreign.adapters.from_diffusers import diffusers as diffusers
    from vae_rd.foreign.adapters.from_pythae import pythae as pythae
    from vae_rd.foreign.adapters.from_scvi import scvi as scvi
    from vae_rd.foreign.adapters.weights import load_weights as load_weights

# Modules are not named as their functions are: importing `adapters/pythae.py` would put it in the function's place.
_LAZY = {
    "compressai": "vae_rd.foreign.adapters.from_compressai",
    "diffusers": "vae_rd.foreign.adapters.from_diffusers",
    "pythae": "vae_rd.foreign.adapters.from_pythae",
    "scvi": "vae_rd.foreign.adapters.from_scvi",
    "load_weights": "vae_rd.foreign.adapters.weights",
}
__all__ = list(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'vae_rd.foreign.adapters' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
