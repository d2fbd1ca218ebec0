"""How units of a code and known factors of variation go together: scores from 0 to 1, of which 1 is a unit a factor.

Codes are [N, D], factors classes [N, K] of K factors that vary independently. Information is that between a unit in
BINS equal parts of its range and a factor, I(z_d; v_k) in nats. Of the ways to score it:

    MIG              mean_k (I_k of the best unit - I_k of the second) / H(v_k)
    modularity       mean_d 1 - sum_{k not best} I_dk^2 / (I_d,best^2 (K - 1)), over units that say anything
    SAP              mean_k share of v_k told by the best unit - by the second
    FactorVAE        share of votes: of examples alike in v_k, the unit of least relative variance is k's
    disentanglement  sum_d rho_d (1 - H(P_d) / ln K), P_d a unit's importances by factor, rho_d its share of all
    completeness     mean_k 1 - H(P_k) / ln D, P_k a factor's importances by unit
    informativeness  mean_k share of v_k told from all units

SAP tells a class by the likeliest one in a unit's bin, learned on every other example, in place of a linear classifier:
one threshold cannot tell the middle of three classes even from the factor itself. Importances are those of random
forests, which learn from every other example and are tested on the rest.

Sources: MIG: Chen et al. 2018, arXiv 1802.04942; modularity: Ridgeway and Mozer 2018, arXiv 1802.05312; SAP: Kumar et
al. 2018, arXiv 1711.00848; FactorVAE: Kim and Mnih 2018, arXiv 1802.05983; the last three: Eastwood and Williams 2018,
"A Framework for the Quantitative Evaluation of Disentangled Representations", ICLR.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]

BINS = 20
TREES = 20
GROUP, VOTES = 64, 800  # Examples alike in a factor, and how many such groups: to learn from, and to test on.
LEAST_VARIANCE = 1e-6  # Of the largest of all units: below it a unit's variance says nothing of any factor.
LEAST_INFORMATION = 1e-9  # Nats, rounding errors of a unit that is constant.


class Given(NamedTuple):
    """What scores are of: examples in random order, of which every other one may be tested on.

    Attributes:
        codes: [N, D].
        factors: classes 0..C_k - 1, [N, K].
        noise: of what is drawn.
    """

    codes: Floats
    factors: Classes
    noise: np.random.Generator


def binned(codes: Floats) -> Classes:
    """Each unit in BINS equal parts of its range, [N, D]; a constant one is in the first.

    Example:
        >>> binned(np.array([[0.0, 3.0], [0.5, 3.0], [1.0, 3.0]])).tolist()
        [[0, 0], [10, 0], [19, 0]]
    """
    low, high = codes.min(0), codes.max(0)
    width = np.where(high > low, high - low, 1.0)
    return np.minimum((BINS * (codes - low) / width).astype(np.int64), BINS - 1)


def information(bins: Classes, factors: Classes) -> Floats:
    """I(z_d; v_k) of the plug-in distribution, nats, [D, K].

    Example:
        >>> coin = np.array([0, 1, 0, 1])
        >>> information(coin[:, None], np.stack([coin, coin[[0, 0, 1, 1]]], 1)).round(4).tolist()
        [[0.6931, 0.0]]
    """
    return np.array([[_mutual(unit, factor) for factor in factors.T] for unit in bins.T])


def _mutual(a: Classes, b: Classes) -> float:
    counts = np.bincount(a * (int(b.max()) + 1) + b, minlength=(int(a.max()) + 1) * (int(b.max()) + 1))
    joint = counts.reshape(int(a.max()) + 1, -1) / len(a)
    of_each = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / of_each[seen])).sum())


def entropies(factors: Classes) -> Floats:
    """H(v_k), nats, [K]."""
    return np.array([_mutual(factor, factor) for factor in factors.T])


def gap(of_units: Floats) -> Floats:
    """The best of [D, K] over the second, by factors, [K]; over 0 where there is one unit."""
    ordered = np.sort(of_units, 0)
    return ordered[-1] - (ordered[-2] if len(ordered) > 1 else 0.0)


def mig(given: Given) -> float:
    """Mutual information gap."""
    return float((gap(information(binned(given.codes), given.factors)) / entropies(given.factors)).mean())


def modularity(given: Given) -> float:
    """Of the units that say something of a factor, NaN where none does: whether they do of one alone."""
    found = information(binned(given.codes), given.factors)
    found = found[found.max(1) > LEAST_INFORMATION]
    squares = (found / found.max(1, keepdims=True)) ** 2
    return float((1 - (squares.sum(1) - 1) / (found.shape[1] - 1)).mean()) if len(found) else math.nan


def sap(given: Given) -> float:
    """Separated attribute predictability."""
    bins = binned(given.codes)
    told = np.array([[_told(unit, factor) for factor in given.factors.T] for unit in bins.T])
    return float(gap(told).mean())


def _told(unit: Classes, factor: Classes) -> float:
    """The share of every other example told by the likeliest class of its bin among the rest."""
    counts = np.zeros((BINS, int(factor.max()) + 1), np.int64)
    np.add.at(counts, (unit[::2], factor[::2]), 1)
    counts[counts.sum(1) == 0] = counts.sum(0)  # An empty bin says nothing.
    return float((counts.argmax(1)[unit[1::2]] == factor[1::2]).mean())


def factor_vae(given: Given) -> float:
    """The share of votes that name the factor, by the class that most votes for a unit had; NaN where none can vote.

    A class whose examples are one, or copies of one, does not vote: no unit varies there, and the first would have it.
    """
    spread = given.codes.var(0)
    alive = spread > LEAST_VARIANCE * spread.max()
    codes = given.codes[:, alive] / np.sqrt(spread[alive])
    groups = [_varied(codes, factor) for factor in given.factors.T]
    asked = [k for k, classes in enumerate(groups) if classes]
    if not alive.any() or not asked:
        return math.nan
    votes = np.zeros((2, codes.shape[1], len(groups)), np.int64)
    for half in votes:
        for _ in range(VOTES):
            k = asked[given.noise.integers(len(asked))]
            alike = groups[k][given.noise.integers(len(groups[k]))]
            half[codes[given.noise.choice(alike, GROUP)].var(0).argmin(), k] += 1
    learned, tested = votes
    return float(tested[np.arange(len(tested)), learned.argmax(1)].sum() / VOTES)


def _varied(codes: Floats, factor: Classes) -> list[Classes]:
    """Where the examples of each class are, of those in which they are not all the same."""
    places = (np.flatnonzero(factor == value) for value in np.unique(factor))
    return [alike for alike in places if (codes[alike] != codes[alike[0]]).any()]


def importances(given: Given) -> tuple[Floats, Floats]:
    """Of random forests that tell each factor from all units: importances, [D, K], and the shares they tell, [K]."""
    from sklearn.ensemble import RandomForestClassifier  # It takes a second, which nothing else has to wait for.

    found, told = [], []
    for factor in given.factors.T:
        # All units at each split: from a few at random a tree has to take what says nothing.
        forest = RandomForestClassifier(TREES, max_features=None, random_state=int(given.noise.integers(2**31)))
        forest.fit(given.codes[::2], factor[::2])
        found.append(forest.feature_importances_)
        told.append(forest.score(given.codes[1::2], factor[1::2]))
    return np.stack(found, 1), np.array(told)


def dci(given: Given) -> dict[str, float]:
    """Disentanglement, completeness and informativeness; the first two NaN of a code no unit of which is needed.

    One unit alone has no completeness either.
    """
    found, told = importances(given)
    used = found[found.sum(1) > 0][:, found.sum(0) > 0]
    weights = used.sum(1) / max(used.sum(), 1.0)
    return {
        "disentanglement": float((weights * _evenness_left(used, found.shape[1])).sum()) if used.size else math.nan,
        "completeness": float(_evenness_left(used.T, len(found)).mean()) if used.size and len(found) > 1 else math.nan,
        "informativeness": float(told.mean()),
    }


def _evenness_left(values: Floats, places: int) -> Floats:
    """1 - H / ln(places) of each row's shares of its sum: 1 where one place has all, 0 where all have the same."""
    return 1 - entr(values / values.sum(1, keepdims=True)).sum(1) / math.log(places)


