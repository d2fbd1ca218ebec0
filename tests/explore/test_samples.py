"""Draws beside their nearest training examples: a sampler that copies is told from one that does not."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from vae_rd.explore.samples import compared
from vae_rd.functional.nearest import nearest
from vae_rd.functional.two_samples import auroc, discrepancy, share_below

pytestmark = pytest.mark.usefixtures("float64")


def normal(n: int, seed: int, dims: int = 3) -> torch.Tensor:
    return torch.randn(n, dims, generator=torch.Generator().manual_seed(seed))


def test_nearest_neighbours_are_those_of_sklearn_and_a_copy_is_at_0():
    x, among = 1e3 + normal(50, 0), 1e3 + normal(400, 1)
    x[7] = among[3]
    distance, place = NearestNeighbors(n_neighbors=1).fit(among.numpy()).kneighbors(x.numpy())
    found = nearest(x, among)
    assert (found.place.numpy() == place[:, 0]).all()
    assert found.distance.numpy() == pytest.approx(distance[:, 0], abs=1e-12)
    assert found.distance[7] == 0
    own = nearest(among, among, but=torch.arange(400))
    assert own.distance.numpy() == pytest.approx(NearestNeighbors(n_neighbors=2).fit(among).kneighbors(among)[0][:, 1])


def test_auroc_is_that_of_sklearn_with_ties_and_its_error_is_that_of_many_samples():
    a, b = (normal(200, 0)[:, 0] + 0.5).round(decimals=1), normal(300, 1)[:, 0].round(decimals=1)
    labels = np.r_[np.ones(200), np.zeros(300)]
    assert auroc(a, b).value == pytest.approx(roc_auc_score(labels, torch.cat([a, b])))
    noise = torch.Generator().manual_seed(0)
    found = [auroc(torch.randn(40, generator=noise) + 0.5, torch.randn(60, generator=noise)) for _ in range(400)]
    spread = torch.tensor([one.value for one in found]).std()
    stated = torch.tensor([one.stderr for one in found]).square().mean().sqrt()
    assert stated == pytest.approx(spread.item(), rel=4 / math.sqrt(2 * 400))
    assert math.isnan(auroc(torch.ones(5), torch.zeros(5)).stderr)


def test_the_discrepancy_is_its_double_sum_and_its_p_value_is_uniform_under_one_law():
    x, y = normal(12, 0), normal(12, 1) + 1
    both = torch.cat([x, y])
    scale = torch.cdist(both, both)[~torch.eye(24, dtype=torch.bool)].median()

    def k(u, v):
        return math.exp(-((u - v).norm() ** 2).item() / (2 * scale.item() ** 2))

    pairs = [(i, j) for i in range(12) for j in range(12) if i != j]
    slow = [k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i]) for i, j in pairs]
    noise = torch.Generator().manual_seed(0)
    assert discrepancy(x, y, generator=noise).value == pytest.approx(np.mean(slow))
    p = [
        discrepancy(normal(30, 2 * i), normal(30, 2 * i + 1), generator=noise, permutations=49).p_value
        for i in range(200)
    ]
    for level in (0.1, 0.5):  # Multiples of 1/50.
        share = np.mean(np.array(p) <= level + 1e-9)
        assert abs(share - level) < 4 * math.sqrt(level * (1 - level) / 200)


def distances(kind: str, seed: int) -> dict:
    train, test, fresh = (normal(1000, 3 * seed + i) for i in range(3))
    copies = train + 0.02 * normal(1000, 100 + seed)
    x = {
        "memory": copies,
        "some": torch.cat([copies[:60], fresh[60:]]),
        "fresh": fresh,
        "wide": 2 * fresh,
    }[kind]
    return compared(nearest(x, train).distance, nearest(test, train).distance)


def test_a_sampler_that_copies_is_flagged_even_where_it_copies_six_times_in_a_hundred():
    assert all(distances("memory", seed)["verdict"] == "copies" for seed in range(5))
    assert all(distances("some", seed)["verdict"] == "copies" for seed in range(5))


def test_a_fresh_sampler_is_not_flagged_and_one_of_another_law_is_further_away():
    found = [distances("fresh", seed) for seed in range(40)]
    assert sum(one["verdict"] != "as held-out examples" for one in found) <= 2  # Each errs once in some 200.
    z = [(one["auroc"]["value"] - 0.5) / one["auroc"]["stderr"] for one in found]
    assert np.std(z) == pytest.approx(1, abs=4 / math.sqrt(80))
    z = [(one["nearer"]["value"] - 0.05) / one["nearer"]["stderr"] for one in found]
    assert np.std(z) == pytest.approx(1, abs=4 / math.sqrt(80))
    assert distances("wide", 0)["verdict"] == "further away"


def test_the_share_below_a_quantile_of_ones_own_law_is_the_quantile_and_its_error_counts_both_samples():
    noise = torch.Generator().manual_seed(0)
    found = [share_below(torch.rand(400, generator=noise), torch.rand(400, generator=noise), 0.3) for _ in range(400)]
    values = torch.tensor([one.value for one in found])
    stated = torch.tensor([one.stderr for one in found]).square().mean().sqrt().item()
    assert values.mean().item() == pytest.approx(0.3, abs=4 * stated / 20)
    assert values.std().item() == pytest.approx(stated, rel=4 / math.sqrt(2 * 400))


def test_a_sample_most_of_whose_pairs_are_alike_is_told_from_another_law():
    x, y = torch.zeros(20, 1), torch.zeros(20, 1)
    y[:8] = 1.0
    found = discrepancy(x, y, generator=torch.Generator().manual_seed(0))
    assert found.value > 0
    assert 0 < found.p_value < 0.01
    alike = discrepancy(x, x, generator=torch.Generator().manual_seed(0))
    assert (alike.value, alike.p_value) == (0.0, 1.0)
