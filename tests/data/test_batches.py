"""The x of anyone's batches."""

import pytest
import torch

from vae_rd.data.batches import x_of
from vae_rd.errors import InputError

X, OTHER = torch.zeros(3, 1, 2, 2), torch.ones(3, 4)


def test_of_several_tensors_the_key_says_which():
    assert x_of({"other": OTHER, "image": X}, "image") is X
    assert x_of((OTHER, X), 1) is X
    with pytest.raises(InputError, match="any of several may be x; give x's as key="):
        x_of({"other": OTHER, "image": X})
    with pytest.raises(InputError, match="none is 'x'"):
        x_of({"image": X}, "x")
