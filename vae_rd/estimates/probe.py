"""What a classifier has of z: labels told from its mean and from one draw, against raw pixels and PCA of its size.

Of data with splits of its own a probe learns labels of the training split, what it leaves open is chosen on the
validation split, and it is tested on the test split. Where the images are all there are, every split is the same: they
fall into three parts at random, and each part is tested by a probe that knows labels of the other two alone. The
encoder has seen all images, as PCA has, but no label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.data.base import EVAL_CHUNK, subset
from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted, Settings, codes, entry, table_line
from vae_rd.estimators.probes import CLASSIFIERS, Round, Scores, probe
from vae_rd.functional.principal import principal_axes
from vae_rd.functional.seeding import generator
from vae_rd.process.collectives import broadcast
from vae_rd.run.record import Json, estimate
from vae_rd.theory.discrete import entropy

MOST = 10_000  # Examples of a split, unless fewer are asked for: a probe of MNIST is then done within a minute.
FEW, DRAWS = (10, 100), 5  # Labels, in all, and how often they are drawn anew.
LEAST = 2  # Examples to choose on: each is told by a probe of others.
PARTS = 3  # Of images that are all there are.
OF_SPLITS = "labels of train, choices on val, tested on test"
OF_PARTS = "each third of the images tested by a probe of the other two"
HEAD = ("draw", "logistic")  # Whose accuracy with all labels stands for the entry.
FEATURES = {"draw": "a draw of z", "mean": "E[z|x]", "pixels": "pixels", "pca": "PCA"}


class Probed(NamedTuple):
    """Features by name, each [N, F] in float64, labels as classes [N], and who is labelled and tested in each round."""

    features: Mapping[str, Tensor]
    labels: Tensor
    rounds: list[Round]


def probe_accuracy(run: Fitted, settings: Settings) -> Json:
    """The share of labels told from a draw of z by logistic regression, and a table of all features and probes."""
    factor = _factor(run, settings)
    probed = _probed(run, settings, factor)
    rows = broadcast(lambda: list(_table(probed, settings)))  # One process is enough for all.
    head = max((row for row in rows if (row["features"], row["classifier"]) == HEAD), key=lambda row: row["labels"])
    tested = probed.labels[torch.cat([one.tested for one in probed.rounds])]
    return entry(
        "probe",
        settings,
        head["accuracy"],
        bound=None,
        source=f"logistic regression on a draw of z, {head['labels']:,} labels",
        unit="share",
        factor=factor,
        protocol=OF_PARTS if run.data.is_whole else OF_SPLITS,
        classes=int(probed.labels.max()) + 1,
        label_entropy=entropy(torch.bincount(tested).double().numpy() / len(tested)),
        latent_dim=run.model.latent_dim,
        table=rows,
    )


def _table(probed: Probed, settings: Settings) -> Iterator[Json]:
    """A row for each of the features, kind of probe and number of labels."""
    most = min(len(one.labelled) for one in probed.rounds)
    classes = int(probed.labels.max()) + 1
    sizes = sorted({min(max(few, classes), most) for few in FEW} | {most})
    for name, features in probed.features.items():
        for kind in CLASSIFIERS:
            for size in sizes:
                draws, key = (1 if size == most else DRAWS), (settings.seed, "probe", size)
                scores = probe(kind, features, probed.labels, probed.rounds, size=size, draws=draws, key=key)
                yield {"features": name, "dims": features.shape[1], "classifier": kind, "labels": size} | _row(scores)


def _row(scores: Scores) -> Json:
    draws, n = scores.correct.shape
    spread = scores.calibration_error.std().item() / draws**0.5 if draws > 1 else None
    return {
        "draws": draws,
        "accuracy": _mean(scores.correct),
        "nll": _mean(scores.nll),
        "calibration_error": estimate(scores.calibration_error.mean().item(), spread, n),
        "strength": scores.strength,
    }


def _mean(values: Tensor) -> Json:
    """The mean of [S, N], whose variance is that over the examples, and that over the draws of labelled ones."""
    draws, n = values.shape
    variance = values.mean(0).var().item() / n
    if draws > 1:
        variance += values.mean(1).var().item() / draws
    return estimate(values.mean().item(), variance**0.5, n, resampled="x, labels" if draws > 1 else "x")


def _probed(run: Fitted, settings: Settings, factor: str) -> Probed:
    index = _index(run, settings)
    parts = {split: _features(run, split, some, settings) for split, some in index.items()}
    features = {name: torch.cat([part[name] for part in parts.values()]) for name in parts["test"]}
    features["pca"] = _principal(run, features["pixels"], settings)
    labels = torch.cat([torch.as_tensor(run.data.labels[s][factor])[some].long() for s, some in index.items()])
    return Probed(features, _from_zero(labels), _rounds(index, settings))


def _index(run: Fitted, settings: Settings) -> dict[str, Tensor]:
    """Positions of the examples in each split, of a population in the only one."""
    splits = ("test",) if run.data.is_whole else ("train", "val", "test")
    return {split: _some(run, split, settings) for split in splits}


def _rounds(index: Mapping[str, Tensor], settings: Settings) -> list[Round]:
    """One round of three splits; of a single one a round for each part, which the others are labelled for."""
    sizes = [len(some) for some in index.values()]
    if len(sizes) == 3:
        return [Round(*torch.arange(sum(sizes)).split(sizes))]
    parts = torch.randperm(sizes[0], generator=generator("cpu", settings.seed, "parts")).tensor_split(PARTS)
    others = [torch.cat([part for part in parts if part is not tested]) for tested in parts]
    return [Round(known, known, tested) for known, tested in zip(others, parts, strict=True)]


@torch.no_grad()
def _features(run: Fitted, split: str, index: Tensor, settings: Settings) -> dict[str, Tensor]:
    """What is there of these examples, in float64 on the CPU; E[z|x] only where it has a closed form."""
    found: dict[str, list[Tensor]] = {}
    for part, some in enumerate(index.split(EVAL_CHUNK)):
        x = run.data.examples(split, some)
        values = codes(run, x, generator("cpu", settings.seed, "probe", split, part))
        values["pixels"] = x.flatten(1).double().cpu()
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    return {name: torch.cat(found[name]) for name in FEATURES if name in found}


def _principal(run: Fitted, pixels: Tensor, settings: Settings) -> Tensor:
    """Pixels along as many principal axes of the training split as z has units, as far as there are so many."""
    x = run.data.examples("train", _some(run, "train", settings)).flatten(1).double().cpu()
    return (pixels - x.mean(0)) @ principal_axes(x, run.model.latent_dim)


def _some(run: Fitted, split: str, settings: Settings) -> Tensor:
    """Ascending positions in a split, at random where they are not all, since a file may be in order."""
    there = run.data.card.n[split]
    return subset(there, min(there, settings.examples or MOST), settings.seed, "probe", split).sort().values


def _from_zero(labels: Tensor) -> Tensor:
    """The classes that there are, as 0..K-1."""
    return labels.unique(return_inverse=True)[1]


def _factor(run: Fitted, settings: Settings) -> str:
    """The factor that is asked for, or the only one.

    Raises:
        InputError: where there is none, several, or no such one.
    """
    there = sorted(set.intersection(*(set(run.data.labels[split]) for split in run.data.labels)))
    if not there:
        raise InputError(
            f"{run.folder}: --probe tells labels, and --data {run.data.card.name} has none; "
            "choose a run of labelled data"
        )
    if settings.factor in there or (settings.factor is None and len(there) == 1):
        return settings.factor or there[0]
    asked = "" if settings.factor is None else f" --factor {settings.factor}"
    raise InputError(
        f"{run.folder}: --probe{asked}: the labels of --data {run.data.card.name} are {', '.join(there)}; "
        f"choose one by --factor, such as --factor {there[0]}"
    )


def check_probe(run: Fitted, settings: Settings) -> None:
    """Refuse a run without labels, with test classes that no labelled example has or one example to choose on, and a
    split but test.

    Raises:
        InputError: naming the run.
    """
    factor = _factor(run, settings)
    if settings.split != "test":
        raise InputError(
            f"{run.folder}: --probe learns from the train split and is tested on the test split alone; "
            f"leave out --split {settings.split}"
        )
    known, tested = (set(run.data.labels[split][factor].tolist()) for split in ("train", "test"))
    if len(known) < 2 or not tested <= known:
        raise InputError(
            f"{run.folder}: --factor {factor}: the test split has {len(tested)} classes, {len(tested - known)} of them "
            f"without an example in the {len(known)} of the training split; choose another factor, or another run"
        )
    n = min(len(one.chosen_on) for one in _rounds(_index(run, settings), settings))
    if n < LEAST:
        raise InputError(
            f"{run.folder}: --probe chooses what it leaves open on {LEAST} examples or more, and has {n}; "
            "raise --examples, or choose another run"
        )


def probe_lines(found: Json) -> list[str]:
    """An entry as a table: accuracy by features and probe, one column for each number of labels."""
    sizes = sorted({row["labels"] for row in found["table"]})
    head = f"  probe        share of labels told: {found['factor']}, {found['classes']} classes, n = {found['n']:,}; "
    lines = [head + found["protocol"], table_line("", [f"{size:,} labels" for size in sizes])]
    for name in FEATURES:
        for kind in CLASSIFIERS:
            rows = [r for r in found["table"] if (r["features"], r["classifier"]) == (name, kind)]
            if rows:
                words = [f"{r['accuracy']['value']:.4f} ± {r['accuracy']['stderr']:.4f}" for r in rows]
                lines.append(table_line(f"{FEATURES[name]} ({rows[0]['dims']}), {kind}", words))
    best = max((r for r in found["table"] if (r["features"], r["classifier"]) == HEAD), key=lambda r: r["labels"])
    nll, error = best["nll"], best["calibration_error"]["value"]
    told = found["label_entropy"] - nll["value"]
    lines.append(
        f"               a draw of z, logistic: -ln p(y|z) {nll['value']:.4f} ± {nll['stderr']:.4f} nats of H(Y) = "
        f"{found['label_entropy']:.4f}, so I(Z; Y) >= {max(told, 0.0):.4f}; calibration error {error:.4f}"
    )
    return lines
