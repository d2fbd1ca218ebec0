"""The importance-weighted bound on ln p(x)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from vae_rd.model.terms import Terms
from vae_rd.objectives.base import Objective


class IWAEObjective(Objective):
    """-L_K = -ln (1/K) sum_k w_k with w_k = p(x|z_k) m(z_k) / q(z_k|x), of the K draws of each example.

    L_1 is the ELBO, and in expectation L_K <= L_{K+1} <= ln p(x). What it trains is a point of the plane by its ELBO,
    where D and R weigh the same; L_K, which selects the checkpoint, is a number of its own.

    Source: Burda et al. 2016, "Importance Weighted Autoencoders", arXiv 1509.00519.

    Example:
        >>> terms = Terms.stated(log_px_z=torch.tensor([[1.0, 5.0], [3.0, 5.0]]).log(), rate=torch.zeros(2))
        >>> (-IWAEObjective()(terms, 0, noise=torch.Generator())).exp()  # The mean of 1 and 3, and that of 5 and 5.
        tensor([2., 5.])
    """

    weighs_draws = True
    takes_draws = True

    def forward(self, terms: Terms, step: int, *, noise: torch.Generator) -> Tensor:
        """-L_K, [B]."""
        return math.log(len(terms.log_px_z)) - log_weights(terms).logsumexp(0)

    def weight(self, step: int) -> float:
        """1: of the rate, in the ELBO."""
        return 1.0

    def slope(self) -> float:
        """1."""
        return 1.0

    def is_annealing(self, step: int) -> bool:
        """Never."""
        return False

    def score(self, means: Mapping[str, float]) -> float:
        """-L_K of validation, by as many draws as training takes."""
        return means["loss"]

    def of_validation(self, means: Mapping[str, float]) -> Mapping[str, float]:
        """L_K."""
        return {"l_k": -means["loss"]}


def log_weights(terms: Terms) -> Tensor:
    """ln w of each draw, [S, B]."""
    log_ratio = terms.log_ratio
    assert log_ratio is not None, "a q(z|x) that has a density"
    return terms.log_px_z - log_ratio
