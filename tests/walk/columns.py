"""Tables, datasets of Hugging Face, and what Python has in its hands."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler

from vae_rd.data import given
from vae_rd.data.given import from_datasets

from walk.steps import LEVELS, Call, Step, each, fitted, limited, step, without, written

N = np.arange(40)
FRAME = pd.DataFrame({"a": N / 7, "b": N[::-1] / 3, "word": N.astype(str) + "th"})
GAPS = FRAME.assign(a=FRAME.a.mask(N == 3))
CSV = ("--data=csv", "--data_file=own.csv", "--likelihood=gaussian")
HF = ("--data=hf", "--data_file=saved", "--likelihood=gaussian")
TENSOR = torch.from_numpy(LEVELS)[:, None]


def table(frame: pd.DataFrame) -> Call:
    return lambda: frame.to_csv("own.csv", index=False)


def own(says: str, bad: pd.DataFrame, *good: pd.DataFrame, flags: str = "") -> Step:
    """A table that is refused, mended by other ones."""
    asked = fitted(*CSV, *flags.split())
    return step(says, asked, *(each(table(frame), asked) for frame in good), before=table(bad))


TABLES = [
    own("fill them in, or drop those rows or columns", GAPS, GAPS.fillna(0), GAPS.dropna(), GAPS.drop(columns="a")),
    own(
        "write numbers in their place, or drop the column or the rows",
        FRAME.assign(b=np.where(N == 3, "?", FRAME.b.astype(str))),
        FRAME,
        FRAME[["a"]],
        FRAME[N != 3],
    ),
    own("give one or more beside the labels", FRAME[["word"]], FRAME),
    own("put the columns' names above it", FRAME[["a", "b"]].set_axis(["1.5", "2"], axis=1), FRAME[["a", "b"]]),
    step(
        "name one of a, b, word",
        fitted(*CSV, "--label_column=kind"),
        fitted(*CSV, "--label_column=word"),
        before=table(FRAME),
    ),
    own(
        "write decimals after a point, and nothing between thousands, or drop the column",
        FRAME.assign(b=[f"{i // 3},{i % 3}" for i in N]),
        FRAME,
        FRAME.assign(b=1000 * N + 1),
        FRAME[["a", "word"]],
    ),
    own(
        "add the rows of train, or drop the column",
        FRAME.assign(split=np.where(N < 9, "val", "test")),
        FRAME.assign(split=np.where(N < 9, "val", "train")),
        FRAME,
    ),
    own(
        "labels of column kind are missing; fill them in",
        FRAME.assign(kind=np.where(N == 3, None, "x")),
        FRAME.assign(kind="x"),
        flags="--label_column=kind",
    ),
    step("not a csv table", fitted(*CSV), each(table(FRAME), fitted(*CSV)), before=written("own.csv", "")),
    step(
        "pip install 'vae_rd[data]'",
        without("pyarrow", fitted("--data=parquet", "--data_file=own.parquet", "--likelihood=gaussian")),
        fitted("--data=parquet", "--data_file=own.parquet", "--likelihood=gaussian"),
        before=lambda: FRAME.to_parquet("own.parquet"),
    ),
]


def saved(**columns: Any) -> Call:
    """A dataset of Hugging Face on disk; bytes are images."""

    def save() -> None:
        import datasets

        is_image = {name: isinstance(values[0], dict) for name, values in columns.items()}
        found = datasets.Dataset.from_dict(columns)
        for name in (name for name in columns if is_image[name]):
            found = found.cast_column(name, datasets.Image())
        found.save_to_disk("saved")

    return save


def encoded(pixels: np.ndarray) -> dict[str, Any]:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return {"bytes": content.getvalue(), "path": None}


PICTURES = [encoded(pixels) for pixels in LEVELS]
VECTORS = LEVELS.reshape(40, -1)[:, :3].tolist()
ARROW = [
    step("pip install 'vae_rd[data]'", without("datasets", fitted(*HF)), fitted(*HF), before=saved(v=VECTORS)),
    step(
        "give a folder that save_to_disk has written",
        fitted(*HF),
        each(lambda: Path("saved").rmdir(), saved(v=VECTORS), fitted(*HF)),
        before=lambda: Path("saved").mkdir(),
    ),
    step("name one of v", fitted(*HF, "--image_column=x"), fitted(*HF, "--image_column=v"), before=saved(v=VECTORS)),
    step(
        "name one as image_column",
        fitted(*HF),
        fitted(*HF, "--image_column=w"),
        before=saved(v=VECTORS, w=VECTORS),
    ),
    step(
        "drop the row, as dataset.filter does",
        fitted(*HF),
        each(lambda: Path("saved").rename("other"), saved(p=PICTURES), fitted(*HF)),
        before=saved(p=[*PICTURES[:39], None]),
    ),
]


class Items(Dataset):
    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make = make

    def __len__(self) -> int:
        return 40

    def __getitem__(self, i: int) -> Any:
        return self.make(i)


class Endless(torch.utils.data.IterableDataset):
    def __iter__(self) -> Any:
        return iter(TENSOR)


def of(data: Any, **settings: Any) -> Call:
    return lambda: from_datasets(data, **settings)


PAIR = Items(lambda i: {"left": TENSOR[i], "right": TENSOR[i]})
HIDDEN = np.ma.masked_greater(LEVELS, 254)
COULD_BE = np.zeros((40, 3, 5, 3))
WEIGHED = DataLoader(TensorDataset(TENSOR), sampler=WeightedRandomSampler([1.0] * 40, 40))
GIVEN = [
    step("give numbers as vectors [N, D]", of(TENSOR[:, 0, 0, 0]), of(TENSOR), of(TENSOR[:, 0]), of(TENSOR[:, 0, 0])),
    step("give a tensor, which is taken for [N, C, H, W]", of(COULD_BE), of(torch.from_numpy(COULD_BE))),
    step("as .filled(0) does", of(HIDDEN), of(HIDDEN.filled(0))),
    step(
        "give its numbers, as .to_numpy() does, or write it to a file for --data csv",
        of(FRAME[["a", "b"]]),
        of(FRAME[["a", "b"]].to_numpy()),
        each(table(FRAME), fitted(*CSV)),
    ),
    step("give a dense one", of(TENSOR.to_sparse()), of(TENSOR)),
    step("give one shape", of({"train": TENSOR, "test": TENSOR[..., :2]}), of({"train": TENSOR, "test": TENSOR})),
    step(
        "give one train", of({"val": TENSOR, "test": TENSOR}), of({"train": TENSOR, "val": TENSOR}), of({"a": TENSOR})
    ),
    step("give a map-style Dataset, or write them into .npy files", of(Endless()), of(TensorDataset(TENSOR))),
    step("give its dataset, or a Subset", of(WEIGHED), of(WEIGHED.dataset)),
    step("say by image= which is x", of(PAIR), of(PAIR, image="left")),
    step("let items be x, (x, label) or dicts", of(Items(str)), of(Items(lambda i: (TENSOR[i], i % 3)))),
    step("give one shape", of(Items(lambda i: TENSOR[i, :, : 1 + i % 2])), of(Items(lambda i: TENSOR[i]))),
    step(
        "write them into .npy files for --data npy",
        limited(given, "MAX_BYTES", 99, of(TensorDataset(TENSOR))),
        limited(given, "MAX_BYTES", 16 * 40, of(TensorDataset(TENSOR))),
    ),
]
STEPS = [*TABLES, *ARROW, *GIVEN]
