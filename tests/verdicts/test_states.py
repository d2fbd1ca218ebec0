"""Each state on models whose verdict follows from their weights, and on numbers just under and over each threshold."""

import pytest
import torch

import vae_rd
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.metrics.split import evaluate_split
from vae_rd.theory.thresholds import COLLAPSE_THRESHOLDS
from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.collapse import collapse_lines, collapse_verdict
from vae_rd.verdicts.kinds import judged
from vae_rd.verdicts.states import HEALTHY, KNOBS, STATES, remedy_of

from helpers.linear_gaussian import LinearGaussian

N = 600
S2 = 0.5


def source(scales: tuple[float, ...]) -> LinearGaussian:
    """x = W z + b + N(0, S2 I) with orthogonal columns of these lengths, so that p(z|x) is a product over units."""
    w = torch.linalg.qr(torch.randn(6, len(scales))).Q * torch.tensor(scales)
    return LinearGaussian(w, torch.randn(6), S2)


def exact(world: LinearGaussian) -> dict[str, torch.Tensor]:
    """The encoder that is p(z|x)."""
    return {"matrix": world.regression, "variance": 1 / world.precision.diagonal()}


def broader(world: LinearGaussian, factor: float) -> tuple[LinearGaussian, dict[str, torch.Tensor]]:
    """z taken `factor` times as large, in encoder and decoder: the same information, under the same prior."""
    q = exact(world)
    encoder = {"matrix": factor * q["matrix"], "variance": factor**2 * q["variance"]}
    return LinearGaussian(world.w / factor, world.b, world.s2), encoder


def verdict_of(world: LinearGaussian, model) -> dict:
    x = world.sample(N)
    data = DataSet(Source("npz", dict.fromkeys(("train", "val", "test"), x), levels=None))
    test = evaluate_split(model, data, "test", slope=1.0, seed=0)
    return judged(Evidence({"test": test}, model.latent_dim))["collapse"]


def constant(units: int, variance: float) -> dict[str, torch.Tensor]:
    return {"matrix": torch.zeros(units, 6), "variance": torch.full((units,), variance)}


def with_decoder(world: LinearGaussian, w: torch.Tensor) -> LinearGaussian:
    return LinearGaussian(w, world.b, world.s2)


