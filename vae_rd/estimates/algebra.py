"""Whether one can calculate with codes: attribute vectors and analogies, decoded, against pixels and PCA.

Sums are made of E[z|x], of draws of z, of the pixels themselves, and of as many principal components as z has units;
all spaces have the same edits and quadruples, the same judge, and the same weights of known examples in an attribute
vector. Beside each share stands `chance`, that of sums with the difference of another edit or quadruple.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from vae_rd.data.base import EVAL_CHUNK
from vae_rd.errors import InputError
from vae_rd.estimates.attributes import ASKED, Attributed, Judge, Part, attributed, judged, pixels_of, share
from vae_rd.estimates.base import Fitted, Settings, an_example, codes, entry, prior, table_line
from vae_rd.estimators.algebra import Asked, Classes, Floats, edits, outcomes, quadruples
from vae_rd.functional.principal import principal_axes
from vae_rd.functional.seeding import generator
from vae_rd.process.collectives import broadcast
from vae_rd.run.record import Json

FEATURES = {"mean": "E[z|x]", "draw": "a draw of z", "pixels": "pixels", "pca": "PCA"}
KINDS_OF_SUMS = {"edit": "z + v", "analogy": "z(a) - z(b) + z(c)"}
WORDS = {
    "right": "right",
    "changed": "  changed as asked",
    "kept": "  others kept",
    "bits": "  bit for bit",
    "chance": "  with another's difference",
}
BITS = 0.5  # A pixel is likelier 1 than 0 above it.


class Space(NamedTuple):
    """Where sums are made: codes of the known and of the asked examples, [N, D] and [M, D], and codes to images."""

    name: str
    known: Floats
    asked: Floats
    decode: Callable[[Floats], Floats]


class Sums(NamedTuple):
    """What is asked, the same in every space: edits with their vectors' weights of known examples, and quadruples."""

    edits: Asked
    weights: Floats
    quadruples: Asked


def algebra(run: Fitted, settings: Settings) -> Json:
    """The share of analogies between E[z|x] that are right, and a table of edits and analogies in all spaces."""
    given = attributed(run, settings)
    rows, said = broadcast(lambda: _measured(run, given, settings))  # One process is enough for all.
    return entry(
        "algebra",
        settings,
        rows[0]["analogy"]["right"],
        bound=None,
        source=f"z(a) - z(b) + z(c) of {FEATURES[rows[0]['features']]}, {', '.join(rows[0]['edit']['by_attribute'])}",
        unit="share",
        judged=said,
        latent_dim=run.model.latent_dim,
        table=rows,
    )


def _sums(given: Attributed, settings: Settings) -> Sums:
    n, noise = min(settings.examples or ASKED, ASKED), np.random.default_rng(settings.seed)
    changes, weights = edits(given.known.classes, given.asked.classes, given.there, n, noise)
    return Sums(changes, weights, quadruples(given.asked.classes, given.there, n, noise))


def _measured(run: Fitted, given: Attributed, settings: Settings) -> tuple[list[Json], dict[str, Json]]:
    spaces = list(_spaces(run, given, settings))
    pixels = next(space for space in spaces if space.name == "pixels")
    given, judge, said = judged(run, given, pixels.known, pixels.asked)
    sums = _sums(given, settings)
    images = _wanted_images(run, given, sums)
    heads = [{"features": space.name, "dims": space.asked.shape[1]} for space in spaces]
    return [head | _row(space, given, sums, judge, images) for head, space in zip(heads, spaces, strict=True)], said


def _spaces(run: Fitted, given: Attributed, settings: Settings) -> Iterator[Space]:
    """In the order of `FEATURES`; E[z|x] only where it has a closed form."""
    known, asked = (_codes(run, part, settings) for part in (given.known, given.asked))
    for name in FEATURES:
        if name in known:
            yield Space(name, known[name], asked[name], lambda z: _decoded(run, z))
    x, others = (pixels_of(run, part.split, part.places) for part in (given.known, given.asked))
    yield Space("pixels", x, others, lambda z: z)
    centre, axes = x.mean(0), principal_axes(torch.from_numpy(x), run.model.latent_dim).numpy()
    yield Space("pca", (x - centre) @ axes, (others - centre) @ axes, lambda z: z @ axes.T + centre)


def _codes(run: Fitted, part: Part, settings: Settings) -> dict[str, Floats]:
    found: dict[str, list[Tensor]] = {}
    for number, some in enumerate(part.places.split(EVAL_CHUNK)):
        noise = generator("cpu", settings.seed, "algebra", part.split, number, len(part.places))
        for name, values in codes(run, run.data.examples(part.split, some), noise).items():
            found.setdefault(name, []).append(values)
    return {name: torch.cat(values).numpy() for name, values in found.items()}


