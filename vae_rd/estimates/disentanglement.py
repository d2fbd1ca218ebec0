"""How units of z and the factors that labels name go together: published scores of E[z|x] and of a draw of z.

Papers score E[z|x]. A draw is beside it, since the mean of a unit that has collapsed is a function of x all the same.
"""

from __future__ import annotations

import numpy as np
import torch

from vae_rd.data.base import EVAL_CHUNK, subset
from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted, Settings, codes, entry, table_line
from vae_rd.estimators.disentanglement import Given, resampled, scores
from vae_rd.functional.seeding import generator
from vae_rd.process.collectives import broadcast
from vae_rd.run.record import Json, estimate

MOST = 5_000  # Examples, unless more or fewer are asked for.
REPEATS = 10  # Bootstrap draws, of which a standard error is known to a quarter.
WORDS = {
    "mig": "MIG",
    "sap": "SAP",
    "modularity": "modularity",
    "factor_vae": "FactorVAE",
    "disentanglement": "DCI disentanglement",
    "completeness": "DCI completeness",
    "informativeness": "DCI informativeness",
}
FEATURES = {"mean": "E[z|x]", "draw": "a draw of z"}


def disentanglement(run: Fitted, settings: Settings) -> Json:
    """The mutual information gap of E[z|x], and a table of all scores, of a draw too, with bootstrap errors."""
    split, factors = settings.split, _factors(run, settings.split)
    there = run.data.card.n[split]
    index = subset(there, min(there, settings.examples or MOST), settings.seed, "disentanglement", split).sort().values
    parts = [
        codes(run, run.data.examples(split, some), generator("cpu", settings.seed, "disentanglement", split, part))
        for part, some in enumerate(index.split(EVAL_CHUNK))
    ]
    mixed = torch.randperm(len(index), generator=generator("cpu", settings.seed, "order")).numpy()  # Files have orders.
    labels = [np.unique(run.data.labels[split][name][index], return_inverse=True)[1] for name in factors]
    classes = np.stack(labels, 1)[mixed]
    features = [name for name in FEATURES if name in parts[0]]
    rows: list[Json] = broadcast(  # One process is enough for all.
        lambda: [
            {"features": name} | _row(torch.cat([part[name] for part in parts]).numpy()[mixed], classes, settings.seed)
            for name in features
        ]
    )
    return entry(
        "disentanglement",
        settings,
        rows[0]["mig"],
        bound=None,
        source=f"MIG of {FEATURES[features[0]]}, {', '.join(factors)}",
        unit="share",
        factors=factors,
        latent_dim=run.model.latent_dim,
        table=rows,
    )


def _row(values: np.ndarray, classes: np.ndarray, seed: int) -> Json:
    """Each score with its standard error over the examples."""
    given = Given(values, classes, np.random.default_rng(seed))
    found, spread = scores(given), resampled(given, repeats=REPEATS)
    return {name: estimate(value, spread[name], len(values), resampled="x") for name, value in found.items()}


def _factors(run: Fitted, split: str) -> list[str]:
    """The factors of the split's labels that take several values."""
    return [name for name, column in sorted(run.data.labels.get(split, {}).items()) if len(np.unique(column)) > 1]


def check_disentanglement(run: Fitted, settings: Settings) -> None:
    """Refuse data whose labels name fewer than two factors.

    Raises:
        InputError: naming the run and its data.
    """
    if len(factors := _factors(run, settings.split)) < 2:
        named = f"name {factors[0]} alone" if factors else "name none"
        raise InputError(
            f"{run.folder}: --disentanglement compares factors of variation, and the labels of --data "
            f"{run.data.card.name} {named}; choose a run of sprites, dsprites, scenes, or of data with several labels"
        )


def disentanglement_lines(found: Json) -> list[str]:
    """An entry as a table: a line a score, a column for E[z|x] and for a draw."""
    head = f"  disentanglement {found['split']}: {', '.join(found['factors'])}; n = {found['n']:,}"
    lines = [head, table_line("", [FEATURES[row["features"]] for row in found["table"]])]
    return [
        *lines,
        *(table_line(words, [_number(row[name]) for row in found["table"]]) for name, words in WORDS.items()),
    ]


def _number(score: Json) -> str:
    error = "" if score["stderr"] is None else f" ± {score['stderr']:.4f}"
    return "undefined" if score["value"] is None else f"{score['value']:.4f}{error}"
