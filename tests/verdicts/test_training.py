"""Notes on histories made up so that each is due, and on those next to them where it is not."""

import random

import pytest

from vae_rd.verdicts.latents import ignored_by_decoder, lagging_encoder, no_information
from vae_rd.verdicts.notes import Note, TrainingFacts
from vae_rd.verdicts.training import (
    AT_END,
    EACH_EPOCH,
    negative_distortion,
    not_converged,
    overfitting,
    rate_lost,
    rate_rises,
    warmup_too_long,
    worse_on_validation,
)

FACTS = TrainingFacts(4.0, is_sample=True, values=100)
NOISE = random.Random(0)


def history(distortions, rates, *, train=None, beta=4.0, annealing=0, stderr=0.3, paired=0.01, lr=None) -> list[dict]:
    """Rows of epochs with a validation each; the first `annealing` of them have half the weight."""
    rows, objectives = [], []
    for epoch, (d, r) in enumerate(zip(distortions, rates, strict=True)):
        objectives.append(d + beta * r)
        row = {"epoch": epoch, "step": 10 * (epoch + 1), "annealing": int(epoch < annealing)}
        row |= {"beta_effective": beta / 2 if epoch < annealing else beta, "lr": 1e-3 if lr is None else lr[epoch]}
        row |= {"val/distortion": d, "val/rate": r, "val/elbo": -(d + r), "val/objective": objectives[-1]}
        row |= {"val/objective_stderr": stderr, "train/objective_stderr": stderr}
        row |= {"train/objective": objectives[-1] if train is None else train[epoch]}
        row |= {"val/objective_above_best": objectives[-1] - min(objectives), "val/objective_above_best_stderr": paired}
        if epoch:
            row |= {"val/objective_change": objectives[-1] - objectives[-2], "val/objective_change_stderr": paired}
        rows.append(row)
    return rows


def first(judge, rows: list[dict], facts: TrainingFacts = FACTS) -> Note | None:
    """The note after the first epoch at which there is one, as training asks."""
    notes = (judge(rows[: n + 1], facts) for n in range(len(rows)))
    return next((note for note in notes if note is not None), None)


def noisy(values: list[float], scale: float = 0.01) -> list[float]:
    return [value + NOISE.gauss(0, scale) for value in values]


def test_a_rate_that_falls_to_zero_is_said_at_the_third_validation():
    rows = history([60] * 7, [3, 1, 0.2, 0.05, 0.02, 0.01, 0.01])
    note = first(rate_lost, rows)
    assert note.epoch == 5
    assert note.numbers == {"rate": 0.01, "highest_rate": 3, "weight": 4.0, "beta": 4.0}
    assert note.text.startswith("R has fallen to 0.01 nats, from 3 at epoch 1: beta 4 ")
    assert note.text.endswith("lower --beta")


def test_one_that_was_never_there_may_be_the_network_s_fault():
    note = first(rate_lost, history([60] * 3, [0.01, 0.012, 0.01]))
    assert note.epoch == 2
    assert "never above 0.1" in note.text
    assert "has not begun to learn" in note.text


def test_in_warm_up_it_is_the_weight_s():
    note = first(rate_lost, history([60] * 5, [3, 0.5, 0.05, 0.02, 0.01], annealing=9))
    assert "at weight 2 of a warm-up that goes on to beta 4; lower --beta" in note.text


@pytest.mark.parametrize(
    "rates",
    [
        [3, 0.05, 0.02, 0.15, 0.5, 1.0],  # It comes back.
        [0.001, 0.002, 0.004, 0.008, 0.016, 0.03],  # Units switch on: the rate doubles each epoch.
        [3, 2, 1, 0.5, 0.2, 0.11],  # Small, and not lost.
        [0.01, 0.01],  # Too early.
    ],
)
def test_a_rate_that_lives_is_not_lost(rates):
    assert first(rate_lost, history([60] * len(rates), rates)) is None


def test_nor_is_one_that_waits_for_a_descending_weight():
    rows = history([60] * 5, [0.01] * 5)
    assert first(rate_lost, [{**row, "beta_effective": 40.0, "annealing": 1} for row in rows]) is None


def test_a_rate_that_rises_as_d_falls_is_expected():
    note = first(rate_rises, history([90, 80, 70, 60], [1, 2, 3, 4], beta=4.0))
    assert note.epoch == 2
    assert note.numbers == {"rate_rise": 2, "saved": 10, "beta": 4.0}
    assert "expected while D + beta R falls; a nat of R saves 10 of D, and costs beta = 4" in note.text


