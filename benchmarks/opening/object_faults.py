"""What can be wrong with objects from Python: each gives the arguments of `fit_model` that are wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributions as td

from opening.own_parts import Given, OwnDecoder, OwnEncoder
from vae_rd import VAE, DataSet, Decoder, DiagonalNormal, FitConfig, Source, StandardNormalPrior, UnlimitedSource
from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
from vae_rd.model.likelihoods.gaussian import GaussianLikelihood
from vae_rd.run.record import SPLITS

Rng = np.random.Generator
Fault = Callable[[Rng], Mapping[str, Any]]
Shape = tuple[int, ...]


def bits(rng: Rng, shape: Shape) -> DataSet:
    """Binary images."""
    return DataSet(Source("mine", {s: rng.integers(0, 2, (30, *shape)) for s in SPLITS}, levels=2))


def reals(rng: Rng, shape: Shape) -> DataSet:
    """Real-valued images."""
    return DataSet(Source("mine", {s: rng.normal(size=(30, *shape)) for s in SPLITS}, levels=None))


def network(parts: Callable[[Shape, int], Mapping[str, Any]], data: Callable[[Rng, Shape], DataSet] = bits) -> Fault:
    """A network right but for some parts, made for images of a shape and so many dimensions of z."""

    def fault(rng: Rng) -> Mapping[str, Any]:
        shape, dims = (1, int(rng.integers(2, 5)), int(rng.integers(2, 5))), int(rng.integers(2, 5))
        right = {
            "encoder": OwnEncoder(math.prod(shape), 4, nn.Tanh, dims),
            "decoder": OwnDecoder(shape, 4, nn.Tanh, dims, 1, lambda a: td.Bernoulli(logits=a)),
            "prior": StandardNormalPrior(dims),
            "latent_dim": dims,
        }
        return {"model": VAE(**{**right, **parts(shape, dims)}), "data": data(rng, shape)}

    return fault


def decoder(family: Callable[[Tensor], td.Distribution], over: Callable[[Shape], Shape] | None = None) -> Fault:
    """A decoder of another family, or over another shape."""
    make = over or (lambda shape: shape)
    return network(lambda s, d: {"decoder": OwnDecoder(make(s), 4, nn.Tanh, d, 1, family)})


def logits(a: Tensor) -> td.Distribution:
    return td.Bernoulli(logits=a)


def returns(part: str, make: Callable[[Any], object]) -> Fault:
    """A part that returns something else, whatever it is given."""
    return network(lambda s, d: {part: Given(make)})


def source(images: Callable[[Rng, Shape], Any], levels: Any = 2, **facts: Any) -> Fault:
    """Pixels that are not what they are said to be."""

    def fault(rng: Rng) -> Mapping[str, Any]:
        made = images(rng, (30, 1, int(rng.integers(2, 5)), 3))
        parts = made if isinstance(made, dict) else dict.fromkeys(SPLITS, made)
        return {"data": DataSet(Source("mine", parts, levels=levels, **facts))}

    return fault


def endless(rows: Callable[[int, torch.Generator], Tensor], support: str = "real") -> Fault:
    """An endless source whose draws are none."""
    return lambda rng: {"data": DataSet(UnlimitedSource("mine", support, rows), n_test=30)}


def given(**arguments: Any) -> Fault:
    """Arguments of another type."""
    return lambda rng: arguments


def stray(rng: Rng, shape: Shape) -> Any:
    made = rng.normal(size=shape)
    made.reshape(-1)[rng.integers(made.size)] = (np.nan, np.inf, 1e300)[rng.integers(3)]
    return made


def two_shapes(rng: Rng, shape: Shape) -> Any:
    return {"train": np.zeros(shape), "val": np.zeros(shape), "test": np.zeros((*shape[:-1], 9))}


FAULTS: dict[str, Fault] = {
    "three channels": decoder(logits, lambda s: (3, *s[1:])),
    "one pixel": decoder(logits, lambda s: (1, 1, 1)),
    "flat pixels": decoder(logits, lambda s: (math.prod(s),)),
    "transposed pixels": network(
        lambda s, d: {"decoder": OwnDecoder((1, s[2], s[1] + 1), 4, nn.Tanh, d, 1, logits)},
    ),
    "a density of bits": decoder(lambda a: td.Normal(a, 1.0)),
    "a relaxed density of bits": decoder(lambda a: td.ContinuousBernoulli(logits=a)),
    "our density of bits": network(
        lambda s, d: {
            "decoder": Decoder(nn.Sequential(nn.Linear(d, math.prod(s)), nn.Unflatten(1, s)), GaussianLikelihood(1.0))
        }
    ),
    "probabilities of real values": network(lambda s, d: {}, reals),
    "our probabilities of real values": network(
        lambda s, d: {
            "decoder": Decoder(nn.Sequential(nn.Linear(d, math.prod(s)), nn.Unflatten(1, s)), BernoulliLikelihood())
        },
        reals,
    ),
    "a density of what is above 0": network(
        lambda s, d: {"decoder": OwnDecoder(s, 4, nn.Tanh, d, 1, lambda a: td.LogNormal(a, 1.0))}, reals
    ),
    "pixels that are not summed": network(
        lambda s, d: {"decoder": Given(lambda z: td.Bernoulli(logits=torch.zeros(*z.shape[:-1], *s)))}
    ),
    "draws in place of examples": network(
        lambda s, d: {"decoder": Given(lambda z: td.Independent(td.Bernoulli(logits=torch.zeros(z.shape[1], *s)), 3))}
    ),
    "a tensor for p": returns("decoder", lambda z: z),
    "a prior of another dimension": network(lambda s, d: {"prior": StandardNormalPrior(d + 1)}),
    "a torch prior": returns("prior", lambda _: td.Normal(0.0, 1.0)),
    "another latent_dim": network(lambda s, d: {"latent_dim": d - 1}),
    "another noise_dim": network(lambda s, d: {"noise_dim": d + 2}),
    "a torch Normal for q": network(
        lambda s, d: {"encoder": Given(lambda x: td.Independent(td.Normal(torch.zeros(len(x), d), 1.0), 1))}
    ),
    "a tuple for q": returns("encoder", lambda x: (x, x)),
    "one q for all x": network(lambda s, d: {"encoder": Given(lambda x: DiagonalNormal(*torch.zeros(2, 1, d)))}),
    "layers that do not fit": network(lambda s, d: {"encoder": OwnEncoder(99, 4, nn.Tanh, d)}),
    "double precision": network(lambda s, d: {"encoder": OwnEncoder(math.prod(s), 4, nn.Tanh, d).double()}),
    "nothing to train": network(
        lambda s, d: {
            "encoder": OwnEncoder(math.prod(s), 4, nn.Tanh, d).requires_grad_(False),
            "decoder": OwnDecoder(s, 4, nn.Tanh, d, 1, logits).requires_grad_(False),
        }
    ),
    "a plain module": given(model=nn.Linear(2, 3)),
    "a class": given(model=VAE),
    "a dict as config": given(config={"beta": 4.0}),
    "text as config": given(config="beta=4"),
    "None as config": given(config=None),
    "a field out of range": given(config=FitConfig(beta=-1.0)),
    "a field of another type": given(config=FitConfig(latent_dim=2.5)),
    "a tensor as data": given(data=torch.zeros(30, 1, 4, 4)),
    "an array as data": given(data=np.zeros((30, 1, 4, 4))),
    "a loader as data": given(data=torch.utils.data.DataLoader(torch.zeros(9, 4))),
    "a source as data": given(data=Source("mine", {}, levels=2)),
    "values beyond levels": source(lambda rng, s: rng.integers(0, 10, s)),
    "negative counts": source(lambda rng, s: rng.integers(-3, 2, s), 256),
    "fractions as counts": source(lambda rng, s: rng.random(s), 256),
    "counts without levels": source(lambda rng, s: rng.integers(0, 9, s), None),
    "real bits without levels": source(lambda rng, s: stray(rng, s), None),
    "sequences": source(lambda rng, s: rng.normal(size=s[1:]), None),
    "volumes": source(lambda rng, s: rng.normal(size=(*s, 2)), None),
    "no images": source(lambda rng, s: rng.normal(size=(0, *s[1:])), None),
    "one image a split": source(lambda rng, s: rng.integers(0, 2, (1, *s[1:]))),
    "text": source(lambda rng, s: rng.integers(0, 2, s).astype(str)),
    "a list": source(lambda rng, s: rng.integers(0, 2, s).tolist()),
    "complex": source(lambda rng, s: rng.normal(size=s) * 1j, None),
    "one level": source(lambda rng, s: np.zeros(s), 1),
    "two shapes": source(two_shapes, None),
    "masked": source(lambda rng, s: np.ma.masked_greater(rng.normal(size=s), -9.0), None),
    "sparse": source(lambda rng, s: torch.tensor(rng.integers(0, 2, s)).float().to_sparse()),
    "a fourth split": source(lambda rng, s: dict.fromkeys((*SPLITS, "dev"), rng.integers(0, 2, s))),
    "no val": source(lambda rng, s: {"train": rng.integers(0, 2, s), "test": rng.integers(0, 2, s)}),
    "labels too few": source(lambda rng, s: rng.integers(0, 2, s), labels={"val": {"digit": np.zeros(8)}}),
    "a name of two lines": lambda rng: {"data": DataSet(Source("a\nb", {}, levels=2))},
    "dequantised bits": lambda rng: {
        "data": DataSet(
            Source("mine", dict.fromkeys(SPLITS, rng.integers(0, 2, (9, 1, 2, 2))), levels=2), dequantize="uniform"
        )
    },
    "a subset larger than all": lambda rng: {
        "data": DataSet(Source("mine", dict.fromkeys(SPLITS, rng.integers(0, 2, (9, 1, 2, 2))), levels=2), n_train=50)
    },
    "endless NaN": endless(lambda n, noise: torch.full((n, 1, 1, 4), math.nan)),
    "endless rows of numbers": endless(lambda n, noise: torch.randn(n, 4, generator=noise)),
    "endless chance of its own": endless(lambda n, noise: torch.rand(n, 1, 1, 4)),
    "endless bits beyond 1": endless(lambda n, noise: torch.randint(3, (n, 1, 1, 4), generator=noise), "binary"),
    "endless grey": endless(lambda n, noise: torch.zeros(n, 1, 1, 4), "grey"),
    "a field against the network": lambda rng: {
        **network(lambda s, d: {})(rng),
        "config": FitConfig(latent_dim=99, batch_size=6, wandb="off"),
    },
    "a batch larger than all": lambda rng: {
        "data": bits(rng, (1, 2, 2)),
        "config": FitConfig(batch_size=64, wandb="off"),
    },
}
