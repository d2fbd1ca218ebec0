"""The terminal says where a run has not come to the rate or the distortion that it was asked for."""

import pytest

import vae_rd
from vae_rd.run.folder import folder_of
from vae_rd.run.summary import summary_lines
from vae_rd.verdicts.targets import target_lines


def lines_of(rate: float, distortion: float, **asked: float) -> list[str]:
    return list(target_lines(asked, {"rate": {"value": rate}, "distortion": {"value": distortion}}))


@pytest.mark.parametrize("rate", [5.0, 5.09, 4.91])
def test_at_its_target_there_is_nothing_to_say(rate):
    assert lines_of(rate, 80.0, target_rate=5.0) == []
    assert lines_of(None, 80.0, target_rate=5.0) == [], "an encoder without a density has no R"


@pytest.mark.parametrize(("rate", "remedy"), [(4.8, "widen"), (5.2, None)])
def test_a_rate_that_is_missed_is_said(rate, remedy):
    (line,) = lines_of(rate, 80.0, target_rate=5.0)
    assert line.startswith(f"not at its target: R is {rate:.2f} nats on validation, 5 were asked for; train longer")
    assert ("widen" in line) is (remedy is not None)


def test_a_distortion_above_its_bound_is_said_and_none_below_it():
    assert lines_of(5.0, 79.0, target_distortion=90.0) == lines_of(5.0, 91.0, target_distortion=90.0) == []
    (line,) = lines_of(5.0, 93.0, target_distortion=90.0)
    assert "D is 93.00 nats on validation, 90 were asked for" in line


def test_a_fit_says_so(toy):
    config = toy(objective="target_rate", target_rate=30.0, max_epochs=1)
    record = vae_rd.fit_model(config)
    found = [line for line in summary_lines(record, folder_of(config)) if line.startswith("not at its target")]
    assert len(found) == 1
    assert f"R is {record.metrics['val']['rate']['value']:.2f} nats on validation, 30 were asked for" in found[0]
