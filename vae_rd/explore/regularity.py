"""Is the space of z regular: does every z decode to something like the data, nearby ones alike, and is q(z) near m(z)?

- **Holes**: the share of draws of z whose image is further from its nearest training example than all but 5 % of the
  data are. z ~ m(z), and z from a normal law of the codes' mean and covariance, which takes from m(z) the blame for a
  scale that nothing has set. The image is E[x|z], which blur brings near to the data, or a draw of p(x|z), which blur
  takes away from them; beside the data stand such images of codes of test examples, as blurred as the draws.
- **Smoothness**: the largest singular value of the decoder's derivative at codes, times the codes' standard deviation,
  since a decoder of codes half as wide is twice as steep; and of straight paths between codes, how much longer than
  the distance of their ends they are in x, and how much of it their longest step takes.
- **Overlap**: KL(q(z) || m(z)) of the record, and a two-sample test of codes against draws of m(z), and of the normal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.estimates.base import Fitted, prior
from vae_rd.estimators.latent_paths import lengths, steps_of, straight, stretch
from vae_rd.explore.base import (
    OWN,
    Asked,
    Found,
    Page,
    drawn_codes,
    draws,
    laws,
    mean_map,
    mean_of,
    means,
    page_of,
    said,
    some,
    without_codes,
)
from vae_rd.explore.distances import reference, training
from vae_rd.functional.nearest import Nearest, nearest
from vae_rd.functional.seeding import generator
from vae_rd.functional.two_samples import discrepancy, share_below
from vae_rd.run.record import Json, RunRecord, estimate

DRAWS, TESTED = 1_000, 500  # Of z by each law, and of these in a two-sample test.
PAIRS, STEPS = 100, 32  # Straight paths between codes.
QUANTILE = 0.95  # Of the data's own distances, beyond which a draw lies in a hole.
SIDE = 16  # Of the decoded grid.
NORMAL, CODES = "matched normal", "q(z)"
MEAN, DRAW = "mean", "draw"  # E[x|z], and x ~ p(x|z).
Draw = Callable[[int, torch.Generator], Tensor]


class Codes(NamedTuple):
    """One z ~ q(z|x) of test examples, and of training ones; and the labels of the former, by `labels/FACTOR`."""

    test: Tensor
    train: Tensor
    labels: list[Json]


def regularity(run: Fitted, asked: Asked) -> Found:
    """Holes, smoothness and overlap, each by its numbers."""
    train = training(run)
    z = _codes(run, asked)
    data = reference(run, train, asked.seed)
    drawn = {name: _drawn(run, draw, name, asked) for name, draw in _sources(run, z).items()}
    found = {name: _found(run, values, train, asked) for name, values in {**drawn, CODES: z.test}.items()}
    holes = {name: _holes(found[name], data.distance, found[CODES]) for name in drawn}
    overlap = {name: _overlap(z.test, values, asked) for name, values in drawn.items()}
    numbers = {"holes": holes, **_smoothness(run, z, asked), "overlap": overlap, **recorded(run)}
    facts = {"quantile": QUANTILE, "data": {"of": data.of, "distance": mean_of(data.distance)}}
    page = _page(run, z, drawn[OWN], found[OWN][MEAN], train)
    return Found(_line(numbers), numbers, _rows(drawn, found, z), page, facts)


def _codes(run: Fitted, asked: Asked) -> Codes:
    index = {split: some(run, split, DRAWS, asked.seed) for split in ("test", "train")}
    z = {split: drawn_codes(run, split, there, asked.seed, "explore", split) for split, there in index.items()}
    there = {f"labels/{name}": values[index["test"].numpy()] for name, values in run.data.labels["test"].items()}
    columns = [[(name, value) for value in values.tolist()] for name, values in there.items()]
    labels = [dict(row) for row in zip(*columns, strict=True)] if columns else [{} for _ in index["test"]]
    return Codes(z["test"], z["train"], labels)


def _sources(run: Fitted, z: Codes) -> dict[str, Draw]:
    """m(z), the normal of the codes' moments, and what was fitted to them."""
    mean, covariance = z.train.mean(0), torch.cov(z.train.T).reshape(2 * [z.train.shape[1]])
    values, vectors = torch.linalg.eigh(covariance.double())
    root = (vectors * values.clamp_min(0).sqrt()).to(mean)

    def normal(n: int, noise: torch.Generator) -> Tensor:
        return mean + torch.randn(n, len(mean), generator=noise, dtype=mean.dtype).to(mean) @ root.T

    fitted = {name: model for name, model in laws(run).items() if name != OWN}
    return {
        OWN: lambda n, noise: prior(run).sample((n,), generator=noise),
        NORMAL: normal,
        **{name: _of(model.prior()) for name, model in fitted.items()},
    }


def _of(law: torch.distributions.Distribution) -> Draw:
    return lambda n, noise: law.sample((n,), generator=noise)  # type: ignore[call-arg]


@torch.no_grad()
def _drawn(run: Fitted, draw: Draw, name: str, asked: Asked) -> Tensor:
    like = next(run.model.parameters())
    return draw(DRAWS, generator("cpu", asked.seed, "explore", "regularity", name)).to(like)


def _found(run: Fitted, z: Tensor, train: Tensor, asked: Asked) -> dict[str, Nearest]:
    """The nearest training examples of E[x|z] and of a draw of p(x|z)."""
    x = draws(run.model, z, asked.seed, "explore", "regularity", "x")
    return {MEAN: nearest(means(run.model, z), train), DRAW: nearest(x, train)}


