"""The verdict on training: on histories whose verdict is known, with noise, and on those next to them."""

import math
from collections import Counter

import pytest

from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.fit import fit, fit_verdict
from vae_rd.verdicts.fit_words import fit_words
from vae_rd.verdicts.histories import comparable, rows_of
from vae_rd.verdicts.notes import TrainingFacts

from helpers.histories import made, rows_from

SAMPLE = TrainingFacts(1.0, is_sample=True, values=256)
POPULATION = TrainingFacts(1.0, is_sample=False, values=256)
SEEDS = 30


def judged(kind: str, *, seeds: int = SEEDS, facts: TrainingFacts = SAMPLE, **how) -> Counter:
    """How often which verdict."""
    return Counter(fit_verdict(made(kind, seed=seed, **how), facts)["verdict"] for seed in range(seeds))


@pytest.mark.parametrize(
    ("kind", "verdict", "how"),
    [
        ("settled", "converged", {}),
        ("settled", "converged", {"noise": 0.5}),
        ("settled", "converged", {"noise": 0.5, "decayed": True}),
        ("settled", "converged", {"epochs": 200, "noise": 0.2}),
        ("overfitted", "overfitting", {}),
        ("overfitted", "overfitting", {"noise": 0.01, "size": 0.3}),
        ("overfitted", "overfitting", {"noise": 0.5, "size": 5.0}),
        ("overfitted", "overfitting", {"decayed": True, "size": 2.0}),
        ("spiked", "KL unstable", {}),
        ("spiked", "KL unstable", {"noise": 0.5}),
        ("spiked", "KL unstable", {"decayed": True, "noise": 0.2}),
    ],
)
def test_known_histories(kind, verdict, how):
    """At most one of sixty is taken for another."""
    assert judged(kind, **how)[verdict] >= SEEDS - 1


def test_of_twelve_validations_nobody_knows_the_noise():
    """Of these, one in ten is said to fall still, by 0.1 nat or so."""
    assert judged("settled", epochs=12)["converged"] >= 0.8 * SEEDS


@pytest.mark.parametrize("how", [{}, {"noise": 0.3}, {"decayed": True}, {"size": 0.2}])
def test_histories_that_still_fall(how):
    assert judged("slow", seeds=20, **how)["still falling"] >= 19


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("slow", {"size": 0.01}),  # 0.2 nat in all, of which the last quarter has 0.02.
        ("overfitted", {"size": 0.05}),  # Nobody cares.
        ("overfitted", {"size": 1.0, "noise": 2.0}),  # Nobody can tell.
        ("overfitted", {"size": 1.0, "facts": POPULATION}),  # There are no other examples to be worse on.
        ("worsened", {"size": 1.0}),  # Training is worse as well.
        ("spiked", {"size": 0.05}),  # Half a nat.
        ("spiked", {"size": 0.3, "noise": 1.0}),  # Noise is as large.
    ],
)
def test_histories_next_to_them(kind, how):
    assert judged(kind, **how)["converged"] >= SEEDS - 2


def test_one_spike_alone_is_an_accident():
    rows = made("settled", seed=0)
    rows[30]["train/rate"] += 5
    verdict = fit_verdict(rows, SAMPLE)
    assert verdict["verdict"] == "converged"
    assert [(s["epoch"], s["quantity"], round(s["height"])) for s in verdict["spikes"]] == [(30, "train/rate", 5)]
    rows[31]["train/rate"] += 4
    assert len(fit_verdict(rows, SAMPLE)["spikes"]) == 2
    assert fit_verdict(rows, SAMPLE)["verdict"] == "converged", "one burst"
    rows[20]["train/rate"] -= 4
    assert fit_verdict(rows, SAMPLE)["verdict"] == "KL unstable"
    rows = made("settled", seed=0)
    rows[30]["val/rate"] += 100
    assert fit_verdict(rows, SAMPLE)["verdict"] == "KL unstable", "one that nobody overlooks"


