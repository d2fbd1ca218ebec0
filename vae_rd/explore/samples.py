"""Draws of the model, z ~ m(z) or a prior fitted afterwards, beside their nearest training examples: are they copies?

A model that copies draws x nearer to the training examples than held-out ones are; one that has not learned them,
further. Distances are Euclidean over all values of x, each to the nearest training example. Beside x ~ p(x|z), which is
what the model says x is, stands E[x|z], which is what papers show: a mean of several images is nearer to all of them
than any is, and so is no evidence of a copy.

Source: Meehan, Chaudhuri and Dasgupta 2020, "A Non-Parametric Test to Detect Data-Copying in Generative Models", arXiv
2004.05675, whose statistic is the rank sum that the AUROC here is of.
"""

from __future__ import annotations

from torch import Tensor

from vae_rd.estimates.base import Fitted
from vae_rd.explore.base import Asked, Found, laws, means, page_of, said
from vae_rd.explore.distances import held_out, training
from vae_rd.functional.nearest import Nearest, nearest
from vae_rd.functional.seeding import generator
from vae_rd.functional.two_samples import auroc, share_below
from vae_rd.model.generative import GenerativeModel
from vae_rd.run.record import Json, estimate

DRAWS = 1_000  # Of the model.
SHOWN = 16  # Columns of the picture.
QUANTILE = 0.05  # Of held-out distances: so many draws of the source itself would be nearer than that.
DRAW = "x"  # The word of x ~ p(x|z), which alone has a verdict.
SIGMAS = 3.0  # Beyond which a difference is called one.


def samples(run: Fitted, asked: Asked) -> Found:
    """Distances of draws to the training examples against those of held-out ones, by prior and by draw or mean."""
    train = training(run)
    unseen = held_out(run, train, asked.seed)
    numbers: Json = {}
    rows: list[Json] = [] if unseen is None else _rows("test", unseen)
    shown: list[Tensor] = []
    for law, model in laws(run).items():
        for kind, x in _drawn(model, asked, law).items():
            found = nearest(x, train)
            name = f"{law}, {kind}"
            rows += _rows(name, found)
            numbers[name] = compared(found.distance, None if unseen is None else unseen.distance)
            if kind != DRAW:
                numbers[name]["verdict"] = None
            shown += [x[:SHOWN], train[found.place[:SHOWN]]]
    order = "; ".join(f"{name}, nearest training examples" for name in numbers)
    return Found(_line(numbers), numbers, rows, page_of(run, shown, order))


def _drawn(model: GenerativeModel, asked: Asked, law: str) -> dict[str, Tensor]:
    """x ~ p(x|z) and, where it has a closed form, E[x|z], of the same z."""
    device = next(model.parameters()).device
    z, x = model.generate(DRAWS, generator=generator(device, asked.seed, "explore", "samples", law))
    return {DRAW: x, **({"E[x|z]": means(model, z)} if model.has_means() else {})}


def _rows(name: str, found: Nearest) -> list[Json]:
    pairs = zip(found.distance.tolist(), found.place.tolist(), strict=True)
    return [{"of": name, "distance": distance, "train": index} for distance, index in pairs]


def compared(distance: Tensor, unseen: Tensor | None) -> Json:
    """How far, and against held-out examples: which are further, and how many are nearer than few of those are."""
    n = len(distance)
    found: Json = {"distance": estimate(distance.mean().item(), distance.std().item() / n**0.5, n)}
    if unseen is None:
        return found | {"held_out": None, "auroc": None, "nearer": None, "verdict": None}
    other, ranks = len(unseen), auroc(distance, unseen)
    nearer = share_below(distance, unseen, QUANTILE)
    return found | {
        "held_out": estimate(unseen.mean().item(), unseen.std().item() / other**0.5, other),
        "auroc": estimate(ranks.value, ranks.stderr, n),
        "nearer": estimate(nearer.value, nearer.stderr, n) | {"quantile": QUANTILE},
        "verdict": verdict(ranks.value, ranks.stderr, nearer.value, nearer.stderr),
    }


def verdict(rank: float, rank_error: float, nearer: float, nearer_error: float) -> str:
    """What distances say: "copies" where draws are nearer than held-out examples, or too many are much nearer.

    A model that copies a few examples alone has the ranks of one that copies none, but draws below the quantile.

    Example:
        >>> verdict(0.1, 0.01, 0.9, 0.01), verdict(0.5, 0.01, 0.1, 0.01), verdict(0.5, 0.01, 0.06, 0.01)
        ('copies', 'copies', 'as held-out examples')
        >>> verdict(0.3, 0.01, 0.0, 0.01), verdict(1.0, float("nan"), 0.0, 0.01)
        ('copies', 'further away')
    """
    above, error = rank - 0.5, 0.0 if rank_error != rank_error else rank_error
    if above < -SIGMAS * error or nearer - QUANTILE > SIGMAS * nearer_error:
        return "copies"
    return "further away" if above > SIGMAS * error else "as held-out examples"


def _line(numbers: Json) -> str:
    parts = []
    for name, found in numbers.items():
        words = f"{name}: {said(found['distance'])} from the nearest training example"
        if found["held_out"] is not None:
            verdict_words = f": {found['verdict']}" if found["verdict"] else ""
            words += f", held-out examples {said(found['held_out'])} (AUROC {said(found['auroc'])}{verdict_words})"
        parts.append(words)
    unseen = "" if parts and "held-out" in parts[0] else "; no held-out examples, so copies cannot be told"
    return "; ".join(parts) + unseen


def why_not(run: Fitted) -> str | None:
    """A p(.|z) of labels has no x to draw, and fresh batches leave no training examples to be near to."""
    if run.data.card.target is not None:
        return "p(.|z) is of labels, not of x"
    if not laws(run):
        return "a plain autoencoder has no prior that z could be drawn from, and none was fitted to its codes"
    if run.data.card.unlimited["train"]:
        return "every training batch is fresh, so there are no training examples to be near to"
    return None