@pytest.mark.parametrize(
    ("distortions", "rates"),
    [
        ([90, 80, 70, 60], [4, 3, 2, 1]),  # R falls.
        ([90, 88, 86, 84], [1, 2, 3, 4]),  # It does not pay: D + 4 R rises.
        ([90, 80, 85, 70], [1, 2, 3, 4]),  # D is not falling throughout.
        ([90, 89, 88, 87], [1, 1.1, 1.2, 1.3]),  # Nobody sees that.
    ],
)
def test_another_way_of_rates_is_not(distortions, rates):
    assert first(rate_rises, history(distortions, rates)) is None


def test_during_warm_up_r_goes_where_it_likes():
    assert first(rate_rises, history([90, 80, 70, 60], [1, 2, 3, 4], annealing=4)) is None


def test_a_negative_d_has_its_scale_and_bits():
    """-100 nats over 100 values are -1/ln 2 bits a value, and 8 more of a level of 256."""
    facts = TrainingFacts(1.0, is_sample=True, values=100, pixel_scale="(k + u) / 256", bins=256)
    note = first(negative_distortion, history([5, -103, -103], [1, 3, 3], beta=1.0), facts)
    assert note.epoch == 1
    assert note.numbers["bits_per_dim"] == pytest.approx(-1.4427, abs=1e-4)
    assert "x = (k + u)/256; D + R is -1.443 bits a value, or 6.557 of a level of 256" in note.text
    assert "x taken c times as large adds 100 ln c" in first(negative_distortion, history([-3], [1])).text
    assert first(negative_distortion, history([0.0, 5], [1, 1])) is None


def test_validation_worse_than_training_by_more_than_noise():
    """0.3 and 0.3 make 0.424: a gap of 1.2 is within 3 s.e., one of 1.4 is not."""
    rows = history([60, 50, 45], [1, 1, 1], train=[64, 52.8, 47.6])
    note = first(worse_on_validation, rows)
    assert note.epoch == 2
    assert note.numbers == {"gap": pytest.approx(1.4), "stderr": pytest.approx(0.4243, abs=1e-4)}
    assert "1.40 ± 0.42 nats worse" in note.text
    assert first(worse_on_validation, history([60, 50], [1, 1], train=[64, 52.8])) is None
    everything = TrainingFacts(4.0, is_sample=False, values=100)
    assert first(worse_on_validation, rows, everything) is None


def test_overfitting_says_since_when_and_by_how_much():
    rows = history([60, 50, 50.2, 50.4, 50.6], [1] * 5, train=[64, 54, 52, 51, 50])
    note = first(overfitting, rows)
    assert note.epoch == 4
    assert note.numbers == {"best_epoch": 1, "rise": pytest.approx(0.6), "stderr": 0.01, "train_fall": 4}
    assert "rising since epoch 2, by 0.60 ± 0.01 nats, while training's fell by 4.00" in note.text
    assert first(worse_on_validation, rows[2:]) is not None, "beside it, the gap is not said again"
    assert worse_on_validation(rows, FACTS) is None


@pytest.mark.parametrize(
    ("distortions", "more"),
    [
        ([60, 50, 50.2, 49.9, 50.2, 50.3], {}),  # A better one between.
        ([60, 50, 50.2, 50.2, 50.2], {"paired": 0.1}),  # Noise.
        ([60, 50, 50.05, 50.05, 50.05], {}),  # Nobody cares.
        ([60, 50, 51, 52, 53], {"train": [64, 54, 55, 56, 57]}),  # Training is worse as well: the steps are too long.
        ([60, 50, 51, 52, 53], {"annealing": 5}),
    ],
)
def test_what_is_no_overfitting(distortions, more):
    train = [64 - epoch for epoch in range(len(distortions))]
    assert first(overfitting, history(distortions, [1] * len(distortions), **{"train": train, **more})) is None


def test_a_warm_up_that_ends_after_the_best_epoch():
    rows = history([60, 50, 52, 53, 54], [1] * 5, annealing=3)
    note = warmup_too_long(rows, FACTS)
    assert note.numbers == {"best_epoch": 1, "lost": 3, "stderr": 0.01}
    assert "was epoch 2's, within the warm-up" in note.text
    assert "3.00 ± 0.01 nats worse; lower --beta_warmup to 20 steps or fewer" in note.text


