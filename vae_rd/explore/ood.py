"""Other images ranked with the run's own: does the model find them less likely?

Scores of an x are -ln p(x), bounded by importance sampling, D and R. The AUROC of a score against a set of other images
is how often one of these has the higher score: 1 where all are found out, 1/2 where the score says nothing, and less
where the model takes them for likelier than its own data. That is the known failure: likelihoods of images that are
simple are high, whatever a model has learned from.

The other images are made of test examples, or come from data sets of the same shape; of training examples, an AUROC
below 1/2 says how far the model knows them by heart.

Source: Nalisnick et al. 2019, "Do Deep Generative Models Know What They Don't Know?", arXiv 1810.09136; why: Serra et
al. 2020, "Input Complexity and Out-of-Distribution Detection with Likelihood-Based Generative Models", arXiv
1910.05243.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from vae_rd.data.base import DataCard
from vae_rd.estimates.base import Fitted
from vae_rd.explore.base import Asked, Found, mean_of, page_of, said, some, unseen_of, without_codes
from vae_rd.functional.seeding import generator
from vae_rd.functional.two_samples import auroc
from vae_rd.run.record import Json, estimate

MOST, DRAWS = 500, 32  # Examples of each set, and z of each example.
PART = 100  # Examples at a time: all draws of each are held together.
SHOWN = 16
SIGMAS = 3.0  # Below 1/2, from which a failure is said.
TRAIN = "train"  # The word of training examples, beside those that have not been seen.
SCORES = ("nll", "distortion", "rate")


def ood(run: Fitted, asked: Asked) -> Found:
    """The AUROC of each score against each other set."""
    x = run.data.examples("test", some(run, "test", MOST, asked.seed))
    others = dict(_others(run, x, asked))
    own = _scores(run, x, asked)
    found = {name: _scores(run, other, asked) for name, other in others.items()}
    numbers: Json = {name: _ranked(scores, own) for name, scores in found.items()}
    rows = [
        {"of": name, **dict(zip(scores, row, strict=True))}
        for name, scores in {"test": own, **found}.items()
        for row in zip(*(values.tolist() for values in scores.values()), strict=True)
    ]
    shown = [each[:SHOWN] for each in (x, *others.values())]
    least = min(len(each) for each in shown)
    return Found(_line(numbers), numbers, rows, page_of(run, [e[:least] for e in shown], ", ".join(["test", *others])))


def _others(run: Fitted, x: Tensor, asked: Asked) -> Iterator[tuple[str, Tensor]]:
    noise = generator("cpu", asked.seed, "explore", "others")
    if unseen_of(run) is not None and not run.data.card.unlimited["train"]:
        yield TRAIN, run.data.examples("train", some(run, "train", MOST, asked.seed))
    yield from made(x.cpu(), run.data.card, noise=noise)
    for name, data in asked.others.items():
        there = torch.randperm(len(data.pixels["test"]), generator=noise)[:MOST].sort().values
        yield name, data.examples("test", there)


def made(x: Tensor, card: DataCard, *, noise: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """Images of the values that x has, made of x [N, C, H, W]: blank, inverted, shuffled, of other examples, noise.

    Blank is 0, and inverted 1 - x; on the real line they are the mean of all values, and x mirrored there.

    Args:
        x: examples, on the CPU.
        card: of their data.
        noise: of all choices.
    """
    centre = x.mean().item()
    blank, ends = (centre, 2 * centre) if card.support == "real" and card.pixel_scale is None else (0.0, 1.0)
    yield "blank", torch.full_like(x, blank)
    yield "inverted", ends - x
    flat = x.flatten(2)
    order = torch.rand(len(x), 1, flat.shape[2], generator=noise).argsort(-1).expand_as(flat)
    yield "shuffled pixels", flat.gather(2, order).view_as(x)
    values = x.flatten(1)
    others = torch.randint(len(x), values.shape, generator=noise)
    yield "independent pixels", values.gather(0, others).view_as(x)
    yield "noise", _noise(x, card, noise)


def _noise(x: Tensor, card: DataCard, noise: torch.Generator) -> Tensor:
    """Values at random, each as probable as any other; of the real line a normal one of the mean and scale of x."""
    if card.support == "binary" or (card.support == "grey" and card.levels is not None):
        levels = 2 if card.support == "binary" else int(card.levels or 2)
        return torch.randint(levels, x.shape, generator=noise).to(x) / (levels - 1)
    if card.support == "real" and card.pixel_scale is None:
        return x.mean() + x.std() * torch.randn(x.shape, generator=noise, dtype=x.dtype)
    return torch.rand(x.shape, generator=noise, dtype=x.dtype)


@torch.no_grad()
def _scores(run: Fitted, x: Tensor, asked: Asked) -> dict[str, Tensor]:
    """Each score of x, [N] nats on the CPU; D alone where q(z|x) has no density."""
    found: dict[str, list[Tensor]] = {}
    noise = generator("cpu", asked.seed, "explore", "scores")
    for part in x.to(next(run.model.parameters())).split(PART):
        terms = run.vae.terms(part, run.vae.noise(DRAWS, part, noise))
        values = {"distortion": -terms.log_px_z.double().mean(0)}
        if terms.rate is not None:
            weights = (terms.log_px_z + terms.log_mz - terms.log_qz).double()
            values["nll"] = -(weights.logsumexp(0) - torch.tensor(DRAWS).log())
            values["rate"] = terms.rate.double().mean(0)
        for name, value in values.items():
            found.setdefault(name, []).append(value.cpu())
    return {name: torch.cat(found[name]) for name in SCORES if name in found}


def _ranked(scores: dict[str, Tensor], own: dict[str, Tensor]) -> Json:
    """The AUROC of each score, its mean over the other set, and whether the set looks likelier than the data."""
    ranks = {name: auroc(values, own[name]) for name, values in scores.items()}
    n = len(next(iter(own.values())))
    by = next(name for name in SCORES if name in ranks)
    error = 0.0 if ranks[by].stderr != ranks[by].stderr else ranks[by].stderr
    return {
        "auroc": {name: estimate(rank.value, rank.stderr, n) for name, rank in ranks.items()},
        "mean": {name: mean_of(values) for name, values in scores.items()},
        "likelier": ranks[by].value < 0.5 - SIGMAS * error,
    }


def _line(numbers: Json) -> str:
    by = next(name for name in SCORES if name in next(iter(numbers.values()))["auroc"])
    ranks = ", ".join(f"{name} {said(found['auroc'][by])}" for name, found in numbers.items())
    fails = [name for name, found in numbers.items() if found["likelier"] and name != TRAIN]
    failure = f"; taken for likelier than the data: {', '.join(fails)}" if fails else ""
    if TRAIN in numbers and numbers[TRAIN]["likelier"]:
        failure += "; training examples are known better than others"
    return f"AUROC by {'NLL' if by == 'nll' else 'D'}: {ranks}{failure}"


def why_not(run: Fitted) -> str | None:
    """It takes an x whose values can be set at will."""
    if (why := without_codes(run)) is not None:
        return why
    return "x are rows of one 1 among 0s, which other images are not" if run.data.card.support == "one_hot" else None
