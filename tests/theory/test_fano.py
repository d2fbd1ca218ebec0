"""Fano's limit on accuracy, held to channels that reach it and to joint distributions enumerated at random."""

import math

import numpy as np
import pytest

from vae_rd.errors import InputError
from vae_rd.theory.fano import largest_accuracy


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("error", [0.001, 0.2, 0.45])
def test_a_symmetric_channel_reaches_it(classes, error):
    """z = y but for errors that fall on all other classes alike: I = ln K - h(e) - e ln(K - 1)."""
    lost = -error * math.log(error / (classes - 1)) - (1 - error) * math.log(1 - error)
    information = math.log(classes) - lost
    found = largest_accuracy(information, label_entropy=math.log(classes), classes=classes)
    assert found == pytest.approx(1 - error, abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_no_best_guess_exceeds_it(seed):
    noise = np.random.default_rng(seed)
    joint = noise.dirichlet(np.full(4 * 6, 0.3)).reshape(4, 6)  # y by z.
    y, z = joint.sum(1), joint.sum(0)
    information = float((joint * np.log(joint / np.outer(y, z))).sum())
    entropy = float(-(y * np.log(y)).sum())
    assert joint.max(0).sum() <= largest_accuracy(information, label_entropy=entropy, classes=4) + 1e-9


def test_it_is_a_guess_at_no_information_and_certainty_at_all_of_it():
    h = -0.7 * math.log(0.7) - 0.3 * math.log(0.3)
    assert largest_accuracy(0.0, label_entropy=h, classes=2) == pytest.approx(0.7)
    assert largest_accuracy(h, label_entropy=h, classes=2) == 1.0
    assert largest_accuracy(-1e-7, label_entropy=math.log(3), classes=3) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("entropy", "classes"), [(0.5, 1), (-0.1, 2), (1.0, 2)])
def test_an_entropy_that_cannot_be_is_refused(entropy, classes):
    with pytest.raises(InputError, match="give one of 0 to ln K"):
        largest_accuracy(1.0, label_entropy=entropy, classes=classes)


def test_information_that_is_no_number_is_refused():
    with pytest.raises(InputError, match="information is nan; give a number of nats"):
        largest_accuracy(math.nan, label_entropy=0.5, classes=2)
    assert largest_accuracy(math.inf, label_entropy=0.5, classes=2) == 1.0
