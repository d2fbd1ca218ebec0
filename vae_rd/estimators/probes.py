"""How well labels are told from features by a linear map and by nearest neighbours: what a classifier has of them.

A probe learns from labelled examples and is tested on others. What it leaves open - the penalty of the linear map, the
number of neighbours - is chosen by k-fold cross-validation among examples that it is not tested on, every fold learning
from as many labels as the probe will have.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from vae_rd.functional.seeding import generator

FOLDS = 3  # In which what a probe leaves open is chosen.
MOST_TO_CHOOSE = 2_000  # Examples that it is chosen on.
BINS = 15  # Of confidence.
LEAST = 1e-9  # Below which no class's probability goes: the log of 0 would be all of a mean.
NEIGHBOURS_AT_ONCE = 1_000
Key = tuple[int | str, ...]


class Scores(NamedTuple):
    """What a probe made of the tested examples, for each of S draws of the labelled ones.

    Attributes:
        correct: 1 where the likeliest class is the label, else 0, [S, N].
        nll: -ln p(y|features), nats, [S, N].
        calibration_error: expected calibration error, [S].
        strength: what was chosen: C of the linear map, or how many neighbours; in the first round.
    """

    correct: Tensor
    nll: Tensor
    calibration_error: Tensor
    strength: float


class Round(NamedTuple):
    """Positions of the examples that a probe may learn labels of, of those that settle what it leaves open, and of
    those that it is tested on."""

    labelled: Tensor
    chosen_on: Tensor
    tested: Tensor


def logistic(features: Tensor, labels: Tensor, others: Tensor, *, strength: float, classes: int) -> Tensor:
    """p(y|features) of others, [M, K], by multinomial logistic regression on standardised features.

    Of examples of one class alone it learns that there is no other.

    Args:
        features: [N, F].
        labels: classes 0..K-1, [N].
        others: [M, F].
        strength: C: the prior variance of the weights, in that the penalty is |W|^2 / (2 C) beside the summed nats.
        classes: K.

    Example:
        >>> x, y = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
        >>> logistic(x, y, torch.tensor([[5.0]]), strength=1.0, classes=2).argmax(-1)
        tensor([1])
    """
    from sklearn.exceptions import ConvergenceWarning  # It takes a second, which nothing else has to wait for.
    from sklearn.linear_model import LogisticRegression

    if len(there := labels.unique()) == 1:  # The solver takes two or more.
        return F.one_hot(there, classes).double().expand(len(others), -1)
    mean, spread = features.mean(0), features.std(0, correction=0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    seen, asked = (((part - mean) / spread).double().numpy() for part in (features, others))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # Separable labels have no end, and stop late enough.
        fitted = LogisticRegression(C=strength, max_iter=300).fit(seen, labels.numpy())
    found = torch.zeros(len(others), classes, dtype=torch.float64)
    found[:, torch.from_numpy(fitted.classes_)] = torch.from_numpy(fitted.predict_proba(asked))
    return found


def neighbours(features: Tensor, labels: Tensor, others: Tensor, *, strength: float, classes: int) -> Tensor:
    """p(y|features) of others, [M, K], by the votes of the nearest, and one vote more, shared by all classes.

    Features are taken as they are: over a scale of its own, a unit of z that says nothing would count as much as any.

    Args:
        features: [N, F].
        labels: classes 0..K-1, [N].
        others: [M, F].
        strength: how many vote.
        classes: K.

    Example:
        >>> x, y = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
        >>> neighbours(x, y, torch.tensor([[5.0]]), strength=1, classes=2)
        tensor([[0.2500, 0.7500]])
    """
    centre = features.mean(0)
    seen, k = features - centre, int(strength)
    parts = [torch.cdist(part - centre, seen) for part in others.split(NEIGHBOURS_AT_ONCE)]
    nearest = torch.cat([distance.topk(k, largest=False).indices for distance in parts])
    return (F.one_hot(labels[nearest], classes).sum(1).to(features) + 1 / classes) / (k + 1)


class Classifier(NamedTuple):
    """A kind of probe.

    Attributes:
        probabilities: of its classes.
        strengths: those that are tried.
        counts_labels: whether a strength is a number of examples, of which there must be so many.
    """

    probabilities: Callable[..., Tensor]
    strengths: tuple[float, ...]
    counts_labels: bool = False


CLASSIFIERS: Mapping[str, Classifier] = {
    "logistic": Classifier(logistic, (0.003, 0.03, 0.3, 3.0)),
    "neighbours": Classifier(neighbours, (1, 5, 20), counts_labels=True),
}


def probe(
    kind: str, features: Tensor, labels: Tensor, rounds: Sequence[Round], *, size: int, draws: int, key: Key
) -> Scores:
    """The scores of a kind of probe on the tested examples of all rounds, in their order.

    Args:
        kind: of `CLASSIFIERS`.
        features: of all examples, [N, F].
        labels: of all examples, classes 0..K-1, [N].
        rounds: each tests other examples.
        size: how many labels it learns from; all of a round where it has no more.
        draws: S, of the labelled examples.
        key: of the random draws: equal keys draw the same examples, whatever the features.

    Example:
        >>> y = torch.arange(60) % 2
        >>> one = Round(torch.arange(20), torch.arange(20, 40), torch.arange(40, 60))
        >>> scores = probe("logistic", y[:, None].double(), y, [one], size=10, draws=2, key=(0,))
        >>> scores.correct.mean().item(), scores.nll.shape
        (1.0, torch.Size([2, 20]))
    """
    classes, classifier = int(labels.max()) + 1, CLASSIFIERS[kind]
    found: list[Tensor] = []
    strengths = []
    for place, one in enumerate(rounds):
        strengths.append(strength := chosen_strength(kind, features, labels, one, size=size, key=(*key, place)))
        each = []
        for draw in range(draws):
            some = one.labelled[balanced(labels[one.labelled], size, *key, place, draw)]
            asked = features[one.tested]
            p = classifier.probabilities(features[some], labels[some], asked, strength=strength, classes=classes)
            each.append(_floored(p))
        found.append(torch.stack(each))
    return _scores(torch.cat(found, 1), labels[torch.cat([one.tested for one in rounds])], strengths[0])


def chosen_strength(kind: str, features: Tensor, labels: Tensor, one: Round, *, size: int, key: Key) -> float:
    """The strength of the least -ln p(y|features) in k folds of the examples to choose on.

    Every fold is told by a probe of `size` labels from the others.
    """
    classifier, classes = CLASSIFIERS[kind], int(labels.max()) + 1
    place = one.chosen_on[_order(len(one.chosen_on), *key, "choose")[:MOST_TO_CHOOSE]]
    folds = place.tensor_split(FOLDS)
    least = min(size, *(len(place) - len(fold) for fold in folds))
    strengths = [s for s in classifier.strengths if not classifier.counts_labels or s <= least]
    costs = torch.zeros(len(strengths), dtype=torch.float64)
    for number, fold in enumerate(folds):
        others = torch.cat([other for other in folds if other is not fold])
        some = others[balanced(labels[others], size, *key, "fold", number)]
        for row, strength in enumerate(strengths):
            p = classifier.probabilities(
                features[some], labels[some], features[fold], strength=strength, classes=classes
            )
            costs[row] -= _floored(p).gather(1, labels[fold][:, None]).log().sum()
    return strengths[int(costs.argmin())]


def balanced(labels: Tensor, size: int, *key: int | str) -> Tensor:
    """Positions of `size` examples at random, as many of each class as of any other, as far as there are so many.

    Example:
        >>> some = balanced(torch.tensor([0, 0, 0, 0, 0, 0, 1, 1]), 4, 0)
        >>> torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])[some].sum().item()
        2
    """
    order = _order(len(labels), *key)
    turn = torch.zeros(len(labels), dtype=torch.long)
    for label in labels.unique():
        of_it = labels[order] == label
        turn[of_it] = torch.arange(int(of_it.sum()))
    return order[turn.argsort(stable=True)[:size]]


def _order(n: int, *key: int | str) -> Tensor:
    return torch.randperm(n, generator=generator("cpu", *key))


def _floored(p: Tensor) -> Tensor:
    return (p + LEAST) / (1 + LEAST * p.shape[-1])


def _scores(p: Tensor, labels: Tensor, strength: float) -> Scores:
    """Of probabilities [S, N, K]."""
    classes = p.shape[-1]
    right = partial(multiclass_accuracy, num_classes=classes, average="micro", multidim_average="samplewise")
    correct = [right(one[..., None], labels[:, None]).double() for one in p]
    errors = [multiclass_calibration_error(one, labels, classes, n_bins=BINS, norm="l1") for one in p]
    nll = -p.gather(-1, labels.expand(len(p), -1)[..., None])[..., 0].log()
    return Scores(torch.stack(correct), nll, torch.stack(errors), strength)
