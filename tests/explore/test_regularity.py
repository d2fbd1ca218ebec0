"""Holes, smoothness, overlap and paths of models whose answer is known."""

import pytest

from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.explore import interpolation, regularity
from vae_rd.explore.base import Asked
from vae_rd.run.record import Json

from helpers.true_models import linear_run


@pytest.fixture
def explored(monkeypatch):
    """Numbers of a run that has no record."""
    monkeypatch.setattr(regularity, "recorded", lambda run: {})
    return lambda *given: regularity.regularity(linear_run(*given), Asked()).numbers


def is_nominal(share: Json) -> bool:
    return abs(share["value"] - 0.05) < 4 * share["stderr"]


def test_the_true_model_has_no_holes_and_its_codes_overlap_the_prior(explored):
    numbers = explored()
    for kinds in numbers["holes"].values():
        assert all(is_nominal(share) for share in (kinds["draw"]["data"], kinds["draw"]["codes"]))
    assert all(one["p_value"] > 0.01 for one in numbers["overlap"].values())
    assert numbers["stretch"]["value"] == pytest.approx(2.0, rel=0.1)  # W's, times a width of about 1.
    assert numbers["stretch"]["stderr"] == pytest.approx(0, abs=1e-6)
    assert numbers["detour"]["value"] == pytest.approx(1, abs=1e-4)
    assert numbers["longest_step"]["value"] == pytest.approx(1, abs=1e-3)


def test_codes_of_another_place_leave_holes_in_the_prior_and_none_in_the_normal_of_their_moments(explored):
    numbers = explored(0.2, 9.0)
    prior, matched = numbers["holes"]["prior"], numbers["holes"]["matched normal"]
    assert prior["draw"]["data"]["value"] > 0.99
    assert is_nominal(matched["draw"]["data"])
    assert numbers["overlap"]["prior"]["p_value"] < 0.01 < numbers["overlap"]["matched normal"]["p_value"]
    assert numbers["stretch"]["value"] == pytest.approx(2.0, rel=0.1)  # Whatever the width.


def test_paths_of_a_linear_decoder_are_alike_and_lie_where_the_data_are():
    numbers = interpolation.interpolation(linear_run(), Asked()).numbers
    assert numbers["geodesic"]["length"]["value"] == pytest.approx(numbers["chord"]["value"], rel=1e-4)
    assert numbers["straight"]["length"]["value"] == pytest.approx(numbers["chord"]["value"], rel=1e-4)
    assert numbers["arc"]["length"]["value"] > 1.01 * numbers["chord"]["value"]
    assert numbers["geodesic"]["longer"]["value"] <= 0
    assert numbers["straight"]["distance"]["value"] < numbers["ends"]["value"] + 4 * numbers["ends"]["stderr"]


def test_a_test_set_of_few_examples_has_all_its_pairs_in_the_picture():
    run = linear_run()
    few = {split: pixels[:5] for split, pixels in run.data.pixels.items()}
    found = interpolation.interpolation(run._replace(data=DataSet(Source("few", few, levels=None))), Asked())
    assert found.page.of.endswith("of each of 2 pairs")
    assert len(found.page.images) == 2 * len(interpolation.PATHS) * (interpolation.STEPS + 1)