@pytest.mark.parametrize(
    ("distortions", "more"),
    [
        ([60, 50, 52, 53, 49.9], {}),  # It ends lower.
        ([60, 50, 52, 53, 50.05], {}),  # Nobody cares.
        ([60, 50, 52, 53, 50.5], {"paired": 0.2}),  # Noise.
        ([60, 50, 52, 53, 54], {"annealing": 0}),
    ],
)
def test_one_that_does_no_harm(distortions, more):
    assert warmup_too_long(history(distortions, [1] * 5, **{"annealing": 3, **more}), FACTS) is None


def test_a_training_that_still_falls_has_not_converged():
    """2 nats an epoch, of which the last quarter of the 8 changes are two."""
    rows = history([60 - 2 * epoch for epoch in range(9)], [1] * 9)
    note = not_converged(rows, FACTS)
    assert (note.numbers["fall"], note.numbers["epochs"], note.numbers["last_fall"]) == (4, 2, 2)
    assert note.numbers["stderr"] == pytest.approx(0.01 * 2**0.5)
    assert "fell by 2.00 ± 0.007 nats an epoch (2.00 in the last); raise --max_epochs" in note.text


def test_under_a_learning_rate_that_ends_at_0_it_says_so():
    rates = [1e-3 * (1 - epoch / 8) for epoch in range(9)]
    note = not_converged(history([60 - 2 * epoch for epoch in range(9)], [1] * 9, lr=rates), FACTS)
    assert "in part as the learning rate went to 0; raise --max_epochs to see" in note.text
    # 0.8 in the last quarter, as of the noise of any descent, and 1.6 in the second half, of 23.2 or of 7.2 in all.
    little = [60 - 0.4 * epoch for epoch in range(9)]
    assert not_converged(history([80, *little[1:]], [1] * 9, lr=rates), FACTS) is None
    note = not_converged(history([64, *little[1:]], [1] * 9, lr=rates), FACTS)
    assert "fell by 1.60 nats over the second half of training, 22% of all that it fell, in part as" in note.text
    assert not_converged(history([80, *little[1:]], [1] * 9), FACTS) is not None


@pytest.mark.parametrize("first", [57.0, 56.8, 50.0])
def test_of_a_training_that_began_near_its_end_the_share_is_of_the_fall_from_its_highest(first):
    """As with --start_from, or a weight that grows: 1.6 nats in the second half, of 2.8 or of 22.8 from the second."""
    rates = [1e-3 * (1 - epoch / 8) for epoch in range(9)]
    little = [60 - 0.4 * epoch for epoch in range(1, 9)]
    note = not_converged(history([first, *little], [1] * 9, lr=rates), FACTS)
    assert "1.60 nats over the second half of training, 57% of all that it fell, in" in note.text
    assert not_converged(history([first, 79.6, *little[1:]], [1] * 9, lr=rates), FACTS) is None


@pytest.mark.parametrize(
    ("distortions", "more"),
    [
        ([60, 50, 45, 44, 43.95, 43.94, 43.93, 43.92, 43.91], {"stderr": 0.0}),  # Nobody cares.
        ([60, 50, 45, 44, 44, 44, 44, 43.9, 43.7], {"stderr": 0.5}),  # Less than the number's own error.
        ([60, 50, 45, 44, 44, 44, 44, 43.9, 43.7], {"stderr": 0.0, "paired": 0.1}),  # Noise.
        ([60, 50, 45, 44, 44, 44, 44, 45, 46], {"stderr": 0.0}),
        ([60], {}),
    ],
)
def test_one_that_has_ended(distortions, more):
    assert not_converged(history(distortions, [1] * len(distortions), **more), FACTS) is None


def test_a_calm_training_is_not_talked_about():
    """Falling into its end over 40 epochs, with noise."""
    falling = noisy([50 + 20 * 0.7**epoch for epoch in range(40)])
    rows = history(falling, noisy([2.0] * 40, 0.001), stderr=0.3, paired=0.02)
    assert [first(judge, rows) for judge in EACH_EPOCH] == [None] * len(EACH_EPOCH)
    assert [judge(rows, FACTS) for judge in AT_END] == [None] * len(AT_END)