@torch.no_grad()
def _decoded(run: Fitted, z: Floats) -> Floats:
    """E[x|z], [n, P]."""
    parts = torch.from_numpy(z).to(an_example(run)).split(EVAL_CHUNK)
    means = [cast(Distribution, run.model.decoder(some[None])).mean[0].flatten(1) for some in parts]
    return torch.cat(means).double().cpu().numpy()


def _row(space: Space, given: Attributed, sums: Sums, judge: Judge, wanted: Mapping[str, Floats]) -> Json:
    """What comes of edits and analogies in a space, and of the c of analogies, `decoded` as they are."""
    a, b, c = (space.asked[places] for places in sums.quadruples.places.T)
    made = {
        "edit": (sums.edits, space.asked[sums.edits.places[:, 0]], sums.weights @ space.known),
        "analogy": (sums.quadruples, c, a - b),
    }
    codes_of = [z + v for _, z, difference in made.values() for v in (difference, np.roll(difference, 1, axis=0))]
    images = [space.decode(z) for z in (*codes_of, c)]
    ends = np.cumsum([len(some) for some in images])[:-1]
    *told, own = np.split(judge(np.concatenate(images)), ends)  # At once: it may have to look at all images there are.
    found: Json = {}
    for place, (name, (asked, _, _)) in enumerate(made.items()):
        found[name] = _shares(told[2 * place], told[2 * place + 1], asked, given.names)
        bits = (images[2 * place] > BITS) == wanted[name] if name in wanted else None
        found[name]["bits"] = None if bits is None else share(bits.all(1))
    as_it_is = own == given.asked.classes[sums.quadruples.places[:, 2]]
    return found | {"decoded": share(as_it_is.all(1))}


def _shares(told: Classes, others: Classes, asked: Asked, names: Sequence[str]) -> Json:
    """Shares of sums with the outcomes of `outcomes`, of those right by attribute, and by the difference of another."""
    hits = outcomes(told, asked)
    by_attribute = {name: share(hits["right"][asked.attribute == k]) for k, name in enumerate(names)}
    chance = share(outcomes(others, asked)["right"])
    return {name: share(values) for name, values in hits.items()} | {"chance": chance, "by_attribute": by_attribute}


def _wanted_images(run: Fitted, given: Attributed, sums: Sums) -> Mapping[str, Floats]:
    """The images that edits and analogies should decode to, [n, P] each; none but of bits that are all there are."""
    if given.candidates is None or run.data.card.support != "binary":
        return {}
    images = run.data.pixels["val"].flatten(1).cpu().numpy()
    rows = given.candidate_classes.tolist()
    places = {tuple(row): place for row, place in zip(rows, given.candidates.tolist(), strict=True)}
    asked = {"edit": sums.edits, "analogy": sums.quadruples}
    return {name: images[[places[tuple(row)] for row in of.wanted.tolist()]] for name, of in asked.items()}


def check_algebra(run: Fitted, settings: Settings) -> None:
    """Refuse data without attributes that could change alone, a z or p(x|z) that sums cannot be put into, and a split.

    Raises:
        InputError: naming the run.
    """
    where, data = f"{run.folder}: --algebra", run.data.card.name
    if settings.split != "test":
        raise InputError(f"{where} learns from train and asks of test alone; leave out --split {settings.split}")
    if not prior(run).is_continuous:
        raise InputError(f"{where} adds codes, and this z has finitely many states; choose a run of a continuous z")
    if not run.model.has_means():
        raise InputError(f"{where} decodes sums to E[x|z], which a decoder that reads x has not; choose another run")
    given = attributed(run, settings)
    if not given.names:
        raise InputError(f"{where} changes what labels name, and --data {data} has none; choose a run of labelled data")
    sums = _sums(given, settings)
    if not len(sums.edits.places) and not len(sums.quadruples.places):
        names = ", ".join(given.names)
        raise InputError(f"{where}: no examples of --data {data} differ in one of {names} alone; choose another run")


def algebra_lines(found: Json) -> list[str]:
    """An entry as a table: lines of edits, then of analogies, a column for each space."""
    rows = found["table"]
    lines = [f"  algebra      {found['split']}: {found['source']}"]
    lines += [f"               {_told(name, one)}" for name, one in found["judged"].items()]
    lines.append(table_line("", [f"{FEATURES[row['features']]} ({row['dims']})" for row in rows]))
    for name, sums in KINDS_OF_SUMS.items():
        lines.append(table_line(f"{sums}, n = {rows[0][name]['right']['n']:,}", []))
        shown = [key for key in WORDS if rows[0][name][key] is not None]
        lines += [table_line(WORDS[key], [_number(row[name][key]) for row in rows]) for key in shown]
    return [*lines, table_line("c decoded as it is", [_number(row["decoded"]) for row in rows])]


def _told(name: str, one: Json) -> str:
    return f"{name} told by {one['by']}: {_number(one['accuracy'])} right, a guess {one['guess']:.4f}"


def _number(score: Json) -> str:
    return "undefined" if score["value"] is None else f"{score['value']:.4f} ± {score['stderr']:.4f}"
