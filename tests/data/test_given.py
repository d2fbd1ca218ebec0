"""Data given from Python: whatever people have in their hands is the same set."""

from collections import OrderedDict

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    DataLoader,
    Dataset,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

import vae_rd
from vae_rd import FitConfig
from vae_rd.data.description import described
from vae_rd.data.given import from_datasets
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

X = torch.randint(256, (60, 3, 5, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
X[0, 0, 0, :2] = torch.tensor([0, 255])
Y = torch.arange(60) % 7


class Items(Dataset):
    """A map-style Dataset of whatever `make` makes of a position."""

    def __init__(self, make, n: int = 60) -> None:
        self.make, self.n = make, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int):
        return self.make(i)


def image(i: int) -> Image.Image:
    return Image.fromarray(X[i].permute(1, 2, 0).numpy())


TWICE = TensorDataset(torch.cat([X, X]), torch.cat([Y, Y]))
MASKED = np.ma.masked_greater(X.numpy(), 254)
SAME = {
    "tensor": X,
    "tensor of floats": X / 255,
    "array, channels last": X.permute(0, 2, 3, 1).numpy(),
    "array, channels first": X.numpy(),
    "with labels": (X, Y),
    "Dataset": TensorDataset(X, Y),
    "Dataset of floats": Items(lambda i: (X[i] / 255, int(Y[i]))),
    "Dataset of dicts": Items(lambda i: {"index": i, "image": X[i], "label": Y[i], "box": torch.zeros(4)}),
    "Dataset of images": Items(lambda i: (image(i), "abcdefg"[Y[i]])),
    "Dataset of arrays": Items(lambda i: np.asarray(image(i))),
    "loader": DataLoader(TensorDataset(X, Y), batch_size=7, shuffle=True, drop_last=True),
    "no number under the mask": (np.ma.masked_greater(X.numpy(), 255), Y),
    "with gradients": (X.float().requires_grad_(), Y.float().requires_grad_()),
    "Dataset with gradients": Items(lambda i: (X[i].float().requires_grad_(), Y[i].float().requires_grad_())),
    "Subset": Subset(TWICE, range(60)),
    "loader of a part": DataLoader(TWICE, sampler=SubsetRandomSampler(range(60))),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_all_are_one_set(name):
    data = from_datasets(SAME[name], data_seed=3)
    wanted = from_datasets(X, data_seed=3)
    assert data.card.levels == 256
    assert all(torch.equal(data.pixels[split], wanted.pixels[split]) for split in SPLITS)
    for split in SPLITS if data.labels["train"] else ():
        rows = [(X.flatten(1) == row.flatten()).all(1).nonzero().item() for row in data.pixels[split]]
        np.testing.assert_array_equal(data.labels[split]["label"], Y[rows])
    assert bool(data.labels["train"]) == ("array" not in name and "tensor" not in name)


def test_splits_are_those_that_have_names():
    data = from_datasets(OrderedDict(training=(X, Y), Validation=TensorDataset(X[:9], Y[:9]), extra=(X[:3], Y[:3])))
    assert data.card.n == {"train": 54, "val": 9, "test": 6}
    assert torch.equal(data.pixels["val"], X[:9])
    assert "left out: extra" in described(data)


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (torch.rand(30, 6), (1, 1, 6)),
        (torch.rand(30, 5, 4), (1, 5, 4)),
        (torch.rand(30, 2, 3, 4, 5).numpy(), (2, 3, 4, 5)),
    ],
)
def test_vectors_grey_images_and_volumes(x, shape):
    assert from_datasets(x).card.shape == shape


def test_bfloat16_is_real_values():
    x = torch.rand(60, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    for given in (x, TensorDataset(x)):
        data = from_datasets(given, population=True)
        assert data.card.levels is None
        assert torch.equal(data.pixels["train"].flatten(1), x.float())


def test_what_was_decided_is_said():
    random = Items(lambda i: (X[i], torch.rand(2)), n=30)
    assert "labels left out" in described(from_datasets(random))
    again = described(from_datasets(Items(lambda i: torch.rand(3), n=30)))
    assert "differ when they are read again" in again
    loader = described(from_datasets(DataLoader(TensorDataset(X, Y), batch_size=9)))
    assert "TensorDataset: 60 colour images 5 x 4" in loader
    assert "of a DataLoader its examples alone" in loader


def test_items_with_several_arrays_are_asked_about():
    both = Items(lambda i: {"left": X[i], "right": X[-i - 1], "who": int(Y[i])})
    with pytest.raises(InputError, match="its items have 'left', 'right', 'who'; say by image="):
        from_datasets(both)
    data = from_datasets(both, image="right", label="who", population=True)
    assert torch.equal(data.pixels["train"], X.flip(0))
    assert data.labels["test"]["label"].tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((30, 3, 5, 3)), "could be"),
        (torch.zeros(30, dtype=torch.complex64), "give numbers as vectors"),
        (
            DataLoader(TensorDataset(X), sampler=WeightedRandomSampler([1.0] * 60, 60)),
            "draws its examples by a Weighted",
        ),
        (
            DataLoader(TensorDataset(X), sampler=RandomSampler(range(60), num_samples=30)),
            "draws its examples by a RandomSampler, which is no set",
        ),
        (DataLoader(TensorDataset(X), sampler=RandomSampler(range(60), replacement=True)), "by a RandomSampler"),
        (Items(lambda i: i), "let items be x"),
        (Items(lambda i: X[i, :, : 1 + i % 2]), r"data\[1\] is \[3, 2, 4\], but data\[0\] is \[3, 1, 4\]"),
        ({"val": X, "test": X}, "give one train"),
        (pd.DataFrame({"a": range(60)}), "data is a pandas DataFrame; give its numbers, as .to_numpy"),
        ({"train": X, "test": X[:, :2]}, "examples differ between splits"),
        (Items(lambda i: X[i], n=0), "without len"),
        (MASKED, r"data has [0-9]+ masked values; give each a value"),
        ({"train": MASKED}, r"data\['train'\] has [0-9]+ masked values"),
        ((X, np.ma.masked_equal(Y.numpy(), 3)), "data: labels has 9 masked values"),
        (Items(lambda i: MASKED[i]), r"data\[[0-9]+\] has [0-9]+ masked values"),
        (Items(lambda i: (X[i], np.ma.masked_equal(Y.numpy(), 3)[i])), r"data\[3\]: label has 1 masked values"),
        (X.to_sparse(), "data is a sparse, quantised or meta tensor; give a dense one"),
    ],
)
def test_what_is_no_set_is_refused_in_a_line(data, message):
    with pytest.raises(InputError, match=message):
        from_datasets(data)


def test_a_fit_takes_any_of_them_and_is_measured_again_with_it(tmp_path):
    small = {
        "hidden": [4],
        "latent_dim": 2,
        "batch_size": 16,
        "max_steps": 2,
        "wandb": "off",
        "binarization": "dynamic",
    }
    config = FitConfig(**small, name="r", media_every=0, run_dir=str(tmp_path), information_examples=None)
    loader = DataLoader(TensorDataset(X, Y), batch_size=5)
    record = vae_rd.fit_model(config, data=loader)
    assert (record.data["name"], record.data["support"], record.data["is_own"]) == ("TensorDataset", "binary", True)
    again = vae_rd.evaluate_run(tmp_path / "r", data=loader, split="test")
    assert again.metrics["test"]["rate"]["value"] == record.metrics["test"]["rate"]["value"]
    with pytest.raises(InputError, match="other pixels"):
        vae_rd.evaluate_run(tmp_path / "r", data=TensorDataset(X.flip(0)), split="test")
