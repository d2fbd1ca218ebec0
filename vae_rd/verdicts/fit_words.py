"""The verdict on a training in one line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vae_rd.verdicts.notes import nats, with_error

SHOWN = 3  # Spikes on a line.
SYMBOLS = {"objective": "", "rate": " in R"}

Entry = Mapping[str, Any]


def fit_words(verdict: Entry) -> str:
    """A verdict in one line; epochs count from 1.

    Example:
        >>> falling = {"still": True, "per_epoch": 0.2, "stderr": 0.01, "epochs": 5, "decayed": False}
        >>> falling["approaches"] = [{"kind": "exponential", "to_go": 2.0, "stderr": 0.2}]
        >>> print(fit_words({"verdict": "still falling", "measured": "D + beta R", "falling": falling}))
        still falling: validation's D + beta R by 0.20 ± 0.01 nats an epoch over the last 5; about 2.00 ± 0.20 nats to \
go (exponential); raise --max_epochs
    """
    word = verdict["verdict"]
    if word is None:
        return f"training not judged: of the final loss there are not two validations ({verdict['validations']})"
    return f"{word}{_WORDS[word](verdict)}"


def _unstable(verdict: Entry) -> str:
    found: Sequence[Entry] = verdict["spikes"]
    largest = sorted(sorted(found, key=lambda spike: -spike["excess"])[:SHOWN], key=lambda spike: spike["epoch"])
    shown = ", ".join(f"{spike['height']:+.3g} at epoch {spike['epoch'] + 1}{_of(spike)}" for spike in largest)
    more = ", ..." if len(found) > SHOWN else ""
    return f": {len(found)} spikes ({shown}{more}), nats; lower --lr or set --grad_clip"


def _of(spike: Entry) -> str:
    split, _, name = spike["quantity"].partition("/")
    return f" of {split}{SYMBOLS[name]}"


def _overfitting(verdict: Entry) -> str:
    entry, gap = verdict["overfitting"], verdict["gap"]
    best = entry["best_epoch"] + 1
    beyond = "" if gap is None else f", {_known(gap['value'], gap['stderr'])} below it"
    return (
        f" since epoch {best}: validation's {verdict['measured']} has risen by "
        f"{_known(entry['rise'], entry['stderr'])} nats, while training's fell by {nats(entry['train_fall'])}{beyond}; "
        f"--patience stops at epoch {best}, more data or a larger --beta help"
    )


def _falling(verdict: Entry) -> str:
    entry = verdict["falling"]
    if entry["decayed"]:
        return (
            f": validation's {verdict['measured']} by {_pace(entry)}{_half(entry)}; in part as the learning rate went "
            "to 0, so that nothing tells how much is left; raise --max_epochs"
        )
    left = " or ".join(f"{_known(tail['to_go'], tail['stderr'])} ({tail['kind']})" for tail in entry["approaches"])
    left = f"about {left.replace(' (', ' nats to go (', 1)}" if left else "how much is left its tail does not determine"
    return f": validation's {verdict['measured']} by {_pace(entry)}; {left}; raise --max_epochs"


def _half(entry: Entry) -> str:
    if entry["half_fall"] <= 0:
        return ""
    share = entry["half_fall"] / entry["whole_fall"]
    return f", by {nats(entry['half_fall'])} nats ({share:.0%} of all) over the second half"


def _pace(entry: Entry) -> str:
    return f"{_known(entry['per_epoch'], entry['stderr'])} nats an epoch over {_last(entry)}"


def _last(entry: Entry) -> str:
    return "the last one" if entry["epochs"] == 1 else f"the last {entry['epochs']}"


def _underfitting(verdict: Entry) -> str:
    entry = verdict["underfitting"]
    if "linear_rate" in entry:
        return (
            f": R is {nats(entry['rate'])} nats, where a linear VAE of this data has {nats(entry['linear_rate'])} in "
            f"{entry['linear_units']} units, worth {nats(entry['worth'])} more of D + beta R by the linear model: the "
            "network is too narrow, or has not learned to use z; widen --hidden"
        )
    return (
        f": all {entry['units']} units of z are in use, the weakest with {nats(entry['weakest_rate'])} nats of R, "
        f"worth {nats(entry['worth'])} of D + beta R by the linear model: more units would save more; "
        "raise --latent_dim"
    )


def _converged(verdict: Entry) -> str:
    entry = verdict["falling"]
    changed = _known(-entry["per_epoch"] * entry["epochs"], _times(entry["stderr"], entry["epochs"]))
    text = f": validation's {verdict['measured']} changed by {changed} nats over {_last(entry)} of its epochs"
    if not entry["decayed"]:
        return text
    if not entry["may_gain"]:
        return f" under this schedule{text}, as the learning rate went to 0"
    gained = f"over the second half it fell by {nats(entry['half_fall'])}: a longer budget may still gain"
    return f" under this schedule{text}, as the learning rate went to 0; {gained}"


def _known(value: float, stderr: float | None) -> str:
    return with_error(value, math.nan if stderr is None else stderr)


def _times(stderr: float | None, factor: float) -> float | None:
    return None if stderr is None else stderr * factor


_WORDS: Mapping[str, Callable[[Entry], str]] = {
    "KL unstable": _unstable,
    "overfitting": _overfitting,
    "still falling": _falling,
    "underfitting": _underfitting,
    "converged": _converged,
}
