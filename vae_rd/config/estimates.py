"""The flags of `python -m vae_rd.evaluate` that ask for estimates; `vae_rd.estimates.kinds` has what they stand for."""

from __future__ import annotations

from typing import NamedTuple


class EstimateFlag(NamedTuple):
    """A flag that asks for an estimate.

    Attributes:
        meaning: for `--help`.
        reads: options that the estimate looks at; given without an estimate that does, an option is refused.
        flag: how it is written on the command line, where that is not --KIND.
    """

    meaning: str
    reads: tuple[str, ...]
    flag: str | None = None


# Families of priors that are fitted afterwards, with the options that they read.
MARGINALS: dict[str, tuple[str, ...]] = {"mixture": ("components",), "vamp": ("components",), "maf": (), "spline": ()}
ESTIMATES: dict[str, EstimateFlag] = {
    "importance": EstimateFlag("-E ln p(x), z from q(z|x)", ("samples", "examples", "seed"), "--nll importance"),
    "prior": EstimateFlag("-E ln p(x), z from m(z)", ("samples", "examples", "seed"), "--nll prior"),
    "ais": EstimateFlag(
        "NLL and the decoder's own rate-distortion curve by annealed importance sampling, with its error",
        ("examples", "chains", "temperatures", "marginal", "seed"),
    ),
    "gaps": EstimateFlag(
        "the inference gap in parts: what the family of q(z|x) costs, and what the encoder costs",
        ("samples", "examples", "seed"),
    ),
    "information": EstimateFlag(
        "R in parts: mutual information, total correlation, per-unit divergences", ("examples", "seed")
    ),
    "dual": EstimateFlag(
        "bounds from below and above on the source's R(D) at this run's slope, for unlimited Gaussian-like sources",
        ("seed",),
    ),
    "probe": EstimateFlag(
        "labels told from z by logistic regression and nearest neighbours, with 10, 100 and all labels, against pixels "
        "and PCA",
        ("examples", "factor", "seed"),
    ),
    "disentanglement": EstimateFlag(
        "how units of z and the labels' factors go together: MIG, SAP, modularity, DCI, FactorVAE's score",
        ("examples", "seed"),
    ),
    "quality": EstimateFlag(
        "samples against a split: precision, recall, density, coverage, a Frechet distance, sharpness",
        ("examples", "marginal", "seed"),
    ),
    "algebra": EstimateFlag(
        "sums of codes, decoded: attribute vectors and analogies z(a) - z(b) + z(c) against pixels and PCA, where "
        "labels say what should come of them",
        ("examples", "seed"),
    ),
    **{
        f"marginal_{word}": EstimateFlag(
            "R, and so an upper bound on I, under a prior fitted afterwards to q(z) of the training split",
            ("examples", "seed", *components),
            f"--fit_marginal {word}",
        )
        for word, components in {**MARGINALS, "auto": ()}.items()
    },
}


def flag_of(kind: str) -> str:
    """How a kind of estimate is asked for on the command line.

    Example:
        >>> flag_of("ais"), flag_of("prior")
        ('--ais', '--nll prior')
    """
    return ESTIMATES[kind].flag or f"--{kind}"
