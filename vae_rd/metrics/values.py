"""Per-example values of one split at fixed weights, from which every number of a record is a mean.

One pass over the split, whose chunks several processes share out, under fixed noise.

The information compares every z with every example, so that it costs the square of a split. Of a split of more than
`information_examples` it takes one draw of each of so many examples, chosen at random since a file may be in order, and
compares them with all: the same quantity, exact where it was exact, from a smaller sample of x and z. All but I, the
marginal KL and the decoder's go on being of all examples. A split of an unlimited source is a sample that may be made
as large as anyone likes: there the first UNLIMITED_REFERENCES stand for all. Where ln q(z|x) of a pair is dear, so many
examples at random stand for all, as the posterior says: InfoNCE and leave-one-out are then bounds, on whatever split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vae_rd.data.base import EVAL_CHUNK, subset
from vae_rd.data.dataset import DataSet
from vae_rd.functional.seeding import generator
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.stated import Terms
from vae_rd.model.vae import VAE
from vae_rd.process.collectives import all_gather, own_shard, shared_out

UNLIMITED_REFERENCES = 10_000  # Examples of an unlimited source that speak for I, unless more are asked for.


@dataclass(frozen=True)
class SplitValues:
    """Per-example values of one split in float64, nats.

    Attributes:
        distortion: -ln p(x|z) per draw, or its mean over q(z|x) where that is analytic, [S, N].
        minus_log_px_z: -ln p(x|z) per draw, the Monte Carlo form of the distortion, [S, N].
        rate: KL(q(z|x) || m(z)) per draw, analytic where it can be, [S, N]; None where q has no density.
        log_ratio: ln q(z|x) - ln m(z), the Monte Carlo form of the rate, [S, N]; likewise.
        rate_per_dim: [N, D], or None without a closed form; this and the next two in the model's precision.
        mean: E_q[z|x], [N, D], or None where it is not known.
        variance: Var_q[z|x], likewise.
        lower: InfoNCE values of the examples at `asked`, [S, M], or [1, M] where these are not all; None where z has
            several groups, or q no density.
        leave_one_out: likewise.
        asked: whose information is measured, [M] positions in the split.
        references: how many examples each of them is compared with, itself among them: of a finite split all, unless
            pairs are dear.
    """

    distortion: Tensor
    minus_log_px_z: Tensor
    rate: Tensor | None
    log_ratio: Tensor | None
    rate_per_dim: Tensor | None
    mean: Tensor | None
    variance: Tensor | None
    lower: Tensor | None
    leave_one_out: Tensor | None
    asked: Tensor
    references: int

    def on(self, where: torch.device | str) -> SplitValues:
        """The same on another device."""
        moved: dict[str, Any] = {name: v.to(where) for name, v in vars(self).items() if isinstance(v, Tensor)}
        return replace(self, **moved)

    def paired(self, values: Tensor | None) -> Tensor | None:
        """Those of [S, N] values that pair with the information's, [S, M]; all where there is none."""
        if values is None:
            return None
        return values if self.lower is None else values[: len(self.lower), self.asked]


@torch.no_grad()
def split_values(
    model: VAE, data: DataSet, split: str, *, samples: int, seed: int, information_examples: int | None = None
) -> SplitValues:
    """Run the model over a split, noise fixed by (seed, split, chunk), and collect its per-example values."""
    was_training = model.training
    model.eval()
    references, asked = _compared(model, data, split, information_examples, seed=seed)
    drawn = samples if len(asked) == len(references) else 1
    found: dict[int, Chunk] = {}
    for chunk in own_shard(data.chunks(split)):
        x = data.evaluation_chunk(split, chunk)
        noise = generator("cpu", seed, "evaluation", split, chunk)
        first = chunk * EVAL_CHUNK
        here = asked[(asked >= first) & (asked < first + len(x))] - first
        terms = model.terms(x, model.noise(samples, x, noise), **data.scored_chunk(split, chunk))
        found[chunk] = chunk_of(terms, terms.posterior, here.to(x.device), drawn)
    model.train(was_training)
    chunks = [chunk for _, chunk in sorted(all_gather(found).items())]
    return joined(chunks, device=data.pixels[split].device, asked=asked, references=references)


