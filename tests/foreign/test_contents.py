"""What a pass over a loader leaves of its examples."""

import math

import torch

from vae_rd.foreign.contents import Contents, Reservoir


def test_a_reservoir_holds_each_example_equally_often():
    """Of 12 examples in batches of 5, 3 are kept: each a quarter of the time."""
    counts, n = torch.zeros(12), 800
    for seed in range(n):
        kept = Reservoir(3, seed=seed)
        for x in torch.arange(12).split(5):
            kept.add(x)
        assert kept.x.tolist() == sorted(set(kept.x.tolist()))
        counts[kept.x] += 1
    assert (counts / n - 0.25).abs().max() < 4 * math.sqrt(0.25 * 0.75 / n)


def test_a_batch_of_padding_alone_leaves_nothing():
    x, seen, other = torch.tensor([[0.0, 1.0], [0.5, 0.0]]), Contents(), Contents()
    for batch in (x[:0], x, x[:0]):
        seen.add(batch)
    other.add(x)
    assert (seen.shape, seen.support, seen.digest) == (other.shape, other.support, other.digest)


def test_equal_examples_are_equal_in_any_order_and_type():
    x = torch.tensor([[0, 1, 1], [1, 0, 0], [0, 1, 1]])
    found = []
    for some in (x.float(), x.to(torch.uint8), x.flip(0).double()):
        seen = Contents()
        for batch in some.split(2):
            seen.add(batch)
        found.append((sorted(seen.multiplicities.tolist()), seen.digest))
    assert found == [found[0]] * 3
    assert found[0][0] == [1, 2]
