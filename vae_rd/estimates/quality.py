"""How samples of a run compare with a split: k-NN manifolds, Frechet distance, sharpness; whether modes are lost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from vae_rd.data.base import subset
from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted, Settings, entry, table_line
from vae_rd.estimates.features import feature_space
from vae_rd.estimates.priors import model_under
from vae_rd.estimators.sample_quality import NEIGHBOURS
from vae_rd.metrics.quality import DRAWS, LEAST, quality
from vae_rd.metrics.samples import sample_images, sample_noise, some_of
from vae_rd.process.collectives import broadcast
from vae_rd.run.record import Json
from vae_rd.verdicts.modes import modes_verdict, modes_words

MOST = 2_000  # Examples, and as many samples, unless more or fewer are asked for.
COLUMNS = {"model": "samples", "train": "training examples"}
WORDS = {
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "frechet": "Frechet distance",
    "spread": "spread",
    "sharpness": "sharpness",
}


def sample_quality(run: Fitted, settings: Settings) -> Json:
    """Coverage of a split by samples, and a table of all scores, of as many training examples too."""
    model, split = model_under(run, settings.marginal), settings.split
    space = feature_space(run, seed=settings.seed)
    x = run.data.examples(split, some_of(run.data, split, settings.examples or MOST))
    draws = [sample_images(model, len(x), noise=sample_noise(model, settings.seed, split, d)) for d in range(DRAWS)]
    rows: list[Json] = broadcast(  # One process is enough for all.
        lambda: [
            {"samples": "model", **quality(x, draws, space.points, seed=settings.seed)},
            *_reference(run, settings, x, space.points),
        ]
    )
    own = rows[0]
    return entry(
        "quality",
        settings,
        own["coverage"],
        bound=None,
        source=f"coverage, {NEIGHBOURS} neighbours, by {space.words}",
        unit="share",
        marginal=settings.marginal,
        space=space.words,
        accuracy=space.accuracy,
        draws=DRAWS,
        table=rows,
        modes=modes_verdict(coverage=own["coverage"], precision=own["precision"], spread=own["spread"]),
    )


def _reference(run: Fitted, settings: Settings, x: Tensor, points: Callable[[Tensor], np.ndarray]) -> list[Json]:
    """The row of training examples in the place of samples; none where the split holds the same images."""
    there = len(run.data.pixels["train"])
    if run.data.card.population[settings.split] or settings.split == "train":
        return []
    chosen = (subset(there, min(len(x), there), settings.seed, "reference", draw) for draw in range(DRAWS))
    draws = [run.data.examples("train", index.sort().values) for index in chosen]
    return [{"samples": "train", **quality(x, draws, points, seed=settings.seed)}]


def check_quality(run: Fitted, settings: Settings) -> None:
    """Refuse too few examples, and a prior that was not fitted.

    Raises:
        InputError: naming the run and what to change.
    """
    n = min(len(run.data.pixels[settings.split]), settings.examples or MOST)
    if n < LEAST:
        raise InputError(
            f"{run.folder}: --quality takes {LEAST} examples or more, and has {n} of the {settings.split} split; "
            "raise --examples, or choose another run"
        )
    model_under(run, settings.marginal)


def quality_lines(found: Json) -> list[str]:
    """An entry as a table: a line a score, a column for samples and one for training examples."""
    under = "" if found["marginal"] is None else f", z from the fitted {found['marginal']}"
    head = f"  quality      {found['split']}: by {found['space']}{under}; n = {found['n']:,}"
    columns = table_line("", [COLUMNS[row["samples"]] for row in found["table"]])
    scores = [table_line(words, [_number(row[name]) for row in found["table"]]) for name, words in WORDS.items()]
    sharp = table_line("sharpness of the data", [_number(found["table"][0]["data_sharpness"])])
    return [head, columns, *scores, sharp, f"  {modes_words(found['modes'])}"]


def _number(score: Json) -> str:
    error = "" if score["stderr"] is None else f" ± {score['stderr']:.4f}"
    return "undefined" if score["value"] is None else f"{score['value']:.4f}{error}"
