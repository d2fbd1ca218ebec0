"""Thresholds of the field and of the verdict on collapse, each with its reason; importable without numpy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ACTIVE_VARIANCE = 0.01  # Var_x(E[z_d|x]) from which a unit counts as active (Burda et al. 2016, arXiv 1509.00519)
# Var_x(E[z_d|x]) / Var(z_d) from which a unit is the same by its mean as by its draws. Bonheme and Grzes 2023 (arXiv
# 2109.12679) call a unit active where the mean of Var(z_d|x) is within 0.1 of 0: the same, if q(z_d) has variance 1.
ACTIVE_SHARE = 0.9
# (epsilon, delta)-collapse of a unit, P_x[KL_d < epsilon] >= 1 - delta, and the rate from which it is active by rate: a
# unit whose mean has variance 0.01 and whose q(z_d) is N(0, 1) has a rate of half as much.
COLLAPSE_EPSILON = 0.01  # nats (Lucas et al. 2019, arXiv 1911.02469, which has the definition, and this delta)
COLLAPSE_DELTA = 0.01
ACTIVE_RATE = COLLAPSE_EPSILON

COLLAPSED_RATE = 0.1  # Nats of R and of I, which is no more than R: as many as nobody would train a latent for.
IGNORED_RISE = COLLAPSED_RATE  # Of D under z of another x: a decoder that is right for q has it rise by I or more.
IGNORED_SHARE = 0.1  # Of that rise in I: a decoder that is right for q has it rise by all of I at least.
# Of the amortisation gap in R. Trained encoders reach a fifth (static MNIST, beta 1: 4.0 nats of 21.2), those that are
# behind go far beyond (sprites after 100 steps: 3.5 nats of 2.0).
LAGGING_SHARE = 1 / 3
LAGGING_GAP = COLLAPSED_RATE  # Nats at a slope of 1: a smaller gap is not worth a word, however small R is.
# Var q(z_d) / Var m(z_d): a q(z_d) of twice a normal prior's variance lies at least (2 - 1 - ln 2) / 2 = 0.15 nat from
# it, whatever its form, and draws of z from the prior seldom come where the data are.
OVER_DISPERSED = 2.0
# Of a target of R or D, and nats, within which validation counts as at it.
AT_TARGET, AT_TARGET_NATS = 0.02, 0.1
JUDGED_BY = 3.0  # Standard errors from an estimate to the limit by which it is judged.

# What the verdict on collapse goes by, as its entry in a record states it.
COLLAPSE_THRESHOLDS: Mapping[str, float] = MappingProxyType(
    {
        "rate": COLLAPSED_RATE,
        "information": COLLAPSED_RATE,
        "mean_variance": ACTIVE_VARIANCE,
        "shuffle_rise": IGNORED_RISE,
        "shuffle_rise_share": IGNORED_SHARE,
        "amortisation_gap": LAGGING_GAP,
        "amortisation_share": LAGGING_SHARE,
        "variance_ratio": OVER_DISPERSED,
        "stderrs": JUDGED_BY,
    }
)
