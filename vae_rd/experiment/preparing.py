"""All that a run takes, made and checked before anything of it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import torch

from vae_rd.config.fields import FitConfig
from vae_rd.config.names import MODEL
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment import build, tables
from vae_rd.experiment.aims import check_aim
from vae_rd.experiment.door import check_agreement, check_model
from vae_rd.experiment.forecasting import forecast_of
from vae_rd.experiment.matching import check_data, check_network
from vae_rd.experiment.supports import check_values
from vae_rd.experiment.trainer import accelerator
from vae_rd.functional.seeding import generator
from vae_rd.metrics.quality import LEAST
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.nn.whitening import MomentMap, Offset, Sample, set_moments
from vae_rd.model.priors.base import PriorHead
from vae_rd.model.vae import VAE
from vae_rd.run.folder import Claim, file_checksum, has_files_of, refuse_given
from vae_rd.theory.forecast import Forecast
from vae_rd.units import check_units

MOMENT_CHUNKS = 40  # 20,000 examples: the moments are a change of coordinates, which needs no great precision.


class Prepared(NamedTuple):
    """All that a run takes, made and checked.

    Attributes:
        data: what is trained on.
        model: what is trained.
        steps: how many optimiser steps, unless patience ends them.
        own_model: whether the model was given from Python.
        own_data: whether the data were.
        file_sha256: checksum of the file or folder of one's own data, as it was before it was read, or as it was read.
        forecast: what a linear VAE of the data would do; None where nothing is known of it.
    """

    data: DataSet
    model: GenerativeModel
    steps: int
    own_model: bool = False
    own_data: bool = False
    file_sha256: str | None = None
    forecast: Forecast | None = None


def prepare(
    config: FitConfig,
    model: VAE | None,
    data: DataSet | None,
    *,
    read: Callable[[FitConfig], DataSet] = build.build_data,
) -> Prepared:
    """Make all that a run takes; nothing is written.

    Args:
        config: as checked.
        model: one's own, in place of that of the flags.
        data: likewise.
        read: gives the data that the flags ask for.

    Raises:
        InputError: where something does not fit.
    """
    accelerator(config)
    if config.model != MODEL and model is not None:
        raise InputError(f"--model {config.model}: its networks are those of the flags; leave out model=")
    given, file_sha256 = data, None
    if data is None:
        file_sha256 = None if config.data in tables.SUMMED else file_checksum(config)
        data = read(config)
        file_sha256 = data.file_sha256 or file_sha256
    check_agreement(config, data.card, model=model, data=given)
    steps = build.steps_of(config, data.card)
    _check_examples(config, data)
    made: GenerativeModel = model or build.build_model(config, data.card)
    if model is not None:
        check_model(model, data)
    check_values(config, made, data)
    if made.has_encoder:
        check_aim(config, cast(VAE, made), data, own_model=model is not None)
    likelihood = getattr(made.decoder, "likelihood", None)
    check_units(config.units, data.card.to_json(), likelihood.measure if isinstance(likelihood, Likelihood) else None)
    if model is None:
        _take_sample(made, data, seed=config.seed)
    return Prepared(
        data,
        made,
        steps,
        own_model=model is not None,
        own_data=given is not None,
        file_sha256=file_sha256,
        forecast=forecast_of(made, data) if made.has_encoder else None,
    )


def _check_examples(config: FitConfig, data: DataSet) -> None:
    """Refuse data on which what is asked for has no standard error, or nothing to be held against."""
    if any(data.card.population.values()) and config.eval_samples == 1:
        raise InputError("--eval_samples 1: on a population only z is random, its standard error takes 2 or more")
    if config.model != MODEL and (fewest := min(data.card.n.values())) < LEAST:
        raise InputError(
            f"--model {config.model}: a split of {fewest} examples is too small to hold samples against; give data of "
            f"{LEAST} or more in each"
        )


def _take_sample(model: GenerativeModel, data: DataSet, *, seed: int) -> None:
    """Give what is fixed or begins by the data in a new network training examples, evenly spread over the split."""
    prior = model.prior
    assert isinstance(prior, PriorHead), "of named networks"
    if not (prior.starts_from_data or any(isinstance(module, MomentMap | Offset) for module in model.modules())):
        return
    every = max(1, data.chunks("train") // MOMENT_CHUNKS)
    chunks = range(0, data.chunks("train"), every)[:MOMENT_CHUNKS]
    x = torch.cat([data.evaluation_chunk("train", chunk) for chunk in chunks])
    sample = Sample(x, has_unit=data.card.support in ("binary", "one_hot"))
    if not sample.is_finite:
        return  # Training says what to mend.
    scored = _scored(data, chunks) or sample
    set_moments(model, sample)
    likelihood = model.decoder.likelihood
    assert isinstance(likelihood, Likelihood), "of named networks"
    for module in model.decoder.modules():
        if isinstance(module, Offset):
            module.set_start(*likelihood.start(scored))
    prior.start(sample, generator=generator("cpu", seed, "prior"))
    model.begin()


def _scored(data: DataSet, chunks: range) -> Sample | None:
    """What p(.|z) is of in these chunks of the training split; None where that is x."""
    if data.targets is None:
        return None
    return Sample(torch.cat([data.scored_chunk("train", chunk)["target"] for chunk in chunks]))


def check_same_run(config: FitConfig, claimed: Claim, model: VAE | None, data: DataSet | None) -> None:
    """Refuse a finished run in the place of one of another network, or on other data.

    Raises:
        InputError: saying what differs.
    """
    record, folder = claimed.record, claimed.folder
    assert record is not None, "a finished run has its record"
    refuse_given(record, folder, of_data=data is None, of_network=model is None)
    if model is not None:
        check_network(model, record, folder)
    if data is not None or not has_files_of(config, record):
        check_data(data or build.build_data(config), record, folder)
