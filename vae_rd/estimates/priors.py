"""Priors that are fitted to a finished run: their families, and the files in which they stay.

`marginal_<word>.pt` in the run's folder has the state of a prior head, the settings it was fitted under, and the
SHA-256 of the checkpoint whose q(z) it was fitted to: a run that went on since has another q(z).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from vae_rd.errors import InputError
from vae_rd.estimates.base import Fitted, Settings
from vae_rd.model.generative import GenerativeModel
from vae_rd.model.priors.base import PriorHead
from vae_rd.model.priors.flow import FlowPrior
from vae_rd.model.priors.mixture import MixturePrior
from vae_rd.model.priors.vamp import VampPrior
from vae_rd.run.checkpoints import load_whole
from vae_rd.run.files import sha256, staged
from vae_rd.run.points import kept_of
from vae_rd.run.record import Json


class Family(NamedTuple):
    """Priors of one kind.

    Attributes:
        head: of a run, with so many components.
        meaning: in the words of a legend, with a place for their number.
        components: how many where nothing is said; 0 where it has none.
        lr: the highest learning rate.
    """

    head: Callable[[Fitted, int], PriorHead]
    meaning: str
    components: int = 0
    lr: float = 3e-2

    def count(self, settings: Settings) -> int:
        """How many components it gets."""
        return (settings.components or self.components) if self.components else 0


def _flow(word: str, bins: int | None) -> Callable[[Fitted, int], PriorHead]:
    return lambda run, _: FlowPrior(run.model.latent_dim, transforms=3, bins=bins, word=f"--fit_marginal {word}")


# By the last word of their kinds.
FAMILIES: Mapping[str, Family] = {
    "mixture": Family(
        lambda run, k: MixturePrior(run.model.latent_dim, components=k), "a mixture of {} normals", components=100
    ),
    "vamp": Family(
        lambda run, k: VampPrior(run.vae.encoder, run.data.card.shape, components=k),
        "a VampPrior of {} pseudo-inputs",
        components=500,
    ),
    "maf": Family(_flow("maf", None), "a masked autoregressive flow", lr=3e-3),
    "spline": Family(_flow("spline", 8), "a neural spline flow", lr=3e-3),
}
AUTO = ("mixture", "maf")  # Quick to fit; a VampPrior takes a pass of the encoder for each pseudo-input and step.


@dataclass(frozen=True)
class FittedPrior:
    """m* of one family.

    Attributes:
        asked: what decides it: word, seed, components, and the checkpoint's SHA-256.
        cost: E[-ln m*(z)] on the validation split, nats.
        head: the module whose call returns m*.
    """

    asked: Json
    cost: float
    head: PriorHead

    @property
    def family(self) -> Family:
        """To which it belongs."""
        return FAMILIES[self.asked["word"]]

    @property
    def path(self) -> str:
        """The name of its file in the run's folder."""
        return file_of(self.asked["word"])


def file_of(word: str) -> str:
    """The name of a family's file in the run's folder."""
    return f"marginal_{word}.pt"


def asked_of(word: str, run: Fitted, settings: Settings) -> Json:
    """What decides the m* of a family."""
    components = FAMILIES[word].count(settings)
    return {"word": word, "seed": settings.seed, "components": components, "kept": sha256(kept_of(run.folder))}


def new_head(run: Fitted, asked: Json) -> PriorHead:
    """The head before it is fitted, on the model's device."""
    device = next(run.model.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(asked["seed"])
        return FAMILIES[asked["word"]].head(run, asked["components"]).to(device)


def keep(run: Fitted, fitted: FittedPrior) -> Path:
    """Leave m* in the run's folder, whole or not at all."""
    state = {name: value.cpu() for name, value in fitted.head.state_dict().items()}
    with staged(run.folder / fitted.path) as path:
        torch.save({"asked": fitted.asked, "cost": fitted.cost, "state": state}, path)
    return run.folder / fitted.path


def stored(run: Fitted, word: str) -> FittedPrior | None:
    """What was last fitted of a family to the checkpoint that is there; None where nothing was, or the file is damaged.

    Files of before their settings were in them count as nothing.
    """
    try:
        content = load_whole(run.folder / file_of(word))
        asked, cost, state = (content[key] for key in ("asked", "cost", "state"))
    except Exception:  # A damaged file can make its readers raise anything; what was in it is fitted again.
        return None
    if asked["word"] != word or asked["kept"] != sha256(kept_of(run.folder)):
        return None
    head = new_head(run, asked)
    head.load_state_dict(state)
    return FittedPrior(asked, cost, head)


def model_under(run: Fitted, marginal: str | None) -> GenerativeModel:
    """The run's model, z from its own prior or from the one of a family that was fitted to it.

    Raises:
        InputError: where none was fitted.
    """
    return run.model if marginal is None else run.model.with_prior(needed(run, marginal).head)


def needed(run: Fitted, word: str) -> FittedPrior:
    """What was fitted of a family.

    Raises:
        InputError: where nothing was, naming the command that does it.
    """
    if not run.model.has_encoder:
        raise InputError(f"{run.folder}: --marginal is a prior fitted to q(z|x), and this run has none; leave it out")
    if (found := stored(run, word)) is None:
        fit = f"python -m vae_rd.evaluate {run.folder} --fit_marginal {word}"
        raise InputError(f"{run.folder / file_of(word)}: no prior of this run's checkpoint is there; first run {fit}")
    return found
