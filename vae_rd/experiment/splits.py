"""What is measured at the end of a training: D, R and I of every split and what is to be said of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from vae_rd.config.fields import FitConfig
from vae_rd.config.names import checkpoint_owners
from vae_rd.data.dataset import DataSet
from vae_rd.experiment.loading import load_weights
from vae_rd.metrics.split import by_split, evaluate_split
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.process.collectives import is_first
from vae_rd.process.memory import memory_advice
from vae_rd.run.checkpoints import read_checkpoint
from vae_rd.run.folder import KEPT
from vae_rd.run.points import point_folder, point_record
from vae_rd.run.record import SPLITS, Json, RunRecord
from vae_rd.training.progress import shown
from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.kinds import judged
from vae_rd.verdicts.notes import Row


def measure(
    record: RunRecord, model: GenerativeModel, data: DataSet, config: FitConfig, *, rows: Sequence[Row], of: str = ""
) -> None:
    """Measure all splits, and judge what was found, into a record.

    Args:
        record: which says in its `model` what the run aims at.
        model: of the kept checkpoint.
        data: of the run.
        config: of the run.
        rows: of history.
        of: which point of the run it is, in words.
    """

    def evaluate(split: str) -> Json:
        part = "whole population" if data.card.population[split] else f"{split} split"
        work = shown(f"evaluating the {part}{of} ({data.card.n[split]:,} examples)")
        with work, memory_advice("evaluation", lower="--eval_samples or the network (--hidden, --latent_dim)"):
            return evaluate_split(
                model,
                data,
                split,
                slope=record.model["slope"],
                seed=config.seed,
                samples=config.eval_samples,
                information_examples=config.information_examples,
                bound_samples=record.model["bound_samples"],
            )

    record.metrics.update(by_split(data, SPLITS, evaluate))
    record.model |= {
        "reads_x": getattr(model.decoder, "reads_x", None),
        "distortion": _distortion(record, model, data, config),
    }
    evidence = Evidence(record.metrics, model.latent_dim, rows, record.model, record.data)
    record.verdicts |= judged(evidence)


def measure_passed(
    record: RunRecord, folder: Path, model: GenerativeModel, data: DataSet, config: FitConfig, betas: Iterable[float]
) -> None:
    """Measure the models of betas that a training has passed, each into the record of its point.

    Args:
        record: of the run, which is measured.
        folder: of the run.
        model: of the run, which stays as it is.
        data: of the run.
        config: of the run.
        betas: whose models are kept.
    """
    model = copy.deepcopy(model)
    for beta in betas:
        point = point_folder(folder, beta)
        load_weights(model, point / KEPT, owners=checkpoint_owners(config))
        found = replace(point_record(record, beta), status="finished")
        found.model["kept_epoch"] = read_checkpoint(point / KEPT)["epoch"]
        measure(found, model, data, config, rows=[], of=f" at beta {beta:g}")
        if is_first():
            found.seal(point, (KEPT,))
            found.write(point)


def _distortion(record: RunRecord, model: GenerativeModel, data: DataSet, config: FitConfig) -> Json:
    """What D is, as far as a decoder says so."""
    likelihood = getattr(model.decoder, "likelihood", None)
    if not isinstance(likelihood, Likelihood):
        return {"family": None, "measure": None, "scale": None, "squared_error_weight": None, "constant": None}
    family = None if record.model["is_own"] else config.likelihood
    return {"family": family, **likelihood.statement(math.prod(data.card.shape))}