def test_a_beginning_is_not_a_spike():
    """R overshoots as the decoder learns to read z, and falls back."""
    rows = made("settled", seed=0, noise=0.01)
    for row, more in zip(rows[:5], (0, 8, 20, 9, 1), strict=True):
        row["val/rate"] += more
    assert fit_verdict(rows, SAMPLE)["spikes"] == []


def test_what_overfits_says_from_which_epoch_and_by_how_much():
    """Validation rises from epoch 14 of 40 on, by 2 nats less what it still falls there."""
    course = [row["val/objective"] for row in made("overfitted", seed=1, size=2.0, noise=0.0)]
    verdict = fit_verdict(made("overfitted", seed=1, size=2.0, noise=0.02), SAMPLE)
    found = verdict["overfitting"]
    assert abs(found["best_epoch"] - course.index(min(course))) <= 2
    assert found["rise"] == pytest.approx(course[-1] - min(course), abs=0.1)
    assert found["stderr"] < 0.1
    assert verdict["gap"]["value"] == pytest.approx(5.5, abs=0.2)
    words = fit_words(verdict)
    assert words.startswith(f"overfitting since epoch {found['best_epoch'] + 1}: validation's D + beta R has risen by ")
    assert "--patience stops at epoch" in words


def test_nats_left_are_those_of_the_course():
    """20 exp(-t / 20) with 40 epochs has 20 exp(-39 / 20) = 2.85 nats to go; a power law sees more."""
    exponential, power = [], []
    for seed in range(20):
        verdict = fit_verdict(made("slow", seed=seed, noise=0.02), SAMPLE)
        found = {tail["kind"]: tail for tail in verdict["falling"]["approaches"]}
        exponential.append((found["exponential"]["to_go"] - 20 * math.exp(-39 / 20)) / found["exponential"]["stderr"])
        power.append(found["power law"]["to_go"])
        assert found["exponential"]["stderr"] < 0.6
    assert max(map(abs, exponential)) < 4
    assert abs(sum(exponential) / 20) < 4 / 20**0.5
    assert min(power) > 2.85
    assert "nats to go (exponential) or " in fit_words(verdict)


def test_a_straight_line_has_no_end_in_sight():
    values = [60 - 0.5 * epoch for epoch in range(30)]
    verdict = fit_verdict(rows_from(values, values, [5.0] * 30, lr=[1e-3] * 30), SAMPLE)
    assert verdict["verdict"] == "still falling"
    assert verdict["falling"]["per_epoch"] == pytest.approx(0.5)
    assert verdict["falling"]["approaches"] == []
    assert "by 0.50 nats an epoch over the last 8" in fit_words(verdict)
    assert "how much is left its tail does not determine" in fit_words(verdict)


def test_under_a_schedule_the_end_is_the_schedule_s():
    fast, slow = made("settled", seed=0, decayed=True), made("slow", seed=0, decayed=True)
    assert fit_words(fit_verdict(fast, SAMPLE)).startswith("converged under this schedule: ")
    verdict = fit_verdict(slow, SAMPLE)
    assert verdict["falling"]["approaches"] == []
    assert "nothing tells how much is left" in fit_words(verdict)


def test_a_longer_budget_may_gain_where_the_second_half_still_did():
    """0.9 of 20 nats in the second half, 0.2 of them in the last quarter."""
    values = [50 + 19.1 * math.exp(-epoch) + 0.9 * min(1, (39 - epoch) / 20) ** 2 for epoch in range(40)]
    lr = [1e-3 * (0.5 + 0.5 * math.cos(math.pi * (epoch + 1) / 40)) for epoch in range(40)]
    verdict = fit_verdict(rows_from(values, values, [5.0] * 40, lr=lr), SAMPLE)
    assert (verdict["verdict"], verdict["falling"]["may_gain"]) == ("converged", True)
    assert fit_words(verdict).endswith("over the second half it fell by 0.90: a longer budget may still gain")
    verdict = fit_verdict(rows_from(values, values, [5.0] * 40, lr=[1e-3] * 40), SAMPLE)
    assert verdict["verdict"] == "still falling"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([42, 50, *(49 - 0.8 * epoch for epoch in range(8))], "4.00 nats (61% of all) over the second half; in part"),
        ([*range(42, 51), 52, 52, 43, 52], "an epoch over the last 3; in part"),  # Above all that came before.
    ],
)
def test_the_share_of_the_second_half_is_of_the_fall_from_the_highest(values, words):
    lr = [1e-3 * (1 - epoch / (len(values) - 1)) for epoch in range(len(values))]
    verdict = fit_verdict(rows_from(values, values, [5.0] * len(values), lr=lr), POPULATION)
    assert verdict["verdict"] == "still falling"
    assert words in fit_words(verdict)


