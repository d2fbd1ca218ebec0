"""The kinds of estimates, by the flags of `python -m vae_rd.evaluate`: one row for each.

The words are in `vae_rd.config.estimates`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from vae_rd.estimates.algebra import algebra, algebra_lines, check_algebra
from vae_rd.estimates.annealed import annealed_curve, annealing_error, check_annealing
from vae_rd.estimates.base import Estimate, Fitted, Settings
from vae_rd.estimates.disentanglement import check_disentanglement, disentanglement, disentanglement_lines
from vae_rd.estimates.information import check_information, information
from vae_rd.estimates.marginal import check_marginal, fitted_marginal
from vae_rd.estimates.nll import check_gaps, check_nll, check_prior_nll, encoder_gaps, importance_nll, prior_nll
from vae_rd.estimates.priors import AUTO, FAMILIES
from vae_rd.estimates.probe import check_probe, probe_accuracy, probe_lines
from vae_rd.estimates.quality import check_quality, quality_lines, sample_quality
from vae_rd.estimates.source import check_source, source_lower, source_upper
from vae_rd.run.record import Json


class Kind(NamedTuple):
    """What a flag stands for: estimates, a check that a run can have them, lines of an entry that is a table, and
    whether they take z alone, whatever p(.|z) is of, and whether they take a q(z|x)."""

    estimates: tuple[Estimate, ...]
    check: Callable[[Fitted, Settings], None] = lambda run, settings: None
    lines: Callable[[Json], list[str]] | None = None
    is_of_z: bool = False
    takes_encoder: bool = True


KINDS: dict[str, Kind] = {
    "importance": Kind((importance_nll,), check_nll),
    "prior": Kind((prior_nll,), check_prior_nll, takes_encoder=False),
    "ais": Kind((annealed_curve, annealing_error), check_annealing, takes_encoder=False),
    "gaps": Kind((encoder_gaps,), check_gaps),
    "information": Kind((information,), check_information, is_of_z=True),
    "dual": Kind((source_lower, source_upper), check_source),
    "probe": Kind((probe_accuracy,), check_probe, probe_lines, is_of_z=True),
    "disentanglement": Kind((disentanglement,), check_disentanglement, disentanglement_lines, is_of_z=True),
    "quality": Kind((sample_quality,), check_quality, quality_lines, takes_encoder=False),
    "algebra": Kind((algebra,), check_algebra, algebra_lines),
    **{f"marginal_{word}": Kind((partial(fitted_marginal, [word]),), check_marginal) for word in FAMILIES},
    "marginal_auto": Kind((partial(fitted_marginal, AUTO),), check_marginal),
}
