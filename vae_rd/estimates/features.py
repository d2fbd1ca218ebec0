"""The space in which samples are held against data: what a classifier of the labels sees, or principal components."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vae_rd.estimates.base import Fitted
from vae_rd.functional.seeding import generator
from vae_rd.metrics.samples import Components, as_points
from vae_rd.process.collectives import broadcast
from vae_rd.run.record import Json, estimate

WIDTHS = (256, 64)  # Of the classifier; the last one is the space.
STEPS, BATCH, LR = 600, 128, 1e-3
MOST_CLASSES = 100  # Of a factor; a column of more is a measurement.


class Space(NamedTuple):
    """A map from images to points, what it is, and how well it tells labels of the test split."""

    network: nn.Module | None
    components: Components | None
    words: str
    accuracy: dict[str, Json]

    def points(self, x: Tensor) -> np.ndarray:
        """Images [N, C, H, W] to points, [N, F]."""
        if self.components is not None:
            return self.components.points(x)
        assert self.network is not None, "one of the two"
        with torch.no_grad():
            return self.network(torch.from_numpy(as_points(x)).float()).double().numpy()


def feature_space(run: Fitted, *, seed: int) -> Space:
    """A classifier's last layer where training examples have labels, else principal components of x.

    Args:
        run: an opened run.
        seed: of the classifier.
    """
    if not (classes := _classes(run)):
        components = Components.of(run.data)
        return Space(None, components, components.words, {})
    return broadcast(lambda: _learned(run, classes, seed))


def _classes(run: Fitted) -> dict[str, np.ndarray]:
    """The values of each factor that has several, and not too many."""
    found = {name: np.unique(column) for name, column in sorted(run.data.labels.get("train", {}).items())}
    return {name: values for name, values in found.items() if 1 < len(values) <= MOST_CLASSES}


def _learned(run: Fitted, classes: dict[str, np.ndarray], seed: int) -> Space:
    x, targets = _labelled(run, "train", classes)
    mean, scale = x.mean(0), x.std()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first, second = nn.Linear(x.shape[1], WIDTHS[0], dtype=x.dtype), nn.Linear(*WIDTHS)
        heads = nn.ModuleDict({str(i): nn.Linear(WIDTHS[1], len(v)) for i, v in enumerate(classes.values())})
    with torch.no_grad():  # The first layer takes x as it is: standardised inputs, folded into its weights.
        first.weight.div_(scale)
        first.bias.sub_(first.weight @ mean)
    network = nn.Sequential(first, nn.ReLU(), second, nn.ReLU()).float()
    _descend(network, heads.float(), x.float(), targets, seed=seed)
    accuracy = _accuracy(run, network, heads, classes)
    shares = ", ".join(f"{name} {entry['value']:.3f}" for name, entry in accuracy.items())
    on = "accuracy on what it learned from" if run.data.card.population["test"] else "test accuracy"
    words = f"{WIDTHS[1]} last units of a classifier of the labels, {on}: {shares}"
    return Space(network.eval(), None, words, accuracy)


def _labelled(run: Fitted, split: str, classes: dict[str, np.ndarray]) -> tuple[Tensor, list[Tensor]]:
    """Examples as rows, and the class of each by factor."""
    x = run.data.examples(split, torch.arange(len(run.data.pixels[split])))
    targets = [np.searchsorted(values, run.data.labels[split][name]) for name, values in classes.items()]
    return torch.from_numpy(as_points(x)), [torch.from_numpy(target) for target in targets]


def _descend(network: nn.Module, heads: nn.ModuleDict, x: Tensor, targets: list[Tensor], *, seed: int) -> None:
    """Adam on the sum of the factors' cross-entropies."""
    parameters = [*network.parameters(), *heads.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=LR)
    noise = generator("cpu", seed, "classifier")
    for _ in range(STEPS):
        rows = torch.randint(len(x), (min(BATCH, len(x)),), generator=noise)
        seen = network(x[rows])
        losses = [
            nn.functional.cross_entropy(head(seen), target[rows])
            for head, target in zip(heads.values(), targets, strict=True)
        ]
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()


@torch.no_grad()
def _accuracy(run: Fitted, network: nn.Module, heads: nn.ModuleDict, classes: dict[str, np.ndarray]) -> dict[str, Json]:
    """The share of test examples that are told, by factor."""
    x, targets = _labelled(run, "test", {n: v for n, v in classes.items() if n in run.data.labels["test"]})
    seen = network(x.float())
    found = {}
    for name, head, target in zip(classes, heads.values(), targets, strict=True):
        share = (head(seen).argmax(-1) == target).double().mean().item()
        found[name] = estimate(share, (share * (1 - share) / len(x)) ** 0.5, len(x), resampled="x")
    return found
