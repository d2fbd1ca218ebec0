"""Mode collapse on samples whose modes are known, by their own scores."""

import numpy as np
import pytest

from vae_rd.estimators.sample_quality import quality_scores
from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.modes import COVERED, LOST, OFF, modes, modes_lines, modes_verdict

RANDOM = np.random.default_rng(1)
PLACES = 20 * RANDOM.normal(size=(10, 3))


def around(which: list[int], n: int = 600, scale: float = 1.0) -> np.ndarray:
    """Points around some of ten places in turn."""
    return PLACES[[which[i % len(which)] for i in range(n)]] + scale * RANDOM.normal(size=(n, 3))


def judged(samples: np.ndarray) -> str:
    found = quality_scores(around(list(range(10))), samples)
    entries = {name: {"value": found[name], "stderr": 0.01} for name in ("coverage", "precision", "spread")}
    return str(modes_verdict(**entries)["state"])


@pytest.mark.parametrize(
    ("samples", "state"),
    [
        (around(list(range(10))), COVERED),
        (around([0, 1, 2]), LOST),
        (around([4]), LOST),
        (np.tile(PLACES.mean(0), (600, 1)) + 1e-3 * RANDOM.normal(size=(600, 3)), LOST),  # One image, not of the data.
        (around(list(range(10))) + 500, OFF),
        (around(list(range(10)), scale=30.0), OFF),
    ],
    ids=["all modes", "three of ten", "one of ten", "a point", "elsewhere", "noise"],
)
def test_lost_modes_are_told_from_samples_off_the_data(samples, state):
    assert judged(samples) == state


def test_three_standard_errors_decide():
    entries = {"precision": {"value": 0.9, "stderr": 0.0}, "spread": {"value": 0.9, "stderr": 0.0}}
    for stderr, state in ((0.04, COVERED), (0.03, LOST)):
        assert modes_verdict(coverage={"value": 0.4, "stderr": stderr}, **entries)["state"] == state


def test_a_verdict_says_what_to_do_and_a_vae_has_none():
    entry = {"value": 0.3, "stderr": 0.0}
    verdict = modes_verdict(coverage=entry, precision={"value": 0.9, "stderr": 0.0}, spread=entry)
    assert modes_lines(verdict)[1].startswith("what to do: raise --r1")
    assert modes(Evidence({"test": {"rate": entry}}, latent_dim=2)) is None
