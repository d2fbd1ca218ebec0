"""Real handwriting that comes with a dependency: the 1,797 digits of 8 x 8 pixels in scikit-learn's own folder.

    population = all 1,797 images, each equally probable and no two equal,    H = ln 1797 = 7.493874

A pixel counts which of the 16 dots of its 4 x 4 block of a bitmap are ink, 0 to 16. The file is read where it lies:
scikit-learn itself, whose import takes a second, is never run.

References:
    Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998), https://doi.org/10.24432/C50P49, its test set
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from vae_rd.data.base import Source
from vae_rd.data.readers import first_line
from vae_rd.data.splits import split_source
from vae_rd.errors import InputError

SIDE, LEVELS = 8, 17
FILE = Path("datasets", "data", "digits.csv.gz")  # In scikit-learn's folder.
SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"  # Of the text, whatever it is packed with.


def digits() -> Source:
    """All 1,797 digits in scikit-learn's order, 17 grey levels, 8 x 8, with the factor digit: a population.

    Raises:
        InputError: where scikit-learn is not installed, or its file is missing or another one.

    Example:
        >>> source = digits()
        >>> source.images["train"].shape, source.levels, source.population
        (torch.Size([1797, 1, 8, 8]), 17, True)
    """
    table = np.array([line.split(b",") for line in _text().splitlines()]).astype(np.uint8)
    source = split_source(
        "digits",
        table[:, :-1].reshape(-1, SIDE, SIDE),
        where={"train": slice(None)},
        levels=LEVELS,
        factors={"digit": table[:, -1]},
        params={"files": {FILE.name: f"sha256:{SHA256}"}},
    )
    return replace(source, population=True)


def _text() -> bytes:
    """A line for each digit: 64 counts and its class, between commas."""
    package = importlib.util.find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise InputError("--data digits lies in scikit-learn, which is not installed; pip install scikit-learn")
    file = Path(package.submodule_search_locations[0]) / FILE
    try:
        text = gzip.decompress(file.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file}: cannot be read ({first_line(error)}); install scikit-learn again") from None
    if (found := hashlib.sha256(text).hexdigest()) != SHA256:
        raise InputError(f"{file}: its text has sha256 {found}, not {SHA256}; install scikit-learn again")
    return text