def test_where_there_is_no_beta_it_is_of_the_elbo_and_where_no_rate_of_d():
    rows = made("overfitted", seed=0)
    without_beta = [{k: v for k, v in row.items() if not k.endswith("objective")} for row in rows]
    without_rate = [{k: v for k, v in row.items() if not k.endswith(("objective", "elbo", "rate"))} for row in rows]
    found = [fit_verdict(some, SAMPLE) for some in (rows, without_beta, without_rate)]
    assert [verdict["measured"] for verdict in found] == ["D + beta R", "D + R", "D"]
    assert {verdict["verdict"] for verdict in found} == {"overfitting"}
    assert found[0]["overfitting"] == found[1]["overfitting"], "beta is 1"
    assert "validation's D + R has risen" in fit_words(found[1])


def test_paired_errors_are_taken_where_there_are_any():
    rows = made("settled", seed=0)
    assert comparable(rows).rows[-1]["val/objective_above_best_stderr"] == 0.0
    rows[-1] |= {"val/objective_above_best_stderr": 0.25}
    assert comparable(rows).rows[-1]["val/objective_above_best_stderr"] == 0.25


def test_too_few_validations_are_not_judged():
    rows = made("settled", seed=0)[:1]
    verdict = fit_verdict(rows, SAMPLE)
    assert verdict["verdict"] is None
    assert fit_words(verdict) == "training not judged: of the final loss there are not two validations (1)"
    annealing = [{**row, "annealing": 1} for row in made("settled", seed=0)]
    assert fit_verdict(annealing, SAMPLE)["verdict"] is None


def test_without_a_history_there_is_no_verdict():
    assert fit(Evidence({}, 2)) is None


def test_rows_of_a_history_file():
    text = "epoch,step,beta_effective,lr,val/rate\n0,9,1.0,0.1,\n1,18,2.0,0.1,inf\n"
    rows = rows_of(text, slope=2.0)
    assert [row["annealing"] for row in rows] == [1, 0]
    assert all("val/rate" not in row for row in rows)
    assert [row["annealing"] for row in rows_of(text, slope=None)] == [0, 0]
    for damaged in ("epoch\n1\n", "epoch,step,beta_effective,lr\n1,2,x,3\n", "epoch\n1,2\n"):
        with pytest.raises((ValueError, KeyError, TypeError)):
            rows_of(damaged, slope=1.0)


def evidence(rates, *, beta=1.0, distortion=17.0, measure="discrete", entropy=7.44, active=None, rows=None) -> Evidence:
    objective = {"value": distortion + beta * sum(rates)}
    known = {"rate_per_dim": {"value": rates}, "active_units": {"value": len(rates) if active is None else active}}
    val = known | {"distortion": {"value": distortion}, "objective": objective}
    card = {
        "support": "binary" if measure == "discrete" else "real",
        "shape": [1, 16, 16],
        "population": {"train": True},
    }
    card |= {"entropy": {"val": {"value": entropy}}}
    model = {"slope": beta, "distortion": {"measure": measure}}
    return Evidence({"val": val}, len(rates), rows or made("settled", seed=0), model, card)


