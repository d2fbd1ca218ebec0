"""Batches that members of a pack share."""

import pytest
import torch

from vae_rd.data.module import Batch, SharedBatches


def test_members_that_share_batches_all_come_to_the_fault_of_a_file():
    def make():
        yield Batch(torch.zeros(1), 0)
        raise OSError("gone")

    shared = SharedBatches()
    each = [shared.of((0, 0), make) for _ in range(2)]
    assert [next(own).part for own in each] == [0, 0]
    for own in each:
        with pytest.raises(OSError, match="gone"):
            next(own)
