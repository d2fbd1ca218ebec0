"""Which likelihoods fit the data: one that is no distribution of x is refused, naming those that are."""

from __future__ import annotations

from vae_rd.config.fields import FitConfig
from vae_rd.data.atoms import learned_scale_problem
from vae_rd.data.base import DataCard
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment import tables
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.likelihoods.base import Likelihood

# What an x of each support is, in words, and why a density may be no distortion there.
_SUPPORTS = {
    "binary": ("binary", "where a density means nothing"),
    "one_hot": ("rows of one 1", "where a density means nothing"),
    "grey": ("grey", "of repeating values, on which its density rises without end"),
    "real": ("real-valued", ""),
}
# What makes another kind of x of grey one.
_WAYS = {"binary": "--binarization dynamic, static or threshold", "unit": "--dequantize uniform"}
_WAYS["real"] = _WAYS["unit"]


def check_support(config: FitConfig, card: DataCard) -> None:
    """Refuse a likelihood that is no distribution of x, so that D would be no distortion.

    Raises:
        InputError: naming what x is, and the words of --likelihood that fit it.
    """
    likelihood = tables.LIKELIHOODS[config.likelihood](config, card)
    if likelihood.scores(card.kinds):
        return
    what, why = _SUPPORTS[card.support]
    reason = f", {why}" if why and likelihood.measure == "differential" else ""
    fitting = [word for word, row in tables.LIKELIHOODS.items() if row(config, card).scores(card.kinds)]
    raise InputError(
        f"--likelihood {config.likelihood}: x of --data {card.name} is {what}{reason}; "
        f"choose {' or '.join(fitting)}{_ways_out(likelihood, card)}"
    )


def _ways_out(likelihood: Likelihood, card: DataCard) -> str:
    """What else than another likelihood helps: what makes grey x of a kind that this one is of, or leaves it grey."""
    if card.support != "grey":
        flags = [name for name in ("binarization", "dequantize") if name in card.params]
        return f", or leave out --{flags[0]}" if flags and "levels" in likelihood.supports else ""
    ways = list(dict.fromkeys(way for kind, way in _WAYS.items() if kind in likelihood.supports))
    counts = ["store the values as whole numbers from 0"] if card.levels is None else []
    steps = [*counts, *([f"add {' or '.join(ways)}"] if ways else [])]
    return f", or {', and '.join(steps)}" if ways or "levels" in likelihood.supports else ""


def check_values(config: FitConfig, model: GenerativeModel, data: DataSet) -> None:
    """Refuse real values on which the learned scale of a likelihood would shrink without end.

    Runs that read their files as version 1 of the defaults did go on as they were begun.

    Raises:
        InputError: naming what repeats, and the words of --likelihood that stand it.
    """
    likelihood, card = getattr(model.decoder, "likelihood", None), data.card
    if not isinstance(likelihood, Likelihood) or "grey" in likelihood.supports or card.support != "real":
        return
    if data.transform.is_random or config.file_rules == "1" or card.target is not None:
        return
    distinct = card.n["train"] - card.params["duplicates"].get("train", 0)
    each = likelihood.scales_each_pixel
    if problem := learned_scale_problem(data.pixels["train"], distinct, each_pixel=each):
        rows = {word: row(config, card) for word, row in tables.LIKELIHOODS.items() if word != config.likelihood}
        still = learned_scale_problem(data.pixels["train"], distinct, each_pixel=False)
        fitting = [w for w, p in rows.items() if "grey" in p.supports or (not still and "real" in p.supports)]
        raise InputError(
            f"--likelihood {config.likelihood}: of --data {card.name} {problem}, and a learned scale shrinks onto them "
            f"without end; choose {' or '.join(fitting)}"
        )