def _compared(model: VAE, data: DataSet, split: str, wanted: int | None, *, seed: int) -> tuple[Tensor, Tensor]:
    """Ascending positions of the examples that z are compared with, [R], and of those whose z are, [M]."""
    n, x = data.card.n[split], data.evaluation_chunk(split, 0)[:1]
    count = min(n, max(wanted or 0, UNLIMITED_REFERENCES)) if data.card.unlimited[split] else n
    groups = model.terms(x, model.noise(1, x, generator("cpu", seed, "references", split))).groups
    return compared(count, groups[0].posterior.most_compared, wanted, seed=seed, split=split)


def compared(
    count: int, dear: tuple[int, int] | None, wanted: int | None, *, seed: int, split: str
) -> tuple[Tensor, Tensor]:
    """Which of so many examples are the references of the information, [R], and which have theirs measured, [M].

    Args:
        count: of examples that may be.
        dear: `most_compared` of their posteriors.
        wanted: M at most; None for all references.
        seed: of the choice.
        split: likewise.
    """
    asked, most = dear or (count, count)
    references = torch.arange(count) if most >= count else _some(torch.arange(count), most, seed, "references", split)
    asked = min(asked, wanted or len(references))
    return references, references if asked >= len(references) else _some(references, asked, seed, "information", split)


def _some(positions: Tensor, size: int, *key: int | str) -> Tensor:
    """`size` of them at random, ascending."""
    return positions[subset(len(positions), size, *key).sort().values]


class Chunk(NamedTuple):
    """Values of one chunk on the CPU, examples along the second axis, and its posteriors where one group is.

    What is per draw is float64. What is per unit, the most of it, stays in the model's precision, and z is that of the
    examples that the information asks for.
    """

    values: dict[str, Tensor]
    posterior: Posterior | None


def chunk_of(terms: Terms, posterior: Posterior | None, asked: Tensor | slice, drawn: int) -> Chunk:
    """What of some examples' terms the numbers of a split take.

    Args:
        terms: of the examples.
        posterior: their q(z|x); None where it has no ln q for pairs.
        asked: those whose information may be asked for, the others' z are let go.
        drawn: of how many draws.
    """
    values = {"distortion": terms.distortion, "minus_log_px_z": -terms.log_px_z}
    if (rate := terms.rate) is not None and (log_ratio := terms.log_ratio) is not None:
        values |= {"rate": rate, "log_ratio": log_ratio}
    values = {name: value.double() for name, value in values.items()}
    values |= {} if terms.z is None else {"z": terms.z[:drawn, asked]}
    if (moments := terms.moments) is not None:
        values |= {"mean": moments.mean[None], "variance": moments.variance[None]}
    if terms.rate_per_dim is not None:
        values["rate_per_dim"] = terms.rate_per_dim[None]
    held = None if posterior is None else posterior.detached().on("cpu")
    return Chunk({name: value.cpu() for name, value in values.items()}, held)


def joined(chunks: Sequence[Chunk], *, device: torch.device, asked: Tensor, references: Tensor) -> SplitValues:
    """All chunks together, with the information of the examples at `asked` among those at `references`.

    Args:
        chunks: in the order of the split, with the z of those at `asked`, or of all.
        device: where pairs are compared.
        asked: ascending positions, [M].
        references: likewise, [R], those at `asked` among them.
    """
    values = {name: torch.cat([c.values[name] for c in chunks], 1).to(device) for name in chunks[0].values}
    posteriors = [chunk.posterior for chunk in chunks if chunk.posterior is not None]
    sides = None
    if posteriors and posteriors[0].has_density:
        q = posteriors[0].cat(posteriors).part(references).on(device)
        index, z = torch.searchsorted(references, asked), values["z"].double()
        z = z if z.shape[1] == len(asked) else z[:, asked.to(device)]
        sides = q.information(z, index=index, parts=shared_out)
    return SplitValues(
        distortion=values["distortion"],
        minus_log_px_z=values["minus_log_px_z"],
        rate=values.get("rate"),
        log_ratio=values.get("log_ratio"),
        rate_per_dim=_only(values, "rate_per_dim"),
        mean=_only(values, "mean"),
        variance=_only(values, "variance"),
        lower=sides.lower if sides else None,
        leave_one_out=sides.leave_one_out if sides else None,
        asked=asked.to(device),
        references=len(references),
    )


def _only(values: dict[str, Tensor], name: str) -> Tensor | None:
    return values[name][0] if name in values else None