@pytest.mark.parametrize("judge", [*EACH_EPOCH, *AT_END], ids=lambda judge: judge.__name__)
def test_epochs_without_validation_or_standard_errors_are_no_obstacle(judge):
    """Epochs between validations, an objective without a slope, old histories."""
    rows = history([60, 50, 40, 30], [1, 2, 3, 4])
    bare = [{k: v for k, v in row.items() if "stderr" not in k and "above" not in k} for row in rows]
    between = [{k: v for k, v in row.items() if not k.startswith("val/")} for row in rows]
    undefined = [{k: v for k, v in row.items() if "objective" not in k and "rate" not in k} for row in rows]
    for some in ([], bare, between, undefined):
        judge(some, FACTS)
        judge(some, TrainingFacts(None, is_sample=True, values=100))


def test_a_learning_rate_that_still_rises_is_waited_for():
    rows = [{**row, "lr": 1e-4 * (1 + epoch)} for epoch, row in enumerate(history([60] * 3, [0.01, 0.012, 0.01]))]
    assert first(rate_lost, rows) is None
    assert first(rate_lost, [{**row, "lr": 1e-4} for row in rows]) is not None


def of_latents(rates, *, information=None, rise=None, gap=None, **settings) -> list[dict]:
    """Histories with what is measured of latents, each number with a standard error of 0.01."""
    rows = history([60.0] * len(rates), rates, beta=1.0, **settings)
    for n, row in enumerate(rows):
        row |= {"val/information": 0.9 * rates[n] if information is None else information[n]}
        row |= {"val/shuffled_distortion": 60.0 + (5.0 if rise is None else rise[n]), "val/shuffle_rise_stderr": 0.01}
        row |= {"val/amortisation_gap": 0.0 if gap is None else gap[n], "val/amortisation_gap_stderr": 0.01}
    return rows


LATENTS = (no_information, ignored_by_decoder, lagging_encoder)


@pytest.mark.parametrize(
    ("judge", "changes", "text"),
    [
        (no_information, {"information": [0.01, 0.0, -0.01]}, "z carries no information: I = 0 of R = 1.92 nats; "),
        (ignored_by_decoder, {"rise": [0.02, 0.03, 0.02]}, "the decoder ignores z: D rises by 0.02 ± 0.01 nats when "),
        (lagging_encoder, {"gap": [0.9, 0.9, 0.8]}, "the encoder lags behind the decoder: local steps on q(z|x) gain "),
    ],
)
def test_a_state_of_the_latents_is_said_once_it_lasts(judge, changes, text):
    rows = of_latents([1.92] * 3, **changes)
    note = first(judge, rows)
    assert note.epoch == 2
    assert note.text.startswith(text)
    assert note.kind == judge.__name__
    assert all(other(rows, FACTS) is None for other in LATENTS if other is not judge)
    missing = [{k: v for k, v in row.items() if k not in ("val/information", "val/rate")} for row in rows]
    assert all(judge(missing, FACTS) is None for judge in LATENTS)
    assert first(judge, of_latents([1.92] * 3, annealing=1, **changes)) is None, "not the final loss"
    assert first(judge, of_latents([1.92] * 3, lr=[1e-4, 2e-4, 3e-4], **changes)) is None, "the rate of learning rises"


@pytest.mark.parametrize(
    ("rates", "changes"),
    [
        ([1.92] * 3, {}),
        ([1.92] * 3, {"information": [0.01, 0.101, 0.02]}),  # Not lasting.
        ([1.92] * 3, {"information": [0.01, 0.03, 0.05]}),  # It grows.
        ([0.09] * 3, {"information": [0.0, 0.0, 0.0]}),  # R has collapsed: another note's.
        ([1.92] * 3, {"rise": [0.02, 0.15, 0.02]}),  # 0.15 + 3 s.e. is above a tenth of I = 1.73.
        ([1.92] * 3, {"rise": [0.01, 0.03, 0.06]}),
        ([1.92] * 3, {"gap": [0.9, 0.6, 0.9]}),  # 0.6 is less than a third of 1.92.
        ([0.1, 0.2, 0.3], {"gap": [0.9, 0.9, 0.9]}),  # R grows.
        ([0.05] * 3, {"gap": [0.12, 0.12, 0.12]}),  # By 3 s.e. not above 0.1.
    ],
)
def test_next_to_it_nothing_is_said(rates, changes):
    rows = of_latents(rates, **changes)
    assert [judge(rows, FACTS) for judge in LATENTS] == [None] * 3
