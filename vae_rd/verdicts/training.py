"""What a training says while it runs: functions of the rows of its epochs, each of one thing a user should be told.

A row is an epoch's line of history.csv as numbers, with what is undefined left out, and beside it `annealing` (1 where
the loss was not yet the final one), `<split>/objective_stderr`, and `val/objective_change` and `_above_best` (the best
so far) with their `_stderr`, paired over examples, which keep their noise. Training's means are over the epoch while
the weights moved, validation's are at its end: training's are behind, and the gap to them is no smaller than it looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from vae_rd.theory.thresholds import COLLAPSED_RATE
from vae_rd.units import per_nat
from vae_rd.verdicts.falling import not_converged
from vae_rd.verdicts.histories import scatter_about
from vae_rd.verdicts.latents import ignored_by_decoder, lagging_encoder, no_information
from vae_rd.verdicts.notes import (
    GROWTH,
    LASTING,
    RISE,
    SIGMAS,
    WORTH,
    Note,
    Row,
    TrainingFacts,
    count_of,
    known_only,
    lr_rises,
    nats,
    noted,
    objective_of,
    rises,
    validated,
    with_error,
)


def rate_lost(rows: Sequence[Row], facts: TrainingFacts) -> Note | None:
    """R below 0.1 nat for three validations, without growing, and the learning rate no longer rises.

    Example:
        >>> rows = [{"epoch": e, "annealing": 0, "beta_effective": 9.0, "val/distortion": 60.0} for e in range(4)]
        >>> rows = [{**row, "val/rate": rate} for row, rate in zip(rows, (2.5, 0.05, 0.02, 0.01))]
        >>> print(rate_lost(rows, TrainingFacts(9.0, False, 256)).text)
        R has fallen to 0.01 nats, from 2.5 at epoch 1: beta 9 is more than a nat of z saves of D; lower --beta
    """
    seen = [row for row in validated(rows) if "val/rate" in row]
    low = [row["val/rate"] for row in seen[-LASTING:]]
    if facts.beta is None or len(low) < LASTING or max(low) >= COLLAPSED_RATE or low[-1] > GROWTH * low[0]:
        return None
    if (weight := seen[-1]["beta_effective"]) > facts.beta:  # It descends: from above, units switch on later.
        return None
    if lr_rises(rows):
        return None
    highest = max(seen, key=lambda row: row["val/rate"])
    numbers = {"rate": low[-1], "highest_rate": highest["val/rate"], "weight": weight, "beta": facts.beta}
    return noted("rate_lost", seen[-1], _lost(highest, low[-1], weight, facts.beta), **numbers)


def _lost(highest: Row, rate: float, weight: float, beta: float) -> str:
    if highest["val/rate"] < COLLAPSED_RATE:
        cause = f"beta {beta:g} is more than a nat of z saves of D, or the network has not begun to learn"
        return f"R is {rate:.2g} nats and was never above {COLLAPSED_RATE}: {cause}; lower --beta, else raise --lr"
    fallen = f"R has fallen to {rate:.2g} nats, from {highest['val/rate']:.3g} at epoch {count_of(highest)}"
    if weight < beta:
        return f"{fallen}, at weight {weight:.3g} of a warm-up that goes on to beta {beta:g}; lower --beta"
    return f"{fallen}: beta {beta:g} is more than a nat of z saves of D; lower --beta"


def rate_rises(rows: Sequence[Row], facts: TrainingFacts) -> Note | None:
    """R up and D and D + beta R down over three validations, by more than a nat of R: nothing is wrong."""
    seen = validated(rows, final=True)[-LASTING:]
    known = [row for row in seen if {"val/objective", "val/rate"} <= row.keys()]
    if facts.beta is None or len(known) < LASTING:
        return None
    rates, distortions, objectives = ([row[f"val/{n}"] for row in seen] for n in ("rate", "distortion", "objective"))
    if not (rises(rates) and rises(distortions[::-1]) and rises(objectives[::-1])) or rates[-1] - rates[0] < RISE:
        return None
    saved = (distortions[0] - distortions[-1]) / (rates[-1] - rates[0])
    text = (
        f"R rises as D falls (R {rates[0]:.1f} to {rates[-1]:.1f}, D {distortions[0]:.1f} to {distortions[-1]:.1f} "
        f"since epoch {count_of(seen[0])}): expected while D + beta R falls; a nat of R saves {saved:.3g} of D, "
        f"and costs beta = {facts.beta:g}"
    )
    return noted("rate_rises", seen[-1], text, rate_rise=rates[-1] - rates[0], saved=saved, beta=facts.beta)


def negative_distortion(rows: Sequence[Row], facts: TrainingFacts) -> Note | None:
    """D below 0, as that of a density may be: its scale, and what D + R is in bits a value."""
    seen = validated(rows)
    if not seen or seen[-1]["val/distortion"] >= 0:
        return None
    distortion, bits = seen[-1]["val/distortion"], None
    text = f"D is {distortion:.4g} nats, and negative is right: p(x|z) is a density of x, {_scale(facts)}"
    if "val/elbo" in seen[-1]:
        bits = -seen[-1]["val/elbo"] * per_nat("bits_per_dim", dims=facts.values)
        text += f"; D + R is {bits:.3f} bits a value"
        text += f", or {bits + math.log2(facts.bins):.3f} of a level of {facts.bins}" if facts.bins else ""
    known = {} if bits is None else {"bits_per_dim": bits}
    return noted("negative_distortion", seen[-1], text, distortion=distortion, **known)


def _scale(facts: TrainingFacts) -> str:
    if facts.pixel_scale is not None:
        return f"x = {facts.pixel_scale.replace(' / ', '/')}"
    return f"and x taken c times as large adds {facts.values} ln c"


def worse_on_validation(rows: Sequence[Row], facts: TrainingFacts) -> Note | None:
    """Validation's D + beta R above training's by more than 3 s.e. of the difference, and not rising.

    Different examples, hence unpaired.
    """
    seen = [row for row in validated(rows, final=True) if "val/objective_stderr" in row and "train/objective" in row]
    if not facts.is_sample or not seen or _rising(rows) is not None:
        return None
    last = seen[-1]
    gap = last["val/objective"] - last["train/objective"]
    stderr = math.hypot(last["val/objective_stderr"], last["train/objective_stderr"])
    if gap <= max(SIGMAS * stderr, WORTH):
        return None
    text = (
        f"validation's D + beta R is {with_error(gap, stderr)} nats worse than training's over the epoch: the network "
        f"fits its examples better than others; {_since_best(rows, last)}"
    )
    return noted("worse_on_validation", last, text, gap=gap, stderr=stderr)


def _since_best(rows: Sequence[Row], last: Row) -> str:
    best = min(validated(rows), key=objective_of)
    if (rise := last["val/objective"] - best["val/objective"]) <= WORTH:
        return "no harm while validation's falls"
    return f"validation's is {nats(rise)} above its lowest, epoch {count_of(best)}'s"


def overfitting(rows: Sequence[Row], facts: TrainingFacts) -> Note | None:
    """Validation's D + beta R above its lowest by more than 3 s.e. three times in a row, training's falling.

    The standard error that counts is of the paired difference, and of the scatter of validations about their course.
    """
    rising = _rising(rows)
    if not facts.is_sample or rising is None:
        return None
    best, last, noise = rising
    trained = best.get("train/objective", math.nan) - last.get("train/objective", math.nan)
    if not trained > 0:
        return None
    rise, stderr = last["val/objective_above_best"], math.hypot(last["val/objective_above_best_stderr"], noise)
    text = (
        f"validation's D + beta R has been rising since epoch {count_of(best)}, by {with_error(rise, stderr)} nats, "
        f"while training's fell by {nats(trained)}: overfitting; the checkpoint of epoch {count_of(best)} is kept, "
        "--patience stops there, more data or a larger --beta help"
    )
    numbers = {"best_epoch": best["epoch"], "rise": rise, "stderr": stderr, "train_fall": trained}
    return noted("overfitting", last, text, **numbers)


def _rising(rows: Sequence[Row]) -> tuple[Row, Row, float] | None:
    """The best validation and the last one, where the last three were all worse than it, and the scatter of both."""
    seen = [row for row in validated(rows, final=True) if "val/objective_above_best_stderr" in row]
    if len(seen) <= LASTING:
        return None
    values = [row["val/objective"] for row in seen]
    lowest = values.index(min(values))
    best, noise = seen[lowest], math.hypot(scatter_about(values, lowest), scatter_about(values, len(values) - 1))
    if not all(_is_above(row, noise) for row in seen[-LASTING:]):
        return None
    return None if best is not min(validated(rows), key=objective_of) else (best, seen[-1], noise)


def _is_above(row: Row, noise: float) -> bool:
    stderr = math.hypot(row["val/objective_above_best_stderr"], noise)
    return row["val/objective_above_best"] > max(SIGMAS * stderr, WORTH)


def warmup_too_long(rows: Sequence[Row], facts: TrainingFacts) -> Note | None:
    """The best validation within the warm-up, in which no checkpoint is kept, and none as good after it."""
    seen, final = validated(rows), [row for row in validated(rows, final=True) if "val/objective" in row]
    if facts.beta is None or not final:
        return None
    best, kept = min(seen, key=objective_of), min(final, key=objective_of)
    lost, stderr = kept["val/objective"] - best["val/objective"], kept.get("val/objective_above_best_stderr", math.nan)
    if not best["annealing"] or lost <= WORTH or lost <= SIGMAS * stderr:
        return None
    text = (
        f"the best validation, D + beta R {best['val/objective']:.2f} nats, was epoch {count_of(best)}'s, within the "
        f"warm-up, where no checkpoint is kept; the kept one is {with_error(lost, stderr)} nats worse; "
        f"lower --beta_warmup to {best['step']:.0f} steps or fewer"
    )
    return noted("warmup_too_long", kept, text, best_epoch=best["epoch"], lost=lost, **known_only(stderr=stderr))


# What is asked after every epoch, and what once training has ended. One kind is said once.
Judge = Callable[[Sequence[Row], TrainingFacts], Note | None]
EACH_EPOCH: tuple[Judge, ...] = (
    *(rate_lost, no_information, ignored_by_decoder, lagging_encoder),
    *(rate_rises, negative_distortion, worse_on_validation, overfitting),
)
AT_END: tuple[Judge, ...] = (warmup_too_long, not_converged)
