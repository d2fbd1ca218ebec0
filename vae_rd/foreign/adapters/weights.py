"""Weights that lie in a file, into a module, without running any code that the file may hold."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from vae_rd.errors import InputError

Module = TypeVar("Module", bound=nn.Module)
_SHOWN = 3  # Names that a message lists.
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


def load_weights(module: Module, path: str | Path, *, within: str | None = None, prefix: str = "") -> Module:
    """Load a module's weights from an .npz, a .safetensors or a torch file; each of its tensors, and no others.

    A torch file is read with `weights_only`, an .npz without pickles, and the safetensors format holds numbers alone,
    so that a file of anyone's is read as data. Names are those of `module.state_dict()`.

    Args:
        module: that the weights are of; they are copied in place, to its device and precision.
        path: of the file.
        within: the entry of a torch file that holds them, such as "state_dict" of a checkpoint of Lightning.
        prefix: what the names begin with there, such as "model."; tensors of other names are left out.

    Returns:
        The module.

    Raises:
        InputError: for a file that is of no such kind, or holds more than tensors, or not these.

    Example:
        >>> import tempfile
        >>> net = nn.Linear(2, 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/net.npz", **{"net.weight": np.ones((1, 2)), "net.bias": np.zeros(1)})
        ...     load_weights(net, f"{folder}/net.npz", prefix="net.").weight.tolist()
        [[1.0, 1.0]]
    """
    path = Path(path)
    found = _within(_read(path), path, within)
    found = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
    _check(module.state_dict(), found, path)
    module.load_state_dict(found)
    return module


def _read(path: Path) -> Mapping[str, object]:
    """What the file holds by name: tensors, and of a torch file whatever else it has."""
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    try:
        found = readers.get(path.suffix.lower(), _read_torch)(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a file of weights") from None
    except pickle.UnpicklingError:
        remedy = "save module.state_dict() alone, or open it with its own library"
        raise InputError(f"{path}: holds more than tensors, so that reading it would run code; {remedy}") from None
    except (ValueError, RuntimeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        what = str(error).partition("\n")[0]
        raise InputError(f"{path}: no whole file of weights ({what}); give .npz, .safetensors or torch's") from None
    if not isinstance(found, Mapping):
        raise InputError(f"{path}: holds a {type(found).__name__}, not tensors by name; save module.state_dict()")
    return found


def _read_npz(path: Path) -> dict[str, object]:
    with np.load(path, allow_pickle=False) as arrays:
        return {
            name: torch.from_numpy(np.ascontiguousarray(arrays[name]).reshape(arrays[name].shape)) for name in arrays
        }


def _read_torch(path: Path) -> object:
    return torch.load(path, map_location="cpu", weights_only=True)


def _read_safetensors(path: Path) -> dict[str, object]:
    """The format: the header's length in 8 bytes, the header in JSON, and the numbers one after another.

    Source: https://github.com/huggingface/safetensors, README, "Format".
    """
    content = path.read_bytes()
    if len(content) < 8 or (end := 8 + struct.unpack("<Q", content[:8])[0]) > len(content):
        raise ValueError("its header is cut")
    header = json.loads(content[8:end])
    header.pop("__metadata__", None)
    return {name: _tensor(entry, content[end:]) for name, entry in header.items()}


def _tensor(entry: Mapping[str, Any], numbers: bytes) -> Tensor:
    first, last = entry["data_offsets"]
    if not 0 <= first <= last <= len(numbers):
        raise ValueError("its numbers are cut")
    dtype, shape = _DTYPES[str(entry["dtype"])], entry["shape"]
    if first == last:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(numbers[first:last]), dtype=dtype).reshape(shape)


def _within(found: Mapping[str, object], path: Path, within: str | None) -> dict[str, Tensor]:
    """The tensors of a file, or of an entry of it."""
    if within is not None:
        entry = found.get(within)
        if not isinstance(entry, Mapping):
            raise InputError(f"{path}: no tensors by name within {within!r}; it has {_listed(found)}")
        found = entry
    if others := [name for name, value in found.items() if not isinstance(value, Tensor)]:
        raise InputError(f"{path}: more than tensors ({_listed(others)}); say within=NAME of those to load")
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}


def _check(own: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not the module's, one by one."""
    if missing := [name for name in own if name not in found]:
        there = f"; the file has {_listed(found)}"
        raise InputError(f"{path}: lacks {_listed(missing)}{there}; say prefix= where names begin with another's")
    if others := [name for name in found if name not in own]:
        raise InputError(f"{path}: has {_listed(others)}, which the module has not; give the network it was saved from")
    for name, value in own.items():
        if value.shape != found[name].shape:
            shapes = f"{tuple(found[name].shape)}, the module's {tuple(value.shape)}"
            raise InputError(f"{path}: {name} is {shapes}; give the network it was saved from")


def _listed(names: Mapping[str, object] | list[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(str, list(names)[:_SHOWN])) + rest if names else "nothing"
