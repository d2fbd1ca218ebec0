"""Whether validation still fell where training ended, and what that says of a longer one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vae_rd.verdicts.histories import later_half, scatter
from vae_rd.verdicts.notes import (
    DECAYED,
    SHARE,
    SIGMAS,
    TAIL,
    WORTH,
    WORTH_DECAYED,
    WORTH_HALF,
    Note,
    Row,
    TrainingFacts,
    known_only,
    nats,
    noted,
    validated,
    with_error,
)


@dataclass(frozen=True)
class Fall:
    """How far validation's D + beta R fell towards the end, in nats.

    Attributes:
        fall: over the last quarter of validations, by a straight line through them.
        stderr: of that: the paired changes and the scatter of the validations about a smooth course.
        epochs: that the quarter spans.
        last_fall: an epoch, between the last two validations.
        half_fall: over the second half.
        whole_fall: from the highest of all, which is not the first where a run goes on from a fit or its weight grows.
        error: the standard error of the last value itself.
        is_decayed: whether the learning rate was near 0 by then.
    """

    fall: float
    stderr: float
    epochs: float
    last_fall: float
    half_fall: float
    whole_fall: float
    error: float
    is_decayed: bool

    @property
    def is_steep(self) -> bool:
        """Whether the last quarter fell by what is worth it, for the learning rate."""
        return self.fall > max(WORTH_DECAYED if self.is_decayed else WORTH, self.error) and self.is_known

    @property
    def is_known(self) -> bool:
        """Whether the last quarter fell by more than noise."""
        return not self.fall <= SIGMAS * self.stderr

    @property
    def is_flattened(self) -> bool:
        """Whether its end is flat by the learning rate: the last quarter fell, the half by a tenth of the whole."""
        return self.may_gain and self.is_known and self.fall > WORTH and self.half_fall > SHARE * self.whole_fall

    @property
    def may_gain(self) -> bool:
        """Whether the second half, under a learning rate that went to 0, brought what is worth a longer one."""
        worth = max(WORTH_HALF, self.error)
        return self.is_decayed and self.half_fall > worth and not self.half_fall <= SIGMAS * self.stderr


def fall_of(rows: Sequence[Row]) -> Fall | None:
    """What is known of the fall; None where there are not two validations of the final loss to compare."""
    seen = [row for row in validated(rows, final=True) if "val/objective" in row]
    tail = seen[_place(seen, TAIL) :]
    if len(tail) < 2:
        return None
    values = [row["val/objective"] for row in seen]
    slope, weight = _line([row["epoch"] for row in tail], [row["val/objective"] for row in tail])
    epochs, noise = tail[-1]["epoch"] - tail[0]["epoch"], scatter(later_half(values))
    paired = math.hypot(*(row.get("val/objective_change_stderr", 0.0 if noise else math.nan) for row in tail[1:]))
    return Fall(
        fall=-slope * epochs,
        stderr=math.hypot(paired, noise * weight * epochs),
        epochs=epochs,
        last_fall=(values[-2] - values[-1]) / (seen[-1]["epoch"] - seen[-2]["epoch"]),
        half_fall=values[_place(seen, 0.5)] - values[-1],
        whole_fall=max(values) - values[-1],
        error=tail[-1].get("val/objective_stderr", 0.0),
        is_decayed=tail[-1]["lr"] < DECAYED * max(row["lr"] for row in rows),
    )


def _place(seen: Sequence[Row], share: float) -> int:
    """Where the last `share` of the steps between validations begins."""
    return max(0, len(seen) - 1 - max(1, math.ceil(share * (len(seen) - 1))))


def _line(epochs: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """The slope of the least-squares line, and its standard error for values of standard deviation 1."""
    middle, level = math.fsum(epochs) / len(epochs), math.fsum(values) / len(values)
    spread = math.fsum((epoch - middle) ** 2 for epoch in epochs)
    slope = math.fsum((e - middle) * (v - level) for e, v in zip(epochs, values, strict=True)) / spread
    return slope, spread**-0.5


def not_converged(rows: Sequence[Row], facts: TrainingFacts) -> Note | None:
    """Validation's D + beta R fell by more than its noise, and than its own s.e., over the last quarter of validations.

    As a learning rate goes to 0 the end is flat by construction, and part of the fall is that of the noise of descent:
    there a second half that brought a tenth of the whole says the same, and how far a longer run gets, nothing does.

    Example:
        >>> row = {"annealing": 0, "lr": 1e-3, "val/distortion": 9.0}
        >>> rows = [{**row, "epoch": epoch, "val/objective": 20 - epoch} for epoch in range(5)]
        >>> print(not_converged(rows, TrainingFacts(1.0, False, 256)).text)
        not converged: validation's D + beta R still fell by 1.00 nats an epoch (1.00 in the last); raise --max_epochs
    """
    found = fall_of(rows)
    if found is None or not (found.is_steep or found.is_flattened):
        return None
    text = "not converged: validation's D + beta R still fell by "
    if found.is_steep:
        each = with_error(found.fall / found.epochs, found.stderr / found.epochs)
        text += f"{each} nats an epoch ({nats(found.last_fall)} in the last)"
    else:
        share = found.half_fall / found.whole_fall
        text += f"{nats(found.half_fall)} nats over the second half of training, {share:.0%} of all that it fell"
    if found.is_decayed:
        text += ", in part as the learning rate went to 0; raise --max_epochs to see what a longer run gains"
    else:
        text += "; raise --max_epochs"
    numbers = {"fall": found.fall, "epochs": found.epochs, "last_fall": found.last_fall, "half_fall": found.half_fall}
    return noted("not_converged", validated(rows)[-1], text, **numbers, **known_only(stderr=found.stderr))
