"""Weights of a file into a module: the same bits from every format, nothing run, and words for what does not fit."""

import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vae_rd.errors import InputError
from vae_rd.foreign.adapters import load_weights


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def as_safetensors(state: dict[str, Tensor], path: Path) -> None:
    """Written by hand, so that reading does not rest on a writer of ours."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    numbers = b""
    for name, value in state.items():
        content = value.numpy().tobytes()
        dtype = {torch.float32: "F32", torch.int64: "I64"}[value.dtype]
        ends = [len(numbers), len(numbers) + len(content)]
        header[name] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": ends}
        numbers += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + numbers)


WRITERS = {
    "npz": lambda state, path: np.savez(path, **{name: value.numpy() for name, value in state.items()}),
    "safetensors": as_safetensors,
    "pt": torch.save,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_back_the_bits_that_were_saved(kind, tmp_path):
    saved, other = network(0), network(1)
    WRITERS[kind](saved.state_dict(), path := tmp_path / f"net.{kind}")
    assert load_weights(other, path) is other
    for name, value in saved.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_weights_within_an_entry_of_a_checkpoint_and_under_a_prefix(tmp_path):
    saved, other = network(0), network(1)
    state = {f"vae.{name}": value for name, value in saved.state_dict().items()} | {"loss.weight": torch.ones(1)}
    torch.save({"epoch": 3, "state_dict": state}, path := tmp_path / "last.ckpt")
    load_weights(other, path, within="state_dict", prefix="vae.")
    x = torch.randn(2, 1, 4, 4)
    assert torch.equal(other.eval()(x), saved.eval()(x))


class Ran:
    """What leaves a mark where it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("ran"),)


def test_a_pickle_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": torch.ones(1), "more": Ran()}, "net.pt")
    with pytest.raises(InputError, match="would run code"):
        load_weights(nn.Linear(1, 1), "net.pt")
    np.savez("net.npz", weight=np.array([Ran()], dtype=object))
    with pytest.raises(InputError, match="no whole file of weights"):
        load_weights(nn.Linear(1, 1), "net.npz")
    assert not Path("ran").exists()
    Path("net.pkl").write_bytes(pickle.dumps(Ran()))
    with pytest.raises(InputError):
        load_weights(nn.Linear(1, 1), "net.pkl")
    assert not Path("ran").exists()


@pytest.mark.parametrize("cut", [4, 60, -4])
def test_a_file_that_is_cut_is_refused_whole(cut, tmp_path):
    net = network(0)
    as_safetensors(net.state_dict(), path := tmp_path / "net.safetensors")
    path.write_bytes(path.read_bytes()[:cut])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(InputError, match="no whole file of weights"):
        load_weights(net, path)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
