"""Between two examples: the straight path of z, the arc, and the geodesic of the decoder's pull-back metric.

Each joins the z of two test examples, E[z|x] where that has a closed form, else a draw. Of each path: its length in x,
sum |E[x|z_t] - E[x|z_(t-1)]|, and how far what it decodes to is from its nearest training example, against what its two
ends decode to. Means of several images are nearer to all of them than any of them is: where a path passes through blur
it is near to the data by that distance, and not by the eye, which has the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from vae_rd.estimates.base import Fitted, codes, prior
from vae_rd.estimators.latent_paths import arc, geodesic, lengths, straight
from vae_rd.explore.base import Asked, Found, mean_map, mean_of, means, page_of, said, some, without_codes
from vae_rd.explore.distances import training
from vae_rd.functional.nearest import nearest
from vae_rd.functional.seeding import generator
from vae_rd.run.record import Json

PAIRS, STEPS = 32, 16  # Of test examples, and of each path.
SHOWN = 4  # Pairs in the picture, or all where they are fewer.
PATHS = ("straight", "arc", "geodesic")


def interpolation(run: Fitted, asked: Asked) -> Found:
    """Lengths and distances of each kind of path, and of each pair what an arc and a geodesic change."""
    start, end = _ends(run, asked)
    train = training(run)

    g = mean_map(run.model)
    makers: dict[str, Callable[..., Tensor]] = {"straight": straight, "arc": arc, "geodesic": partial(geodesic, g)}
    paths = {name: make(start, end, steps=STEPS) for name, make in makers.items()}
    passed = {name: lengths(g, path).double().cpu() for name, path in paths.items()}
    images = {name: means(run.model, path.flatten(0, 1)) for name, path in paths.items()}
    off = {name: nearest(x, train).distance.unflatten(0, (-1, STEPS + 1)).double().cpu() for name, x in images.items()}
    numbers: Json = {
        "chord": mean_of(lengths(g, paths["straight"][:, [0, -1]])),
        "ends": mean_of(off["straight"][:, [0, -1]].mean(1)),
        **{name: {"length": mean_of(passed[name]), "distance": mean_of(_between(off[name]))} for name in PATHS},
    }
    for name in PATHS[1:]:
        numbers[name]["longer"] = mean_of(passed[name] - passed["straight"])
        numbers[name]["further"] = mean_of(_between(off[name]) - _between(off["straight"]))
    rows = [
        {"pair": pair, "path": name, "step": step, "distance": value, "length": passed[name][pair].item()}
        for name in PATHS
        for pair, values in enumerate(off[name].tolist())
        for step, value in enumerate(values)
    ]
    pairs = min(SHOWN, len(start))
    shown = [images[name].unflatten(0, (-1, STEPS + 1))[pair] for pair in range(pairs) for name in PATHS]
    return Found(_line(numbers), numbers, rows, page_of(run, shown, f"{', '.join(PATHS)} of each of {pairs} pairs"))


def _ends(run: Fitted, asked: Asked) -> tuple[Tensor, Tensor]:
    """z of pairs of test examples at random, [P, D] each."""
    index = some(run, "test", 2 * PAIRS, asked.seed)
    found = codes(run, run.data.examples("test", index), generator("cpu", asked.seed, "explore", "ends"))
    z = found.get("mean", found["draw"]).to(next(run.model.parameters()))
    order = torch.randperm(len(z), generator=generator("cpu", asked.seed, "explore", "order"))
    half = len(z) // 2
    return z[order[:half]], z[order[half : 2 * half]]


def _between(distance: Tensor) -> Tensor:
    """The mean over the inner points of each path, [P]."""
    return distance[:, 1:-1].mean(1)


def _line(numbers: Json) -> str:
    ways = "; ".join(
        f"{name} {said(numbers[name]['length'])} long, {said(numbers[name]['distance'])} from the data"
        for name in PATHS
    )
    return f"{ways}; ends {said(numbers['chord'])} apart, {said(numbers['ends'])} from the data"


def why_not(run: Fitted) -> str | None:
    """It takes a real z, and an E[x|z] of one pass."""
    if (why := without_codes(run)) is not None:
        return why
    if not prior(run).is_continuous:
        return "z has finitely many states, with nothing between them"
    return None if run.model.has_means() else "E[x|z] has no closed form, or is made value by value"
