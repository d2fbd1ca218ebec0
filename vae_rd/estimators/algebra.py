"""Sums of codes that should mean something: attribute vectors and analogies, of examples with known classes.

Examples have classes [N, K] of K attributes. An attribute vector is the mean difference of codes between known examples
that agree in all other attributes, a mean over every combination s of those that has both:

    v_k(a, b) = mean_s (mean z(s, b) - mean z(s, a))        edit: z(x) + v_k(a, b), x of class a, should be x of class b

An analogy needs no learning: b has the class of c in attribute k, and differs from a in nothing else; then

    z(a) - z(b) + z(c)     should be c with a's class of attribute k

No example is in two quadruples, so that they are independent given the examples.

Sources: attribute vectors: Larsen et al. 2016, "Autoencoding beyond pixels", arXiv 1512.09300; analogies: Reed et al.
2015, "Deep Visual Analogy-Making", NeurIPS; what they are worth beside a shuffled difference: Linzen 2016, arXiv
1606.07736.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]
Combination = tuple[int, ...]

TRIES = 30  # Of a partner for an example, before it is passed over.


class Asked(NamedTuple):
    """n sums and what should come of them.

    Attributes:
        places: positions of x among the examples, [n, 1], or of a, b and c, [n, 3].
        attribute: which is to change, [n].
        wanted: classes that the sum should have, [n, K].
    """

    places: Classes
    attribute: Classes
    wanted: Classes


def combined(classes: Classes) -> Classes:
    """One number for each row of classes, equal where the rows are, [N].

    Example:
        >>> combined(np.array([[0, 1], [1, 0], [0, 1]])).tolist()
        [0, 1, 0]
    """
    found = np.zeros(len(classes), np.int64)
    for column in classes.T:  # Counted anew at each column: never more numbers than there are rows.
        found = np.unique(found * (int(column.max()) + 1) + column, return_inverse=True)[1]
    return found


def own(classes: Classes) -> list[int]:
    """The attributes that are no function of the others, which no sum could change alone, in their order.

    An attribute is one where examples alike in all others are alike in it, too; the first of several goes first.

    Example:
        >>> own(np.array([[0, 0, 0], [1, 0, 1], [1, 1, 0], [2, 1, 1]] * 2))  # The first is the sum of the others.
        [1, 2]
    """
    kept = list(range(classes.shape[1]))
    for k in list(kept):
        rest = combined(classes[:, [j for j in kept if j != k]])
        together = combined(np.stack([rest, classes[:, k]], 1))
        if len(kept) > 1 and together.max() == rest.max() < len(rest) - 1:
            kept.remove(k)
    return kept


def attribute_weights(classes: Classes, rest: Classes, old: int, new: int) -> Floats | None:
    """What each known example has in the attribute vector from one class to another, [N]; None where there is none.

    Args:
        classes: of the attribute, [N].
        rest: of all others, from `combined`, [N].
        old: the class that the vector leaves.
        new: the class that it leads to.

    Example:
        >>> attribute_weights(np.array([0, 1, 1, 0]), np.array([0, 0, 0, 1]), 0, 1).tolist()  # 1 has no partner.
        [-1.0, 0.5, 0.5, 0.0]
    """
    counts = [np.bincount(rest[classes == value], minlength=int(rest.max()) + 1) for value in (old, new)]
    both = (counts[0] > 0) & (counts[1] > 0)
    if not both.any():
        return None
    weights = np.zeros(len(classes))
    for value, count, sign in zip((old, new), counts, (-1, 1), strict=True):
        some = (classes == value) & both[rest]
        weights[some] = sign / count[rest[some]] / both.sum()
    return weights


def edits(
    known: Classes, asked: Classes, there: Collection[Combination], n: int, noise: np.random.Generator
) -> tuple[Asked, Floats]:
    """An attribute and a new class of it for each of up to n asked examples, and the weights of their vectors, [n, N].

    Args:
        known: classes of the examples that vectors are made of, [N, K].
        asked: classes of those that are changed, [M, K].
        there: combinations of classes that exist, of which each answer is one.
        n: how many at most; an example is changed once.
        noise: of what is drawn.
    """
    rest = [combined(np.delete(known, k, 1)) for k in range(known.shape[1])]
    sizes = np.concatenate([known, asked]).max(0) + 1

    @cache
    def weights(k: int, old: int, new: int) -> Floats | None:
        return attribute_weights(known[:, k], rest[k], old, new)

    found, vectors = [], []
    for place in noise.permutation(len(asked))[:n]:
        row, k = asked[place], int(noise.integers(asked.shape[1]))
        for new in noise.permutation(sizes[k]):
            vector = weights(k, int(row[k]), int(new))
            if new != row[k] and vector is not None and changed(row, k, new) in there:
                found.append(((place,), k, changed(row, k, new)))
                vectors.append(vector)
                break
    return _asked(found, places=1, attributes=asked.shape[1]), np.array(vectors).reshape(-1, len(known))


def quadruples(classes: Classes, there: Collection[Combination], n: int, noise: np.random.Generator) -> Asked:
    """Up to n analogies z(a) - z(b) + z(c) of examples of which none is in two.

    b and c agree in one attribute and differ in another, so that a is not the answer.

    Args:
        classes: of the examples, [N, K].
        there: combinations of classes that exist, of which each answer is one.
        n: how many at most.
        noise: of what is drawn.
    """
    places = defaultdict(list)
    for place in noise.permutation(len(classes)):
        places[tuple(classes[place].tolist())].append(int(place))
    free = np.ones(len(classes), bool)
    found: list[tuple[tuple[int, ...], int, Combination]] = []
    for c in noise.permutation(len(classes)):
        if len(found) == n:
            break
        if free[c] and (one := _quadruple(int(c), classes, places, free, there, noise)) is not None:
            found.append(one)
            free[list(one[0])] = False
    return _asked(found, places=3, attributes=classes.shape[1])


def _quadruple(
    c: int,
    classes: Classes,
    places: Mapping[Combination, list[int]],
    free: NDArray[np.bool_],
    there: Collection[Combination],
    noise: np.random.Generator,
) -> tuple[tuple[int, ...], int, Combination] | None:
    k = int(noise.integers(classes.shape[1]))
    alike, values = np.flatnonzero(free & (classes[:, k] == classes[c, k])), np.unique(classes[:, k])
    for _ in range(TRIES):
        b, new = int(noise.choice(alike)), int(noise.choice(values))
        wanted, of_a = changed(classes[c], k, new), changed(classes[b], k, new)
        a = next((place for place in places.get(of_a, []) if free[place]), None)
        if a is not None and new != classes[c, k] and wanted != of_a and wanted in there:
            return (a, b, c), k, wanted
    return None


def changed(row: Classes, k: int, new: int) -> Combination:
    """The classes of an example after its attribute k has become another.

    Example:
        >>> changed(np.array([3, 1, 2]), 1, 5)
        (3, 5, 2)
    """
    return (*row[:k].tolist(), int(new), *row[k + 1 :].tolist())


def _asked(found: Sequence[tuple[Sequence[int], int, Combination]], *, places: int, attributes: int) -> Asked:
    return Asked(
        np.array([one[0] for one in found], np.int64).reshape(-1, places),
        np.array([one[1] for one in found], np.int64),
        np.array([one[2] for one in found], np.int64).reshape(-1, attributes),
    )


def outcomes(told: Classes, asked: Asked) -> dict[str, Floats]:
    """Of each sum 1 or 0, [n]: whether the attribute `changed` as asked, all others were `kept`, and both, `right`.

    Args:
        told: classes of what the sums decode to, [n, K].
        asked: what was asked of them.

    Example:
        >>> one = Asked(np.array([[0]]), np.array([1]), np.array([[2, 3]]))
        >>> {name: values.tolist() for name, values in outcomes(np.array([[0, 3]]), one).items()}
        {'changed': [1.0], 'kept': [0.0], 'right': [0.0]}
    """
    as_wanted = told == asked.wanted
    did = as_wanted[np.arange(len(told)), asked.attribute]
    kept = as_wanted.sum(1) - did == told.shape[1] - 1
    return {name: values.astype(float) for name, values in (("changed", did), ("kept", kept), ("right", did & kept))}


def thickness(images: Floats) -> Floats:
    """Width of the strokes in pixels, 2 A / P of ink A and boundary P, [N]; 0 of an empty image.

    P is the sum of differences between neighbours, outside is empty: of a w x l line it is 1 / (1/w + 1/l).

    Args:
        images: from 0, empty, to 1, ink, [N, H, W].

    Example:
        >>> line = np.zeros((1, 12, 12)); line[0, 1:11, 4:6] = 1
        >>> round(float(thickness(line)[0]), 3)  # 1 / (1/2 + 1/10)
        1.667
    """
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    boundary = sum(np.abs(np.diff(padded, axis=axis)).sum((1, 2)) for axis in (1, 2))
    return 2 * images.sum((1, 2)) / np.maximum(boundary, 1e-9)
