"""The verdict on collapse rests on all that is known of I, and its words do not contradict the numbers beside it."""

import copy
import json
import math

import pytest
import torch

import vae_rd
from vae_rd.experiment import build
from vae_rd.run.folder import folder_of
from vae_rd.run.record import RunRecord
from vae_rd.run.summary import split_lines, summary_lines
from vae_rd.verdicts.collapse import collapse_verdict, collapse_words
from vae_rd.verdicts.information import shown_information

UNKNOWN = {"value": None, "stderr": None}


def bound(value: float, stderr: float | None = 0.0) -> dict[str, float | None]:
    return {"value": value, "stderr": stderr, "n": 9, "method": "leave_one_out"}


@pytest.mark.parametrize(
    ("rate", "active", "information", "collapsed", "words"),
    [
        (0.005, 0, bound(0.004), True, "collapsed: test rate 0.005 nats; 0 of 8 units active"),
        (0.005, 0, UNKNOWN, True, "collapsed: test rate 0.005 nats; 0 of 8 units active"),
        (0.005, 1, bound(0.004), False, "faint: test rate 0.005 nats, I at most 0.00; 1 of 8 units active"),
        (9.0, 4, bound(6.0), False, "healthy: test rate 9 nats, I at most 6.00; 4 of 8 units active"),
        (9.0, 4, UNKNOWN, False, "healthy: test rate 9 nats, I not known; 4 of 8 units active"),
        # A posterior that is the same for every x, far from the prior.
        (1.92, 0, bound(0.0003), True, "carries no information: I = 0.00 of R = 1.92 nats; 0 of 8 units active"),
        (1.92, 0, bound(0.09, 0.003), True, "carries no information: I = 0.09 of R = 1.92 nats; 0 of 8 "),
        (1.92, 0, bound(0.09, 0.004), False, "healthy: test rate 1.92 nats, I at most 0.09; 0 of 8 units active"),
        (1.92, 0, bound(-0.16, 0.07), True, "carries no information: I = 0.00 of R = 1.92 nats; "),
        (1.92, 0, bound(0.05, None), True, "carries no information: I = 0.05 of R = 1.92 nats; "),
        # Information in the variance alone: no mean moves.
        (1.92, 0, bound(1.5), False, "healthy: test rate 1.92 nats, I at most 1.50; 0 of 8 units active"),
        (1.92, 0, UNKNOWN, None, "undefined: test rate 1.92 nats, 0 of 8 units active, I not known"),
        # Posteriors without moments.
        (0.005, None, UNKNOWN, True, "collapsed: test rate 0.005 nats; - of 8 units active"),
        (1.92, None, bound(0.0), True, "carries no information: I = 0.00 of R = 1.92 nats; - of 8 units active"),
        (1.92, None, bound(1.5), None, "undefined: test rate 1.92 nats, - of 8 units active, I at most 1.500 nats"),
        (None, 0, UNKNOWN, None, "undefined: test rate -, 0 of 8 units active"),
        (None, None, UNKNOWN, None, "undefined: test rate -, - of 8 units active"),
    ],
)
def test_verdict_and_words(rate, active, information, collapsed, words):
    verdict = collapse_verdict(rate=rate, active=active, information=information, latent_dim=8)
    assert verdict["collapsed"] is collapsed
    assert (verdict["rate"], verdict["active_units"], verdict["latent_dim"]) == (rate, active, 8)
    assert verdict["information"] == {name: information[name] for name in ("value", "stderr")}
    assert {name: verdict["thresholds"][name] for name in ("rate", "information", "mean_variance")} == {
        "rate": 0.1,
        "information": 0.1,
        "mean_variance": 0.01,
    }
    assert collapse_words(verdict).startswith(words)


def test_a_verdict_from_before_the_information_still_reads():
    old = {"collapsed": False, "rate": 1.92, "active_units": 0, "latent_dim": 16, "thresholds": {"rate": 0.1}}
    assert collapse_words(old) == "not collapsed: test rate 1.92 nats, 0 of 16 units active, I not known"


