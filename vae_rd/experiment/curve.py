"""The points of a run of many betas: measured at those that are asked for, or at the one that has a rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from scipy.optimize import brentq

from vae_rd.config.names import is_read
from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted
from vae_rd.experiment.loading import check_beta, load, precision_of
from vae_rd.experiment.measuring import renew_metrics
from vae_rd.functional.seeding import generator
from vae_rd.run.files import RECORD_FILE
from vae_rd.run.points import point_folder, point_record
from vae_rd.run.record import RunRecord
from vae_rd.units import Unit

CLOSE = 1e-4  # In ln beta, of the search for a rate: some 1e-4 of R.


def betas_asked(run: Fitted, betas: Sequence[float], target_rate: float | None) -> list[float]:
    """The betas of the points that are asked for, of which nothing is measured yet but a rate on validation.

    Raises:
        InputError: for a run of one beta, a beta out of its range, or a rate that it has at none of them.
    """
    asked = "--betas" if betas else "--target_rate"
    if not is_read("beta_range", vars(run.config)):
        raise InputError(f"{asked}: {run.folder} is at no beta but its own; choose a run of --objective multirate")
    for beta in betas:
        check_beta(run.config.beta_range, run.folder, beta, asked=f"--betas {beta:g}")
    return [*betas, *([] if target_rate is None else [beta_of_rate(run, target_rate)])]


def beta_of_rate(run: Fitted, rate: float) -> float:
    """The beta at which validation has a rate, by a root search on ln beta; test decides nothing.

    Args:
        run: of many betas.
        rate: R, nats.

    Raises:
        InputError: where it has it at no beta of its range, naming the rates that it has.
    """
    low, high = run.config.beta_range

    def excess(ln_beta: float) -> float:
        return rate_at(run, min(max(math.exp(ln_beta), low), high)) - rate

    with precision_of(run.config):
        most, least = rate_at(run, low), rate_at(run, high)
        if not least <= rate <= most:
            raise InputError(
                f"--target_rate {rate:g}: {run.folder} has rates from {least:.4g} (beta {high:g}) to {most:.4g} (beta "
                f"{low:g}) on validation; choose one of these, or fit over a wider --beta_range"
            )
        found = brentq(excess, math.log(low), math.log(high), xtol=CLOSE)
    return float(f"{min(max(math.exp(found), low), high):g}")


@torch.no_grad()
def rate_at(run: Fitted, beta: float) -> float:
    """Mean KL(q(z|x) || m(z)) of validation at a beta, under noise that is the same at every beta."""
    model, rates = at_beta(run, beta).vae, []
    for chunk in range(run.data.chunks("val")):
        x = run.data.evaluation_chunk("val", chunk)
        terms = model.terms(x, model.noise(1, x, generator("cpu", run.config.seed, "target rate", chunk)))
        assert terms.rate is not None, "of a model that takes beta"
        rates.append(terms.rate.double().flatten())
    return torch.cat(rates).mean().item()


def at_beta(run: Fitted, beta: float) -> Fitted:
    """The point of an opened run at a beta, opened likewise."""
    model = load(run.folder, beta=beta).to(next(run.model.parameters()).device)
    config = replace(run.config, beta=beta)
    return run._replace(folder=point_folder(run.folder, beta), config=config, model=model, slope=beta)


def measure_points(
    run: Fitted, betas: Sequence[float], splits: Sequence[str], *, examples: int | None = None, units: Unit = "nats"
) -> Iterator[str]:
    """Measure D, R and I of splits at each beta, each into a record of its own; lines of text.

    The beta of the run's own record is measured there.

    Args:
        run: of many betas.
        betas: of the points.
        splits, examples, units: as of `renew_metrics`.
    """
    for beta in betas:
        point = run if beta == run.slope else at_beta(run, beta)
        yield f"beta {beta:g}: {point.folder}"
        record = None if _is_there(point.folder) else point_record(RunRecord.read(run.folder), beta)
        yield from renew_metrics(point, splits, record=record, examples=examples, units=units)


def _is_there(folder: Path) -> bool:
    return (folder / RECORD_FILE).is_file()
