"""The callback and the metric of others' LightningModules, refused in a fit or an update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.distributions import Cauchy

from vae_rd import RateDistortion, RateDistortionCallback

from helpers.users import Functional, fitted, functional_terms, loader
from walk.steps import Call, step

D, MU = torch.ones(4), torch.zeros(4, 2)


def fit(terms: Callable[[Any, Any], Any] = functional_terms, **given: Any) -> Call:
    """A fit of an epoch under the callback."""

    def made() -> LightningModule:
        module = Functional()
        fitted(module, RateDistortionCallback(terms, **given), epochs=1, loaders=[loader(32, 0), loader(32, 1)])
        return module

    return made


def returned(change: Callable[[Tensor, Any, Any], Any], **given: Any) -> Call:
    """A fit whose terms are a change of x, q and decode."""
    return fit(lambda module, batch: change(batch[0], *functional_terms(module, batch)), **given)


def resumed() -> None:
    """A fit that goes on with what is in the folder."""
    rd = RateDistortionCallback(functional_terms, folder="mine")
    loaders = [loader(32, 0), loader(32, 1)]
    fitted(Functional(), rd, epochs=2, loaders=loaders, ckpt_path="last.ckpt")


def kept() -> None:
    """A fit with a folder, and its checkpoint."""
    rd = RateDistortionCallback(functional_terms, folder="mine")
    trainer = fitted(Functional(), rd, epochs=1, loaders=[loader(32, 0), loader(32, 1)])
    trainer.save_checkpoint("last.ckpt")


def updated(*batches: dict[str, Any], **given: Any) -> Call:
    """A metric of these batches."""

    def made() -> object:
        metric = RateDistortion(**given)
        for batch in batches:
            metric.update(**batch)
        return metric.compute()

    return made


TENSORS = {"log_px_z": -D, "rate": D}
MOMENTS = {"distortion": torch.ones(32), "mean": torch.zeros(32, 2), "scale": torch.ones(32, 2)}
CAUCHY = Cauchy(torch.zeros(2), 1.0)

STEPS = [
    step(
        "terms: it returned a Tensor",
        returned(lambda x, q, decode: x),
        returned(lambda x, q, decode: (q, decode)),
        returned(lambda x, q, decode: (x, q, decode)),
        returned(lambda x, q, decode: {"distortion": -decode(q.mean).log_prob(x)}),
    ),
    step(
        "terms: 'kl' is no tensor it may return; name distortion, rate",
        returned(lambda x, q, decode: {"distortion": x.sum(1), "kl": x}),
        returned(lambda x, q, decode: {"distortion": x.sum(1), "rate_per_dim": x}),
    ),
    step(
        "of N(mean, scale^2) and this prior= no KL is known",
        returned(lambda x, q, decode: MOMENTS, prior=CAUCHY),
        returned(lambda x, q, decode: MOMENTS | {"rate": torch.ones(len(x))}, prior=CAUCHY),
    ),
    step("dataloader: 1", fit(dataloader=1), fit(dataloader=0)),
    step("samples: 0 is no number of them", fit(samples=0), fit(samples=1)),
    step(
        "record.json of another training is there",
        fit(folder="mine"),
        fit(folder="mine", overwrite=True),
        fit(folder="another"),
        resumed,
        before=kept,
    ),
    step("give distortion (-ln p(x|z)) or log_px_z", updated({"mean": MU}), updated(TENSORS)),
    step(
        "give log_var or scale",
        updated({"distortion": D, "mean": MU, "log_var": MU, "scale": MU + 1}),
        updated({"distortion": D, "mean": MU, "log_var": MU}),
        updated({"distortion": D, "mean": MU, "scale": MU + 1}),
    ),
    step("D is one number; give one for each x", updated({"distortion": D.mean()}), updated({"distortion": D})),
    step("rate has shape [3], D [4]; give [4]", updated({"distortion": D, "rate": D[:3]}), updated(TENSORS)),
    step("give [B], a mean over draws", updated({"distortion": D[None]}), updated({"distortion": D})),
    step(
        "z has 3 units, and had 2",
        updated({"distortion": D, "mean": MU}, {"distortion": D, "mean": torch.zeros(4, 3)}),
        updated({"distortion": D, "mean": MU}, {"distortion": D, "mean": MU}),
    ),
]