def scores(given: Given) -> dict[str, float]:
    """All of them.

    Example:
        >>> noise = np.random.default_rng(0)
        >>> factors = noise.integers(0, 4, (2000, 3))
        >>> found = scores(Given(factors.astype(float), factors, noise))
        >>> {name: round(value, 1) for name, value in found.items() if name != "sap"}  # doctest: +NORMALIZE_WHITESPACE
        {'mig': 1.0, 'modularity': 1.0, 'factor_vae': 1.0, 'disentanglement': 1.0, 'completeness': 1.0,
         'informativeness': 1.0}
    """
    found: Mapping[str, Callable[[Given], float]] = {
        "mig": mig,
        "modularity": modularity,
        "sap": sap,
        "factor_vae": factor_vae,
    }
    return {name: score(given) for name, score in found.items()} | dci(given)


def resampled(given: Given, *, repeats: int) -> dict[str, float]:
    """The standard deviation of each score over bootstrap draws of the examples."""
    found = []
    for _ in range(repeats):
        # From each half for itself: an example that came into both would be tested on itself.
        some = 2 * given.noise.integers(len(given.codes) // 2, size=len(given.codes))
        some[1::2] += 1
        found.append(scores(given._replace(codes=given.codes[some], factors=given.factors[some])))
    spread = partial(np.std, ddof=1)
    return {name: float(spread([each[name] for each in found])) for name in found[0]}