# Each a state, the units it names, and what makes the model of a source.
MODELS = {
    "all_units": (HEALTHY, [], (3.0, 2.0, 1.5), lambda s: s.vae(**exact(s))),
    "one_unit": (HEALTHY, [], (4.0,), lambda s: s.vae(**exact(s))),
    "second_unit_off": ("partially_collapsed", [1], (3.0, 0.0, 2.0), lambda s: s.vae(**exact(s))),
    "two_units_off": ("partially_collapsed", [0, 3], (0.0, 3.0, 2.0, 0.0), lambda s: s.vae(**exact(s))),
    "no_unit": ("collapsed", [0, 1], (0.0, 0.0), lambda s: s.vae(**exact(s))),
    "hardly_a_unit": ("collapsed", [0, 1], (0.05, 0.0), lambda s: s.vae(**exact(s))),
    "same_narrow_q": ("no_information", [0, 1], (2.0, 1.5), lambda s: s.vae(**constant(2, 0.1))),
    "same_far_q": ("no_information", [0, 1], (2.0, 1.5), lambda s: s.vae(**constant(2, 1.0), shift=1.5)),
    "reads_nothing": ("ignored", [], (3.0, 2.0), lambda s: with_decoder(s, 0 * s.w).vae(**exact(s))),
    "reads_hardly": ("ignored", [], (3.0, 2.0), lambda s: with_decoder(s, 3e-3 * s.w).vae(**exact(s))),
    "half_the_mean": (
        "lagging",
        [],
        (3.0, 2.0),
        lambda s: s.vae(matrix=0.5 * s.regression, variance=1 / s.precision.diagonal()),
    ),
    "prior_s_width": ("lagging", [], (2.0, 2.0), lambda s: s.vae(matrix=0.5 * s.regression, variance=torch.ones(2))),
    "twice_the_scale": (
        "over_dispersed",
        [0, 1],
        (4.0, 3.0),
        lambda s: broader(s, 2.0)[0].vae(**broader(s, 2.0)[1]),
    ),
    "three_times": ("over_dispersed", [0], (5.0,), lambda s: broader(s, 3.0)[0].vae(**broader(s, 3.0)[1])),
    "not_quite_broad": (HEALTHY, [], (4.0, 3.0), lambda s: broader(s, 1.3)[0].vae(**broader(s, 1.3)[1])),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", MODELS)
def test_the_verdict_on_a_model_of_known_state(name):
    state, units, scales, make = MODELS[name]
    world = source(scales)
    verdict = verdict_of(world, make(world))
    assert verdict["state"] == state, collapse_lines(verdict)
    named = verdict["units"]["over_dispersed" if state == "over_dispersed" else "collapsed"]
    assert sorted(named) == units
    assert (verdict["remedy"] is None) == (state == HEALTHY)


def known(value: float | None, stderr: float = 0.0, **more: float) -> dict[str, float]:
    return {"value": value, "stderr": stderr, **more}


SOUND = {
    "rate": 3.0,
    "active": 2,
    "information": known(2.5, 0.1),
    "shuffle_rise": known(9.0, 0.2),
    "amortisation_gap": known(0.02, 0.01, slope=1.0, steps=50),
    "mean_variance": {"value": [0.9, 0.8], "stderr": None},
    "variance_ratio": {"value": [1.0, 1.1], "stderr": [0.02, 0.02]},
}
OFF = {"active": 0, "mean_variance": {"value": [0.0, 0.0], "stderr": None}}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, HEALTHY),
        ({**OFF, "rate": 0.099}, "collapsed"),
        ({**OFF, "rate": 0.101, "information": known(0.101)}, HEALTHY),
        ({**OFF, "rate": 0.101, "information": known(0.099)}, "no_information"),
        ({**OFF, "rate": 0.101, "information": known(0.099, 0.001)}, HEALTHY),
        ({**OFF, "rate": 11.0, "information": known(0.02, 0.02)}, "no_information"),
        ({"information": known(0.5), "shuffle_rise": known(0.099)}, "ignored"),
        ({"information": known(0.5), "shuffle_rise": known(0.101)}, HEALTHY),
        ({"information": known(0.5), "shuffle_rise": known(0.07, 0.011)}, HEALTHY),
        ({"information": known(0.5), "shuffle_rise": known(0.07, 0.009)}, "ignored"),
        ({"shuffle_rise": known(0.249)}, "ignored"),
        ({"shuffle_rise": known(0.251)}, HEALTHY),
        ({"information": {"value": None, "stderr": None}, "shuffle_rise": known(0.101)}, HEALTHY),
        ({"shuffle_rise": {"value": None, "stderr": None}}, HEALTHY),
        ({"amortisation_gap": known(1.01, slope=1.0, steps=50)}, "lagging"),
        ({"amortisation_gap": known(0.99, slope=1.0, steps=50)}, HEALTHY),
        ({"amortisation_gap": known(1.1, 0.04, slope=1.0, steps=50)}, HEALTHY),
        ({"amortisation_gap": known(1.99, slope=2.0, steps=50)}, HEALTHY),
        ({"amortisation_gap": known(2.01, slope=2.0, steps=50)}, "lagging"),
        ({"amortisation_gap": known(0.99, slope=0.01, steps=50)}, HEALTHY),
        ({"rate": 0.2, "amortisation_gap": known(0.099, slope=1.0, steps=50)}, HEALTHY),
        ({"rate": 0.2, "amortisation_gap": known(0.101, slope=1.0, steps=50)}, "lagging"),
        ({"rate": 0.1, "amortisation_gap": known(0.99, slope=10.0, steps=50)}, HEALTHY),
        ({"rate": 0.1, "amortisation_gap": known(1.01, slope=10.0, steps=50)}, "lagging"),
        ({**OFF, "rate": 0.05, "amortisation_gap": known(0.2, slope=1.0, steps=50)}, "lagging"),
        ({"variance_ratio": {"value": [1.0, 2.01], "stderr": [0.0, 0.0]}}, "over_dispersed"),
        ({"variance_ratio": {"value": [1.0, 1.99], "stderr": [0.0, 0.0]}}, HEALTHY),
        ({"variance_ratio": {"value": [1.0, 2.1], "stderr": [0.0, 0.04]}}, HEALTHY),
        ({"active": 1, "mean_variance": {"value": [0.0099, 0.8], "stderr": None}}, "partially_collapsed"),
        ({"active": 2, "mean_variance": {"value": [0.0101, 0.8], "stderr": None}}, HEALTHY),
        ({"rate": 0.099, "information": known(0.09)}, "faint"),
        ({"rate": 0.1, "information": known(0.09)}, HEALTHY),
        ({"rate": 0.05, "active": 1, "mean_variance": {"value": [0.0, 0.8], "stderr": None}}, "partially_collapsed"),
    ],
)
def test_just_under_and_just_over_each_threshold(changes, state):
    assert collapse_verdict(**{**SOUND, **changes}, latent_dim=2)["state"] == state


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"shuffle_rise": known(0.01, 0.02)}, "ignored by the decoder: D rises by 0.01 ± 0.02 nats when z is shuffled"),
        (
            {"amortisation_gap": known(4.0, 0.25, slope=2.0, steps=50)},
            "lagging encoder: 50 local steps on q(z|x) gain 4.00 ± 0.25 nats of D + 2 R, R = 3; 2 of 2 units active",
        ),
        (
            {"variance_ratio": {"value": [2.5, 4.04], "stderr": [0.1, 0.1]}},
            "over-dispersed: q(z) has 4.04 times the prior's variance in unit 1, and more than 2 times in units 0, 1",
        ),
        (
            {"active": 1, "mean_variance": {"value": [0.9, 0.0], "stderr": None}},
            "partially collapsed: unit 1 off; test rate 3 nats, I at most 2.50; 1 of 2 units active",
        ),
        ({"rate": 0.05}, "faint: test rate 0.05 nats, I at most 2.50; 2 of 2 units active"),
    ],
)
def test_the_line_has_the_numbers_that_led_to_it_and_the_next_what_to_do(changes, lines):
    verdict = collapse_verdict(**{**SOUND, **changes}, latent_dim=2)
    first, second = collapse_lines(verdict)
    assert first.startswith(lines)
    assert second == f"what to do: {remedy_of(verdict['state'])}"


