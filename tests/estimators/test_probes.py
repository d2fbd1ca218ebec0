"""Probes held to Bayes' rule on classes of known densities, to loops, and to labels that say nothing."""

import math

import pytest
import torch

from vae_rd.estimators.probes import (
    CLASSIFIERS,
    Round,
    balanced,
    chosen_strength,
    logistic,
    neighbours,
    probe,
)

pytestmark = pytest.mark.usefixtures("float64")
N = 3000


def noise(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def one_round(n: int = N) -> Round:
    return Round(*torch.arange(n).tensor_split(3))


def normals(apart: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Two classes N(-apart, 1) and N(apart, 1), with a unit that says nothing, on a scale of its own."""
    labels = torch.randint(2, (N,), generator=noise())
    x = apart * (2.0 * labels - 1) + torch.randn(N, generator=noise(1))
    return torch.stack([x, 50 * torch.randn(N, generator=noise(2))], 1), labels


def bayes(apart: float) -> tuple[float, float]:
    """Accuracy and E[-ln p(y|x)] of Bayes' rule, by quadrature."""
    x = torch.linspace(-12, 12, 20001)
    p = torch.exp(-0.5 * (x - apart).square()) / math.sqrt(2 * math.pi)
    cost = torch.nn.functional.softplus(-2 * apart * x)
    return (p * (x > 0)).sum().item() * (24 / 20000), (p * cost).sum().item() * (24 / 20000)


@pytest.mark.parametrize("apart", [0.5, 1.5])
def test_a_linear_probe_of_two_normals_comes_near_bayes_rule_and_not_below(apart):
    features, labels = normals(apart)
    scores = probe("logistic", features, labels, [one_round()], size=N, draws=1, key=(0,))
    accuracy, cost = bayes(apart)
    n = scores.correct.shape[1]
    assert abs(scores.correct.mean().item() - accuracy) < 4 * math.sqrt(accuracy * (1 - accuracy) / n)
    stderr = scores.nll.std().item() / math.sqrt(n)
    assert stderr < 0.02
    assert cost - 4 * stderr < scores.nll.mean().item() < cost + 4 * stderr
    assert scores.calibration_error.item() < 0.05


def test_the_votes_of_neighbours_are_those_of_a_loop():
    features, labels = normals(1.0)
    seen, asked = features[:40], features[40:60]
    found = neighbours(seen, labels[:40], asked, strength=3, classes=2)
    for x, p in zip(asked, found, strict=True):
        near = sorted(range(40), key=lambda i, x=x: float((seen[i] - x).square().sum()))[:3]
        ones = sum(int(labels[i]) for i in near)
        assert p.tolist() == pytest.approx([(3 - ones + 0.5) / 4, (ones + 0.5) / 4])


def test_a_linear_probe_is_blind_to_the_scale_of_a_unit_and_to_one_that_is_constant():
    features, labels = normals(1.0)
    other = torch.stack([1e-4 * features[:, 0] - 3, features[:, 1], torch.full((N,), 0.7)], 1)
    both = [logistic(f[:300], labels[:300], f[300:], strength=1.0, classes=2) for f in (features, other)]
    torch.testing.assert_close(*both, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("size", [10, N])
def test_labels_that_say_nothing_are_told_as_often_as_by_guessing(kind, size):
    """A probe that were tested on what it has learned would tell them all."""
    features, labels = torch.randn(N, 5, generator=noise(1)), torch.randint(4, (N,), generator=noise(2))
    scores = probe(kind, features, labels, [one_round()], size=size, draws=1, key=(0,))
    assert abs(scores.correct.mean().item() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 1000)
    assert scores.nll.mean().item() > math.log(4) - 0.05


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_tested_labels_decide_nothing(kind):
    features, labels = normals(1.0)
    one = one_round()
    other = labels.clone()
    other[one.tested] = 1 - other[one.tested]
    rows = [probe(kind, features, y, [one], size=100, draws=2, key=(0,)) for y in (labels, other)]
    assert torch.equal(rows[0].correct, 1 - rows[1].correct)
    assert rows[0].strength == rows[1].strength


def test_a_strength_is_chosen_by_what_is_best_there():
    """Many units that say nothing want a strong penalty; one clean unit wants none."""
    labels = torch.randint(2, (200,), generator=noise())
    clean = (labels * 2.0 - 1)[:, None]
    muddy = torch.cat(
        [clean + 2 * torch.randn(200, 1, generator=noise(1)), torch.randn(200, 60, generator=noise(2))], 1
    )
    one = Round(torch.arange(100), torch.arange(100), torch.arange(100, 200))
    chosen = [chosen_strength("logistic", f, labels, one, size=200, key=(0,)) for f in (clean, muddy)]
    assert chosen[0] == CLASSIFIERS["logistic"].strengths[-1]
    assert chosen[1] < 0.1
    assert chosen_strength("neighbours", clean, labels, one, size=4, key=(0,)) == 1  # Of four labels five cannot vote.


def test_the_calibration_error_is_that_of_bins_by_hand():
    features, labels = normals(0.7)
    one = one_round()
    scores = probe("neighbours", features, labels, [one], size=50, draws=1, key=(0,))
    seen = one.labelled[balanced(labels[one.labelled], 50, 0, 0, 0)]
    p = neighbours(features[seen], labels[seen], features[one.tested], strength=scores.strength, classes=2)
    confidence, right = p.max(1).values, scores.correct[0]
    total = 0.0
    for low in torch.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        total += abs((confidence[inside] - right[inside]).sum().item())
    assert scores.calibration_error.item() == pytest.approx(total / len(right), abs=1e-5)  # In single precision there.


def test_few_labels_are_of_all_classes_alike_and_drawn_anew():
    labels = torch.tensor([0] * 90 + [1] * 9 + [2])
    some = balanced(labels, 9, 0)
    assert labels[some].bincount().tolist() == [4, 4, 1]
    assert len(some.unique()) == 9
    assert some.tolist() != balanced(labels, 9, 1).tolist()
    assert sorted(balanced(labels, 1000, 0).tolist()) == list(range(100))


def test_rounds_are_told_apart_and_joined_in_their_order():
    features, labels = normals(2.0)
    parts = torch.arange(90).tensor_split(3)
    known = [torch.cat([p for p in parts if p is not part]) for part in parts]
    rounds = [Round(others, others, part) for others, part in zip(known, parts, strict=True)]
    whole = probe("logistic", features, labels, rounds, size=20, draws=3, key=(0,))
    assert whole.correct.shape == whole.nll.shape == (3, 90)
    assert whole.calibration_error.shape == (3,)
    first = probe("logistic", features, labels, rounds[:1], size=20, draws=3, key=(0,))
    assert torch.equal(whole.nll[:, :30], first.nll)


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("others", [0, 1, 5])
def test_a_class_that_is_rare_or_missing_among_the_examples_to_choose_on_is_no_obstacle(kind, others):
    """So that folds, or all of them, learn from examples of one class, which they then take for certain."""
    features, labels = normals(1.0)
    one = Round(torch.arange(N // 3), N // 3 + torch.arange(40), torch.arange(N - 40, N))
    labels[one.chosen_on] = 0
    labels[one.chosen_on[:others]] = 1
    scores = probe(kind, features, labels, [one], size=10, draws=2, key=(0,))
    assert scores.nll.isfinite().all()


def test_of_a_single_class_a_linear_map_learns_that_it_is_all_there_is():
    found = logistic(torch.randn(4, 2), torch.full((4,), 2), torch.randn(3, 2), strength=1.0, classes=4)
    assert found.tolist() == [[0.0, 0.0, 1.0, 0.0]] * 3
