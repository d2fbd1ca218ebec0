"""Nats inside, other units at the edge: this module holds the only ln 2 and ln 2 pi of the project.

A loss as people write it is in a unit of its own as well: `beta_of` says which beta it has here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from vae_rd.errors import InputError

Unit = Literal["nats", "bits", "bits_per_dim"]
UNITS: tuple[Unit, ...] = get_args(Unit)
Loss = Literal["mse", "l1", "bce", "nll"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
Reduction = Literal["sum", "mean"]
REDUCTIONS: tuple[Reduction, ...] = get_args(Reduction)

_SUMS = {"mse": "sum of squared errors", "l1": "sum of absolute errors", "bce": "sum of BCE", "nll": "-ln p(x|z)"}
LEAST_SCALE = 1e-6  # That --likelihood_scale and --laplace_scale take.
_FLAGS = {"mse": "gaussian --likelihood_scale", "l1": "laplace --laplace_scale"}
_NOISE = {"mse": ("s", "Gaussian"), "l1": ("b", "Laplace")}
_CONDITIONS = {
    "bce": "of pixels that are 0 or 1 (--likelihood bernoulli), since BCE of grey ones is no likelihood",
    "nll": "of a p(x|z) whose constants are kept",
}
NATS_PER_BIT = math.log(2.0)
LN_2PI = math.log(2.0 * math.pi)


def per_nat(unit: Unit, *, dims: int) -> float:
    """How many of `unit` one nat of an example with `dims` observed dimensions is worth.

    Example:
        >>> round(per_nat("bits", dims=784), 6)
        1.442695
        >>> round(per_nat("bits_per_dim", dims=2), 6)
        0.721348
    """
    match unit:
        case "nats":
            return 1.0
        case "bits":
            return 1.0 / NATS_PER_BIT
        case "bits_per_dim":
            return 1.0 / (NATS_PER_BIT * dims)


def dequantised_levels(card: Mapping[str, Any]) -> int | None:
    """Grey levels L of pixels that uniform noise made a density of; None of others.

    A bound of that density is one of the levels' probability, log2(L) bits per dimension higher.

    Args:
        card: of the data, as a record has it.

    Example:
        >>> dequantised_levels({"params": {"dequantize": "uniform"}, "levels": 256})
        256
    """
    dequantised = card["params"].get("dequantize") == "uniform"
    return (card.get("levels") or int(card["pixel_scale"].rpartition(" ")[2])) if dequantised else None


def check_units(units: Unit, card: Mapping[str, Any], measure: str | None) -> None:
    """Refuse bits per dimension of a density on a scale of anyone's choice, which nobody's numbers compare with.

    A probability has them, and the density of dequantised pixels, which bounds one.

    Args:
        units: asked for.
        card: of the data, as a record has it.
        measure: of D, "discrete" or "differential"; None to go by the card.

    Raises:
        InputError: saying what D is.
    """
    if units == "bits_per_dim" and card["params"].get("target") == "label":
        raise InputError("--units bits_per_dim: D of --target label is of one label, which has no pixels; leave it out")
    is_counted = measure == "discrete" or (measure is None and card["support"] in ("binary", "one_hot"))
    if units == "bits_per_dim" and not is_counted and dequantised_levels(card) is None:
        raise InputError(
            f"--units bits_per_dim: D of --data {card['name']} is of a density, not of levels of pixels; leave it out, "
            "or fit with --dequantize uniform where pixels are grey"
        )


@dataclass(frozen=True)
class Translation:
    """A loss in sums: up to a factor it is S + w R, with S its reconstruction summed over the pixels of an image.

    Of an mse S is the sum of squared errors, 2 s^2 D of Gaussian pixels of standard deviation s but for a constant; of
    an l1 the sum of absolute errors, b D of Laplace pixels of scale b; of bce and nll D itself. A loss that is
    proportional to D + beta R trains the VAE of that beta.

    Attributes:
        loss: kind of reconstruction.
        weight: w, of the rate beside S.
    """

    loss: Loss
    weight: float

    @property
    def scale(self) -> float | None:
        """The noise scale at which beta is 1, in the units of x: s = sqrt(w / 2) or b = w; None where D has none."""
        match self.loss:
            case "mse":
                return math.sqrt(self.weight / 2)
            case "l1":
                return self.weight
            case _:
                return None

    def beta(self, scale: float | None = None) -> float:
        """The beta at a noise scale: w / (2 s^2), w / b, or w itself, where S is D.

        Args:
            scale: s or b, in the units of x; None for bce and nll, which have none.

        Raises:
            InputError: where the loss needs a scale, or has none.
        """
        if self.scale is None:
            if scale is not None:
                raise InputError(f"scale {scale:g}: {self.loss} is a likelihood by itself; leave it out")
            return self.weight
        if scale is None or not (math.isfinite(scale) and scale > 0):
            raise InputError(f"scale {scale}: beta of {self.loss} is one at a noise scale; give one above 0")
        return self.weight / (2 * scale**2 if self.loss == "mse" else scale)

    def per(self, width: float) -> Translation:
        """The same loss of x / width, as x in 0..1 is x in 0..255 by a width of 255.

        Example:
            >>> Translation("mse", 2.0).per(255.0).scale
            0.00392156862745098
        """
        power = {"mse": 2, "l1": 1}.get(self.loss, 0)
        return Translation(self.loss, self.weight / width**power)

    def words(self, *, of: tuple[float, float] = (0.0, 1.0), scale: float | None = None) -> Iterator[str]:
        """Lines that say it, one statement each.

        Args:
            of: the lowest and the highest value of x in the loss.
            scale: a noise scale whose beta is to be said as well, in the units of x.

        Raises:
            InputError: for a range or a scale that cannot be.

        Example:
            >>> for line in Translation("mse", 2.0).words(of=(-1, 1), scale=0.5):
            ...     print(line)
            up to a factor: sum of squared errors + 2 R
            beta = 1 at s = 1 of Gaussian pixels, x in -1..1; s = 0.5 for x in 0..1
            beta = 4 at s = 0.5, x in -1..1
            here, for x in 0..1: --likelihood gaussian --likelihood_scale 0.5 --beta 1
        """
        if not (math.isfinite(of[0]) and math.isfinite(of[1]) and of[0] < of[1]):
            raise InputError(f"range {of[0]:g} {of[1]:g}: give the lowest value of x, then the highest, such as -1 1")
        stated = self.beta(scale) if scale is not None or self.scale is None else None
        yield f"up to a factor: {_SUMS[self.loss]} + {self.weight:.4g} R"
        if self.weight == 0:
            yield "beta = 0 whatever the noise scale: an autoencoder, whose rate costs nothing"
            return
        if self.scale is None:
            yield f"beta = {stated:.4g} {_CONDITIONS[self.loss]}"
            return
        symbol, noise = _NOISE[self.loss]
        unit, span = self.per(of[1] - of[0]), f"x in {of[0]:g}..{of[1]:g}"
        there = "" if of == (0, 1) else f"; {symbol} = {unit.scale:.4g} for x in 0..1"
        yield f"beta = 1 at {symbol} = {self.scale:.4g} of {noise} pixels, {span}{there}"
        if stated is not None:
            yield f"beta = {stated:.4g} at {symbol} = {scale:.4g}, {span}"
        if unit.scale is not None and unit.scale >= LEAST_SCALE:
            yield f"here, for x in 0..1: --likelihood {_FLAGS[self.loss]} {unit.scale:.4g} --beta 1"


def beta_of(
    loss: Loss,
    *,
    weight: float = 1.0,
    loss_weight: float = 1.0,
    over_pixels: Reduction = "sum",
    over_units: Reduction = "sum",
    loss_over_batch: Reduction = "mean",
    kl_over_batch: Reduction = "mean",
    shape: Sequence[int] | None = None,
    latent_dim: int | None = None,
    batch_size: int | None = None,
) -> Translation:
    """What `loss_weight` x reconstruction + `weight` x KL means as a beta or as a noise scale.

    A mean over N values is 1 / N of their sum. So w of the loss in sums is the ratio of the two weights, times the
    number of pixels where these are averaged, divided by the number of units where those are, and times or divided by
    the batch size where only one of the two is averaged over the batch. Higgins et al. 2017 (beta-VAE, section 2) call
    the weight between two means the normalised beta: beta M / N of M units and N pixels.

    Args:
        loss: `mse`, (x - mean)^2 without the half; `l1`, |x - mean|; `bce`, binary cross-entropy; `nll`, any other
            -ln p(x|z) with its constants.
        weight: of the KL.
        loss_weight: of the reconstruction, such as the 0.5 of 0.5 mse.
        over_pixels: what is done with the reconstruction of an image's values, channels among them.
        over_units: what is done with the KL of the latent units.
        loss_over_batch: what is done with the reconstructions of a batch.
        kl_over_batch: what is done with its KLs.
        shape: of an image; needed for a mean over pixels.
        latent_dim: number of units, all positions of a latent map among them; needed for a mean over units.
        batch_size: needed where the batch is summed in one term and averaged in the other.

    Raises:
        InputError: for a weight or a number that cannot be, or one that is needed and missing.

    Example:
        >>> beta_of("l1", weight=1e-6, over_pixels="mean", shape=(256, 256, 3)).scale
        0.196608
        >>> beta_of("mse", loss_weight=0.5).scale, beta_of("mse", loss_weight=0.5).beta(0.5)
        (1.0, 4.0)
        >>> beta_of("bce", weight=4).beta()
        4.0
    """
    _check_words(loss, over_pixels, over_units, loss_over_batch, kl_over_batch)
    if not (math.isfinite(weight) and weight >= 0 and math.isfinite(loss_weight) and loss_weight > 0):
        raise InputError(f"weight {weight:g}, loss_weight {loss_weight:g}: give 0 or more, and more than 0")
    ratio = weight / loss_weight
    if over_pixels == "mean":
        ratio *= math.prod(_counted("shape", shape, "pixels", "28 x 28"))
    if over_units == "mean":
        ratio /= _counted("latent_dim", [latent_dim], "units", "16")[0]
    if loss_over_batch != kl_over_batch:
        size = _counted("batch_size", [batch_size], "examples", "128")[0]
        ratio *= size if loss_over_batch == "mean" else 1 / size
    return Translation(loss, float(ratio))


def _check_words(loss: str, *reductions: str) -> None:
    for word, words in ((loss, LOSSES), *((word, REDUCTIONS) for word in reductions)):
        if word not in words:
            raise InputError(f"{word}: choose one of {', '.join(words)}")


def _counted(name: str, counts: Sequence[int | None] | None, what: str, such_as: str) -> list[int]:
    """The numbers themselves, if there are any and each can be one."""
    found = [count for count in counts or () if count is not None and count >= 1 and count % 1 == 0]
    if not counts or len(found) < len(counts):
        raise InputError(f"a mean over {what} takes their number: give {name}, such as {such_as}")
    return found
