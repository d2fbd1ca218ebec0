"""The kinds of estimates, by the flags of `python -m vae_rd.evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from vae_rd.estimates.annealed import annealed_curve, annealing_error
from vae_rd.estimates.base import Estimate, Fitted, Settings, check_posterior, check_prior
from vae_rd.estimates.information import information
from vae_rd.estimates.nll import encoder_gaps, importance_nll, prior_nll
from vae_rd.estimates.source import check_source, source_lower, source_upper


class Kind(NamedTuple):
    """What a flag stands for: estimates, and a check that a run can have them."""

    estimates: tuple[Estimate, ...]
    check: Callable[[Fitted, Settings], None] = lambda run, settings: None


def _check_information(run: Fitted, settings: Settings) -> None:
    check_prior(run, "--information")
    check_posterior(run, "--information")


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "importance": Kind((importance_nll,)),
        "prior": Kind((prior_nll,)),
        "ais": Kind((annealed_curve, annealing_error), lambda run, settings: check_prior(run, "--ais")),
        "gaps": Kind((encoder_gaps,), lambda run, settings: check_posterior(run, "--gaps")),
        "information": Kind((information,), _check_information),
        "dual": Kind((source_lower, source_upper), check_source),
    }
)
