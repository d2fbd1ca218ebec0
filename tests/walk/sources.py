"""Data of one's own, given from Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from vae_rd import DataSet, Source, UnlimitedSource
from vae_rd.data.base import Entropy
from vae_rd.run.record import SPLITS

from walk.networks import X
from walk.steps import Call, Step, step

BITS, REAL = X["bits"], X["real"]
COUNTS = torch.arange(40)[:, None, None, None].expand(40, 1, 4, 4) % 7
MASKED = np.ma.masked_greater(REAL.numpy(), 1)


def made(images: Any, levels: Any = None, **settings: Any) -> Call:
    """A data set of these images in every split."""
    return lambda: DataSet(Source("mine", dict.fromkeys(SPLITS, images), levels=levels), **settings)


def of(**facts: Any) -> Call:
    """A data set of a source of bits with other facts."""
    given = {"name": "mine", "images": dict.fromkeys(SPLITS, BITS), "levels": 2} | facts
    return lambda: DataSet(Source(**given))


def endless(
    support: str = "real", entropy: Any = None, rows: Any = lambda n, g: torch.rand(n, 1, 1, 2, generator=g)
) -> Call:
    facts = {} if entropy is None else {"entropy": entropy}
    return lambda: DataSet(UnlimitedSource("mine", support, rows, **facts))


def bits_of(n: int, g: torch.Generator) -> torch.Tensor:
    return torch.randint(2, (n, 1, 4, 4), generator=g).float()


def one_hot(n: int, g: torch.Generator) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.randint(4, (n, 1, 4), generator=g), 4).float()


def fresh(data: Call) -> Call:
    return lambda: data().fresh(3, "x")


STEPS: list[Step] = [
    step("leave out val, test", of(population=True, images={s: BITS.clone() for s in SPLITS}), of(population=True)),
    step("give train, val, test", of(images={"train": BITS}), of()),
    step("which is no split; give train, val, test", of(images=dict.fromkeys((*SPLITS, "validation"), BITS)), of()),
    step("as .filled(0) does", made(MASKED), made(MASKED.filled(0))),
    step("give a dense one", made(REAL.to_sparse()), made(REAL)),
    step("give one shape", of(images={"train": BITS, "val": BITS, "test": BITS[..., :2]}), of()),
    step(
        "choose one of binary, one_hot, real",
        endless("grey"),
        endless("real"),
        endless("binary", rows=bits_of),
        endless("one_hot", rows=one_hot),
    ),
    step(
        "give vae_rd.data.base.Entropy(value, stderr, kind)",
        endless(entropy=1.0),
        endless(entropy=Entropy(1.0, 0.0, "exact")),
    ),
    step("let rows take all chance from its generator", endless(rows=lambda n, g: torch.rand(n, 1, 1, 2)), endless()),
    step("of vectors [n, 1, 1, D]", endless(rows=lambda n, g: torch.rand(n, 2, generator=g)), endless()),
    step("one_hot x has one 1 in each row", endless("one_hot", rows=bits_of), endless("one_hot", rows=one_hot)),
    step(
        "choose one of none, static, dynamic, threshold",
        made(BITS, 2, binarization="yes"),
        made(BITS, 2, binarization="none"),
        made(COUNTS, 7, binarization="static"),
        made(COUNTS, 7, binarization="dynamic"),
        made(COUNTS, 7, binarization="threshold"),
    ),
    step(
        "leave out dequantize or binarization",
        made(COUNTS, 7, binarization="static", dequantize="uniform"),
        made(COUNTS, 7, binarization="static"),
        made(COUNTS, 7, dequantize="uniform"),
    ),
    step(
        "give a whole number from 2 on, or None for all",
        made(BITS, 2, n_train=1),
        made(BITS, 2, n_train=2),
        made(BITS, 2, n_train=None),
    ),
    step("give a whole number from 0 on", made(BITS, 2, data_seed=-1), made(BITS, 2, data_seed=0)),
    step("give a word", of(name=""), of(name="x")),
    step("give numbers, words, lists", of(params={"a": BITS}), of(params={"a": [1]})),
    step(
        "give 2 for binary pixels, 256 for bytes, None for real values",
        made(BITS, 1),
        made(BITS, 2),
        made(BITS, 256),
        made(REAL, None),
    ),
    step("give a tensor or array of numbers", made(REAL.tolist()), made(REAL), made(REAL.numpy())),
    step(
        "or sequences [N, C, L] with layout=",
        made(REAL[:, 0]),
        made(REAL),
        made(REAL.flatten(1)),
        made(REAL[:, :, None]),
        of(images=dict.fromkeys(SPLITS, REAL[:, 0]), levels=None, layout="channels_first"),
    ),
    step("give 2 or more, or means have no standard error", made(REAL[:1]), made(REAL[:2])),
    step("say with levels= how many values a pixel can take", made(BITS), made(BITS, 2)),
    step("give finite ones", made(torch.where(REAL > 1, math.nan, REAL)), made(REAL)),
    step("scale them", made(REAL.double() * 1e300), made(REAL.double())),
    step("give levels=None", made(REAL, 2), made(REAL, None)),
    step("values go from 0 to 6", made(COUNTS + 1, 7), made(COUNTS, 7), made(COUNTS + 1, 8)),
    step(
        'as in {"train": {"digit": array}, ...}',
        of(labels={"train": np.arange(40)}),
        of(labels={"train": {"digit": np.arange(40)}}),
    ),
    step(
        "which is no split; give train, val, test",
        of(labels={"dev": {"digit": np.arange(40)}}),
        of(labels={"val": {"digit": np.arange(40)}}),
    ),
    step(
        "has 3 of 40 labels; give one an image",
        of(labels={"val": {"digit": np.arange(3)}}),
        of(labels={"val": {"digit": np.arange(40)}}),
    ),
    step("give an UnlimitedSource", fresh(made(REAL)), fresh(endless())),
]
