"""Vectors, sequences and volumes of one's own, from the file to the record."""

import json
from pathlib import Path

import numpy as np
import pytest

from vae_rd import fit, generate
from vae_rd.data.archives import shape_problem
from vae_rd.data.files import npz

VALUES = np.random.default_rng(0).normal(size=(60, 2 * 3 * 4)).astype(np.float32)
TINY = ["--data=npz", "--hidden=[4]", "--latent_dim=2", "--batch_size=16", "--max_steps=3", "--wandb=off"]
LAW = ["--likelihood=gaussian", "--eval_samples=2", "--layout=channels_first"]
SHAPES = {"vectors": (24,), "sequences": (2, 12), "images": (2, 3, 4), "volumes": (1, 2, 3, 4)}


def fitted(shape: tuple[int, ...], *flags: str) -> dict:
    np.savez("own.npz", images=VALUES.reshape(60, *shape))
    assert fit.main([*TINY, *LAW, "--data_file=own.npz", "--name=r", "--overwrite", *flags]) == 0
    return json.loads(Path("runs/r/record.json").read_text())


def test_the_same_values_are_the_same_data_to_a_network_that_knows_no_axes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vectors, volumes = fitted(SHAPES["vectors"]), fitted(SHAPES["volumes"])
    assert (vectors["data"]["shape"], volumes["data"]["shape"]) == ([1, 1, 24], [1, 2, 3, 4])
    assert vectors["metrics"] == volumes["metrics"]
    assert generate.main(["runs/r", "-n", "3", "-o", "x.npz"]) == 0
    with np.load("x.npz") as drawn:
        assert drawn["images"].shape == (3, 1, 2, 3, 4)
    assert generate.main(["runs/r", "-n", "3", "-o", "x.png"]) == 2
    assert not Path("x.png").exists()


@pytest.mark.parametrize("shape", SHAPES.values())
def test_every_value_stays_in_its_place(tmp_path, shape):
    np.savez(tmp_path / "own.npz", images=VALUES.reshape(60, *shape))
    found = npz(tmp_path / "own.npz", layout="channels_first").images
    stored = {row.numpy().tobytes() for part in found.values() for row in part.reshape(len(part), -1)}
    assert stored == {row.tobytes() for row in VALUES}
    assert found["val"].shape[1:] == (shape if len(shape) > 1 else (1, 1, *shape))


def test_five_axes_are_taken_where_channels_are_said_to_come_first():
    assert "add --layout channels_first" in (shape_problem((9, 1, 4, 4, 4), "channels_last") or "")
    assert shape_problem((9, 1, 4, 4, 4), "channels_first") is None
    assert shape_problem((9, 1, 0, 4, 4), "channels_first") is not None
