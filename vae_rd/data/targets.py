"""Labels in the place of x as what p(.|z) is of: the variational information bottleneck.

    D = -E ln p(y|z)    R = E KL(q(z|x) || m(z))    H(Y) - D <= I(Z; Y) <= I(X; Z) <= R

so that D + R >= H(Y), and what holds of x in the rate-distortion plane holds of y, with H(Y) for H. The encoder goes on
reading x.

Source: Alemi et al. 2017, "Deep Variational Information Bottleneck", arXiv 1612.00410.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vae_rd.data.base import Entropy
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS

Labels = Mapping[str, Mapping[str, np.ndarray]]


class Scored(TypedDict, total=False):
    """What `VAE.terms` takes of examples beside x: y, [B, 1, 1, K], where p(.|z) is of labels; else nothing."""

    target: Tensor


class Targets:
    """The one kind of labels that a data set has, as classes.

    Attributes:
        factor: its name.
        classes: K.
        codes: by split, classes 0..K-1, [N].
    """

    def __init__(self, labels: Labels, name: str) -> None:
        factors = sorted(set.intersection(*(set(labels[split]) for split in SPLITS)))
        if len(factors) != 1:
            has = f"has {', '.join(factors)}" if factors else "has none"
            raise InputError(
                f"--target label: takes data with labels of one kind, and --data {name} {has}; leave it out"
            )
        self.factor = factors[0]
        stored = [labels[split][self.factor] for split in SPLITS]
        known, codes = np.unique(np.concatenate(stored), return_inverse=True)  # Of text as well, unlike torch's.
        self.classes = len(known)
        self.codes = dict(zip(SPLITS, torch.from_numpy(codes).split([len(part) for part in stored]), strict=True))

    def to(self, device: torch.device) -> None:
        """Move the labels."""
        self.codes = {split: codes.to(device) for split, codes in self.codes.items()}

    def rows(self, split: str, index: Tensor | slice) -> Tensor:
        """y of some examples as one-hot rows, [n, 1, 1, K]."""
        return F.one_hot(self.codes[split][index], self.classes).to(torch.get_default_dtype())[:, None, None]

    def entropy(self, split: str, *, is_whole: bool) -> Entropy:
        """H(Y) by the shares of the classes.

        Exact of a source that the split is all of, a finite training sample among them; else an estimate, with its
        standard error, whose bias of (K - 1) / 2n below H is far less.

        Args:
            split: whose.
            is_whole: whether it is all there is.
        """
        codes = self.codes[split]
        shares = torch.bincount(codes, minlength=self.classes).double().cpu() / len(codes)
        surprise = -shares.clamp(min=1e-300).log()
        value = (shares * surprise).sum().item()
        spread = ((shares * surprise.square()).sum().item() - value**2) / len(codes)
        source = f"H(Y) of {self.factor}, shares of {self.classes} classes"
        if is_whole:
            return Entropy(value, 0.0, "exact", "discrete", source)
        return Entropy(value, max(spread, 0.0) ** 0.5, "monte_carlo", "discrete", source)
