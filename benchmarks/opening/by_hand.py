"""What a data set should hold, and D and R of a linear or one-layer VAE, computed by numpy from the kept weights."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from opening.cases import ensure
from vae_rd.data.dataset import DataSet
from vae_rd.run.record import SPLITS

DRAWS = 2000  # Of z per example, for E ln p(x|z) without a closed form.
STANDARD_ERRORS = 5.0


class Truth(NamedTuple):
    """What was drawn before it was written down in some way.

    Attributes:
        images: [N, C, H, W], counts or real values.
        levels: what the reading of counts must be; None of real values.
        parts: positions of the splits that are given; empty where they are drawn.
        classes: per image, what its label says; None without labels.
    """

    images: np.ndarray
    levels: int | None
    parts: Mapping[str, np.ndarray]
    classes: np.ndarray | None = None


def check_stored(data: DataSet, truth: Truth) -> None:
    """Each stored image is one of the truth's, with its label, in the split that it was given to; none is missing."""
    ensure(data.card.levels == truth.levels, f"read as {data.card.levels} levels, there are {truth.levels}")
    n, tenth = len(truth.images), len(truth.images) // 10
    sizes = {"train": n - 2 * tenth, "val": tenth, "test": tenth}
    if truth.parts:
        pool = truth.parts["train"]
        missing = [split for split in ("val", "test") if split not in truth.parts]
        sizes = {split: len(pool) // 10 for split in missing} | {s: len(p) for s, p in truth.parts.items()}
        sizes["train"] -= len(missing) * (len(pool) // 10)
    sizes |= {name[2:]: data.card.params[name] for name in ("n_train", "n_test") if name in data.card.params}
    ensure(dict(data.card.n) == sizes, f"split {dict(data.card.n)}, wanted {sizes}")
    if data.card.params.get("binarization") == "static":
        return  # Bits are stored, of which `check_values` looks at the means.
    for split in SPLITS:
        source = split if split in truth.parts else "train"
        allowed = truth.parts.get(source, np.arange(n))
        found, known = _rows(data.pixels[split].numpy()), _rows(truth.images[allowed])
        ensure(not Counter(found) - Counter(known), f"{split} holds an image that was not given to it")
    if not data.card.params.keys() & {"n_train", "n_test"}:
        together = Counter(row for split in SPLITS for row in _rows(data.pixels[split].numpy()))
        ensure(together == Counter(_rows(truth.images)), "images are missing, or there twice")
    _check_labels(data, truth)


def _check_labels(data: DataSet, truth: Truth) -> None:
    """Labels are functions of images, so that each is known by its image."""
    if truth.classes is None:
        return
    known = dict(zip(_rows(truth.images), truth.classes.tolist(), strict=True))
    for split in SPLITS:
        (name, codes), *_ = data.labels[split].items()
        listed = data.card.params["factors"][name]
        found = [listed[code] for code in codes]
        wanted = [known[row] for row in _rows(data.pixels[split].numpy())]
        ensure(found == wanted, f"labels of {split} are {found[:3]}, wanted {wanted[:3]}")


def _rows(images: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in np.ascontiguousarray(images.astype(np.float64)).reshape(len(images), -1)]


def check_values(data: DataSet) -> None:
    """x of the training split is what the flags make of the stored pixels."""
    k = np.concatenate([data.pixels["train"].numpy()]).astype(np.float64)
    x = np.concatenate([data.evaluation_chunk("train", chunk).numpy() for chunk in range(data.chunks("train"))])
    x, levels, asked = x.astype(np.float64), data.card.levels, data.card.params
    if asked.get("dequantize") == "uniform":
        u = x * levels - k
        ensure(((u >= 0) & (u <= 1)).all(), "dequantised x leave their bins")
        _check_mean(u - 0.5, "u of dequantised x")
    elif asked.get("binarization") == "dynamic":
        ensure(set(np.unique(x)) <= {0.0, 1.0}, "binarised x are not bits")
        ensure((x[k == 0] == 0).all() and (x[k == levels - 1] == 1).all(), "black or white pixels come out otherwise")
        _check_mean(x - k / (levels - 1), "bits less their probabilities")
    elif asked.get("binarization") == "static":
        ensure((x == k).all() and set(np.unique(x)) <= {0.0, 1.0}, "stored bits are not x")
    else:
        scale = levels - 1 if data.card.support == "grey" and levels is not None else 1
        ensure(np.abs(x - k / scale).max() <= 1e-6 * max(1.0, np.abs(k / scale).max()), "x is not k / (levels - 1)")


def _check_mean(values: np.ndarray, what: str) -> None:
    error = values.std() / math.sqrt(values.size)
    ensure(abs(values.mean()) <= STANDARD_ERRORS * error + 1e-9, f"{what}: mean {values.mean():.4f} +- {error:.4f}")


class Network:
    """A fitted network of linear or one-layer trunks in float64."""

    def __init__(self, run: Path) -> None:
        state = torch.load(run / "checkpoints" / "kept.ckpt", map_location="cpu", weights_only=True)["state_dict"]
        self.state = {name.removeprefix("model."): value.double().numpy() for name, value in state.items()}

    def posterior(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances of q(z|x), [N, d] each."""
        h = x.reshape(len(x), -1)
        for layer in self._layers("encoder.trunk"):
            h = np.maximum(self._affine(layer, h), 0)
        mean, log_variance = np.split(self._affine("encoder.posterior.head", h), 2, axis=-1)
        return mean, np.exp(log_variance)

    def decoded(self, z: np.ndarray) -> np.ndarray:
        """Parameters of p(x|z), [..., values]."""
        *inner, last = self._layers("decoder.trunk")
        for layer in inner:
            z = np.maximum(self._affine(layer, z), 0)
        return self._affine(last, z)

    @property
    def linear_decoder(self) -> np.ndarray | None:
        """The decoder's matrix [values, d] where it is linear."""
        layers = self._layers("decoder.trunk")
        return self.state[f"{layers[0]}.weight"] if len(layers) == 1 else None

    def _layers(self, part: str) -> list[str]:
        return sorted(n.removesuffix(".weight") for n in self.state if n.startswith(part) and n.endswith(".weight"))

    def _affine(self, layer: str, h: np.ndarray) -> np.ndarray:
        return h @ self.state[f"{layer}.weight"].T + self.state[f"{layer}.bias"]


def check_run(run: Path, data: DataSet) -> None:
    """D and R of the test split in a record are those of the kept weights."""
    record = json.loads((run / "record.json").read_text())
    config, network = record["config"], Network(run)
    x = data.evaluation_chunk("test", 0).numpy().astype(np.float64).reshape(data.card.n["test"], -1)
    mean, variance = network.posterior(x)
    scale = config["likelihood_scale"]
    if config["likelihood"] == "gaussian" and (matrix := network.linear_decoder) is not None:
        square = ((x - network.decoded(mean)) ** 2).sum(-1) + variance @ (matrix**2).sum(0)
        constant = x.shape[1] * (math.log(scale) + 0.5 * math.log(2 * math.pi))
        d = (0.5 * square / scale**2).mean() + constant
        check_number(record, "distortion", d, slack=2e-5 * max(1.0, abs(constant), abs(d)))
    else:
        density = bernoulli_nats if config["likelihood"] == "bernoulli" else gaussian_nats(scale)
        check_distortion(record, lambda z: density(x, network.decoded(z)), mean, variance)
    check_rate(record, mean, variance)


def check_rate(record: Mapping[str, Any], mean: np.ndarray, variance: np.ndarray) -> None:
    """R of the test split is KL(N(mean, variance) || N(0, 1))."""
    r = 0.5 * (mean**2 + variance - 1 - np.log(variance)).sum(-1).mean()
    check_number(record, "rate", r, slack=2e-5 * max(1.0, r))


def check_distortion(record: Mapping[str, Any], nats: Any, mean: np.ndarray, variance: np.ndarray) -> None:
    """D of the test split, of as many draws of z as the record's, is that of many draws within five standard errors.

    Args:
        record: of the run.
        nats: z [S, N, d] to -ln p(x|z), [S, N].
        mean: of q(z|x), [N, d].
        variance: likewise.
    """
    eps = np.random.default_rng(0).normal(size=(DRAWS, *mean.shape))
    drawn = nats(mean + np.sqrt(variance) * eps)
    samples = record["config"]["eval_samples"] or 1
    error = math.sqrt(drawn.var(0).sum() * (1 / samples + 1 / DRAWS)) / len(mean)
    d = drawn.mean()
    check_number(record, "distortion", d, slack=STANDARD_ERRORS * error + 2e-5 * max(1.0, abs(d)))


def check_number(record: Mapping[str, Any], name: str, wanted: float, *, slack: float) -> None:
    """A metric of the test split."""
    found = record["metrics"]["test"][name]["value"]
    ensure(found is not None and abs(found - wanted) <= slack, f"{name} {found}, by hand {wanted} within {slack:.2g}")


def bernoulli_nats(x: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """-ln p of bits, summed over values."""
    return (np.logaddexp(0, logits) - x * logits).sum(-1)


def gaussian_nats(scale: float) -> Any:
    """(x, means) to -ln p, summed over values."""
    constant = math.log(scale) + 0.5 * math.log(2 * math.pi)
    return lambda x, mean: (0.5 * ((x - mean) / scale) ** 2 + constant).sum(-1)