def _holes(found: Mapping[str, Nearest], data: Tensor, codes: Mapping[str, Nearest]) -> Json:
    """The share beyond QUANTILE of the distances of the data, and of images of codes: 1 - QUANTILE of these."""

    def share(distance: Tensor, among: Tensor) -> Json:
        one = share_below(-distance, -among, 1 - QUANTILE)
        return estimate(one.value, one.stderr, len(distance))

    return {
        kind: {"data": share(each.distance, data), "codes": share(each.distance, codes[kind].distance)}
        for kind, each in found.items()
    }


def _smoothness(run: Fitted, z: Codes, asked: Asked) -> Json:
    g = mean_map(run.model)
    width = z.train.var(0).mean().sqrt()
    stretches = stretch(g, z.test) * width
    order = torch.randperm(len(z.test), generator=generator("cpu", asked.seed, "explore", "pairs"))
    pairs = order[: 2 * min(PAIRS, len(order) // 2)].view(-1, 2).to(z.test.device)
    paths = straight(z.test[pairs[:, 0]], z.test[pairs[:, 1]], steps=STEPS)
    taken, chord = steps_of(g, paths), lengths(g, paths[:, [0, -1]])
    passed = taken.sum(1)
    return {
        "width": estimate(width.item(), None, len(z.train)),
        "stretch": mean_of(stretches),
        "stretch_99": estimate(stretches.double().quantile(0.99).item(), None, len(stretches)),
        "detour": mean_of(passed[chord > 0] / chord[chord > 0]),
        "longest_step": mean_of(STEPS * taken.amax(1)[passed > 0] / passed[passed > 0]),
    }


def _overlap(codes: Tensor, drawn: Tensor, asked: Asked) -> Json:
    n = min(TESTED, len(codes))
    order = torch.randperm(len(codes), generator=generator("cpu", asked.seed, "explore", "tested"))[:n]
    noise = generator("cpu", asked.seed, "explore", "permutations")
    found = discrepancy(codes[order.to(codes.device)].cpu(), drawn[:n].cpu(), generator=noise)
    return {"mmd": estimate(found.value, found.stderr, n), "p_value": found.p_value}


def recorded(run: Fitted) -> Json:
    """R and the bounds on KL(q(z) || m(z)) of the record's test split, null where R is undefined."""
    metrics = RunRecord.read(run.folder).metrics["test"]
    names = ("rate", "distortion", "marginal_kl_lower", "marginal_kl_upper")
    return {name: metrics.get(name, {"value": None, "stderr": None, "n": 0}) for name in names}


def _rows(drawn: Mapping[str, Tensor], found: Mapping[str, Mapping[str, Nearest]], z: Codes) -> list[Json]:
    """A row for each draw of z, and for each code of a test example, with its labels."""
    rows: list[Json] = []
    for name, values in {**drawn, CODES: z.test}.items():
        both = [found[name][kind].distance.tolist() for kind in (MEAN, DRAW)]
        for one, mean, draw in zip(values.tolist(), *both, strict=True):
            place = {f"z{d}": value for d, value in enumerate(one)}
            rows.append({"of": name, "distance_of_mean": mean, "distance_of_draw": draw, **place})
    for row, labels in zip(rows[-len(z.test) :], z.labels, strict=True):
        row.update(labels)
    return rows


def _page(run: Fitted, z: Codes, drawn: Tensor, found: Nearest, train: Tensor) -> Page | None:
    """Of two units E[x|z] on a grid, m(z) left and q(z) right; of more those draws of m(z) that are furthest off."""
    if z.test.shape[1] != 2:
        furthest = found.distance.argsort(descending=True)[:SIDE]
        shown = (means(run.model, drawn[furthest]), train[found.place[furthest]])
        return page_of(run, shown, "E[x|z] of the z ~ m(z) furthest from the data; their nearest training examples")
    halves = [means(run.model, _grid(values)).unflatten(0, (SIDE, SIDE)) for values in (drawn, z.test)]
    between = torch.ones_like(halves[0][:, :1])
    rows = torch.cat([halves[0], between, halves[1]], 1)
    return page_of(run, list(rows), "E[x|z] at even quantiles of two units: left of m(z), right of q(z)")


def _grid(z: Tensor) -> Tensor:
    """Even quantiles of each of two units, the first from left to right, the second from below, [SIDE^2, 2]."""
    at = (torch.arange(SIDE, dtype=z.dtype, device=z.device) + 0.5) / SIDE
    across, up = (z[:, unit].quantile(at) for unit in (0, 1))
    return torch.stack(torch.meshgrid(across, up.flip(0), indexing="xy"), -1).flatten(0, 1)


def _line(numbers: Json) -> str:
    holes = ", ".join(
        f"{name} {said(kinds[MEAN]['data'])} of E[x|z] and {said(kinds[DRAW]['data'])} of x "
        f"({said(kinds[MEAN]['codes'])} and {said(kinds[DRAW]['codes'])} by the images of codes)"
        for name, kinds in numbers["holes"].items()
    )
    tests = ", ".join(
        f"{name} {said(one['mmd'], 4)} (p = {one['p_value']:.3f})" for name, one in numbers["overlap"].items()
    )
    return (
        f"holes {holes} where {1 - QUANTILE:.2f} of the data are; stretch {said(numbers['stretch'])} per s.d. of z, "
        f"detour {said(numbers['detour'])}, longest step {said(numbers['longest_step'])} times the mean one; MMD^2 of "
        f"q(z) and {tests}"
    )


def why_not(run: Fitted) -> str | None:
    """It takes a real z, and an E[x|z] of one pass."""
    if (why := without_codes(run)) is not None:
        return why
    if not prior(run).is_continuous:
        return "z has finitely many states"
    return None if run.model.has_means() else "E[x|z] has no closed form, or is made value by value"
