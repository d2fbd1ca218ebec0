"""What two configs that are not the same run differ in."""

from vae_rd.config.fields import FitConfig
from vae_rd.config.names import differences, identity


def test_a_field_that_the_earlier_run_left_at_its_default_is_a_difference():
    assert differences(FitConfig(beta=4.0), identity(FitConfig()), allowed=frozenset()) == {"beta": 1.0}


def test_a_field_that_only_the_earlier_run_stated_is_a_difference():
    assert differences(FitConfig(), identity(FitConfig(beta=4.0)), allowed=frozenset()) == {"beta": 4.0}