def shifted(shift: float, config):
    """A network whose posterior is N(shift, 1) in each unit for every x, which training does not change."""
    model = build.build_model(config, build.build_data(config).card)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    head = model.encoder.posterior.head
    head.weight.zero_()
    head.bias.copy_(torch.tensor([shift] * 2 + [0.0] * 2))
    next(iter(model.decoder.parameters())).requires_grad_(True)
    return model


def test_a_posterior_far_from_the_prior_that_does_not_depend_on_x_is_collapsed(toy):
    """R = 2 units * shift^2 / 2, I = 0: with shift = sqrt(1.92), R is 1.92 nats, as was reported."""
    config = toy(max_epochs=1, n_train=None, n_test=None)
    record = vae_rd.fit_model(config, model=shifted(math.sqrt(1.92), config))
    verdict = record.verdicts["collapse"]
    assert verdict["rate"] == pytest.approx(1.92, rel=1e-6)
    assert verdict["information"] == {"value": pytest.approx(0.0, abs=1e-9), "stderr": pytest.approx(0.0, abs=1e-9)}
    assert (verdict["active_units"], verdict["collapsed"]) == (0, True)
    line = summary_lines(record, folder_of(config))[2]
    assert line == "carries no information: I = 0.00 of R = 1.92 nats; 0 of 2 units active"
    stored = RunRecord.read(folder_of(config))
    assert stored.verdicts["collapse"] == json.loads(json.dumps(verdict))


@pytest.mark.parametrize(
    ("lower", "upper", "shown"),
    [
        ((-0.085, 0.05), (-0.16, 0.07), (0.0, 2.5)),  # Two test images: I lies between 0 and R all the same.
        ((-0.085, None), (0.4, None), (0.0, 0.4)),
        ((0.3, 0.05), (0.2, 0.01), (0.3, 2.5)),  # Noise of 0.051, of which 0.1 is two.
        ((2.6, 0.05), (2.4, 0.05), (2.5, 2.5)),  # R, too, is below the lower bound, by noise.
        ((2.6, 0.01), (2.59, 0.01), (2.6, 2.5)),  # And by no noise.
        ((0.3, 0.02), (0.2, 0.01), (0.3, 0.2)),  # No noise: it stays, to be seen.
        ((0.3, 0.05), (-0.1, 0.01), (0.3, 0.0)),
        ((None, None), (0.2, 0.01), (None, 0.2)),
        ((0.2, 0.01), (None, None), (0.2, None)),
        ((1.0, 0.1), (2.0, 0.1), (1.0, 2.0)),
    ],
)
def test_bounds_on_information_are_shown_as_what_it_can_be(lower, upper, shown):
    entries = [{"value": value, "stderr": stderr, "n": 2, "kind": "bound"} for value, stderr in (lower, upper)]
    before = copy.deepcopy(entries)
    found = shown_information(entries[0], entries[1], {"value": 2.5, "stderr": 0.0})
    assert tuple(entry["value"] for entry in found) == shown
    assert found[0]["stderr"] == lower[1]
    assert found[1]["stderr"] == (0.0 if shown[1] == 2.5 else upper[1]), "an error belongs to its value"
    assert entries == before, "the record's own stay as they are"


def test_a_split_shows_no_negative_information(toy):
    config = toy(max_epochs=1)
    record = vae_rd.fit_model(config)
    metrics = {**record.metrics["test"]}
    for name, value, stderr in (("lower", -0.085, 0.05), ("upper", -0.16, 0.07)):
        entry = metrics[f"mutual_information_{name}"]
        metrics[f"mutual_information_{name}"] = {**entry, "value": value, "stderr": stderr, "kind": "bound"}
    metrics["rate"] = {**metrics["rate"], "value": 2.5, "stderr": 0.07}
    record.metrics["test"] = metrics
    *_, line = split_lines(record, ["test"])
    assert line.split()[-7:] == ["0.000", "±", "0.050", "2.500", "±", "0.070", "8.184"]