HELD = {"target_rate": {"target_rate": 0.0}, "target_distortion": {"target_distortion": 60.0}, "beta": {"slope": 4.0}}


@pytest.mark.parametrize("knob", HELD)
@pytest.mark.parametrize("state", STATES)
def test_the_remedy_turns_the_knob_in_use_alone(state, knob):
    other = {f"{way} --{name}" for name in KNOBS for way in ("raise", "lower") if name != knob}
    remedy = remedy_of(state, {"target_rate": None, "target_distortion": None, **HELD[knob]})
    assert "{" not in remedy
    assert not any(words in remedy for words in other)
    assert (f" --{knob}" in remedy) == any(place in STATES[state].remedy for place in ("{more}", "{less}"))


def test_the_verdict_of_a_fit_knows_its_knob(toy):
    config = toy(objective="target_distortion", target_distortion=3.0, max_epochs=1, latent_dim=1)
    record = vae_rd.fit_model(config)
    test = record.metrics["test"] | {
        "rate": known(1.0),
        "active_units": known(1),
        "mean_variance_per_dim": {"value": [0.9, 0.0], "stderr": None},
        **{name: known(None) for name in ("shuffle_rise", "amortisation_gap", "variance_ratio_per_dim")},
    }
    verdict = judged(Evidence({"test": test}, 2, model=record.model, data=record.data))["collapse"]
    assert verdict["state"] == "partially_collapsed"
    assert verdict["remedy"].startswith("lower --target_distortion where more should be told of x")


def test_one_verdict_and_all_findings():
    changes = {"shuffle_rise": known(0.0), "active": 1, "mean_variance": {"value": [0.9, 0.0], "stderr": None}}
    verdict = collapse_verdict(**{**SOUND, **changes}, latent_dim=2)
    assert (verdict["state"], verdict["findings"]) == ("ignored", ["ignored", "partially_collapsed"])
    assert verdict["thresholds"] == dict(COLLAPSE_THRESHOLDS)


def test_without_a_rate_there_is_none():
    verdict = collapse_verdict(**{**SOUND, "rate": None}, latent_dim=2)
    assert (verdict["state"], verdict["findings"], verdict["remedy"]) == (None, [], None)