@pytest.mark.parametrize(
    ("more", "worth"),
    [
        ({"rates": [1.6, 1.35]}, (math.exp(2.7) - 1) / 2 - 1.35),  # 2 units on digits, where 4 save 2.3 nats.
        ({"rates": [1.6, 0.95]}, (math.exp(1.9) - 1) / 2 - 0.95),  # Just above a nat: 1.89.
        ({"rates": [1.6, 0.7]}, None),  # Just below: 0.83.
        ({"rates": [1.6, 1.35], "active": 1}, None),  # One is free.
        ({"rates": [30.0, 24.0], "distortion": 2.0, "beta": 0.01}, 2.0 + 0.54 - 0.0744),  # No more than there is.
        ({"rates": [30.0, 24.0], "distortion": 0.4, "beta": 0.01}, None),
        ({"rates": [30.0, 24.0], "distortion": 2.0, "beta": 0.01, "entropy": None}, 2.0),
        ({"rates": [2.0, 2.0], "measure": "differential"}, (math.exp(4) - 1) / 2 - 2),
        ({"rates": [2.0, None]}, None),
        ({"rates": [2.0, 2.0], "beta": None}, None),
    ],
)
def test_units_that_are_all_in_use(more, worth):
    if more.get("beta", 1.0) is None or None in more["rates"]:
        found = evidence([2.0, 2.0])
        found.model["slope"] = more.get("beta", 1.0)
        found.metrics["val"]["rate_per_dim"]["value"] = more["rates"]
    else:
        found = evidence(**more)
    verdict = fit(found)
    assert verdict["verdict"] == ("converged" if worth is None else "underfitting")
    assert (verdict["underfitting"] or {"worth": None})["worth"] == pytest.approx(worth)
    if worth is not None:
        assert "raise --latent_dim" in fit_words(verdict)


LINEAR = {"eigenvalues": [8.0, 4.0, 2.0, 0.5], "values": None}  # 1.04, 0.69 and 0.35 nats of R at beta 1.


@pytest.mark.parametrize(
    ("rates", "model", "worth"),
    [
        ([1.0, 0.0, 0.0], {}, 7 / 2 + 3 / 2 + 1 / 2 - math.log(64) / 2 - (math.e**2 - 1) / 2 + 1),
        ([0.0, 0.0, 0.0], {}, 7 / 2 + 3 / 2 + 1 / 2 - math.log(64) / 2),
        ([1.06, 0.0, 0.0], {}, None),  # More than half of the 2.08 nats.
        ([0.0, 0.0, 0.0], {"reads_x": True}, None),
        ([0.0, 0.0, 0.0], {"reads_x": None}, None),
        ([0.0, 0.0, 0.0], {"forecast": None}, None),
        ([0.0, 0.0, 0.0], {"forecast": {**LINEAR, "values": 64}}, None),
        ([0.0, 0.0, 0.0], {"forecast": {"eigenvalues": [8.0, 4.0]}}, None),  # A record that does not say.
        ([0.0, 0.0, 0.0], {"forecast": {**LINEAR, "eigenvalues": [3.1]}}, None),  # Worth less than a nat.
    ],
)
def test_less_than_half_of_what_a_linear_model_has(rates, model, worth):
    found = evidence(rates, active=1)
    found.model.update({"reads_x": False, "forecast": LINEAR} | model)
    verdict = fit(found)
    assert verdict["verdict"] == ("converged" if worth is None else "underfitting")
    if worth is not None:
        assert verdict["underfitting"]["worth"] == pytest.approx(worth, abs=1e-3)
        assert verdict["underfitting"]["linear_rate"] == pytest.approx(0.5 * math.log(64))
        assert "widen --hidden" in fit_words(verdict)


def test_where_validation_is_worse_by_as_much_more_units_do_not_help():
    rows = [{**row, "train/objective": row["train/objective"] - 9} for row in made("settled", seed=0)]
    found = evidence([1.6, 1.35], rows=rows)
    assert fit(found)["verdict"] == "underfitting", "it is the population"
    found.data["population"]["train"] = False
    assert fit(found)["verdict"] == "converged"
