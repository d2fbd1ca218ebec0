"""The total correlation of the codes, from a minibatch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vae_rd.model.posteriors.base import Moments
from vae_rd.model.terms import Terms
from vae_rd.objectives.penalised import Penalty
from vae_rd.process.collectives import first_row, gathered
from vae_rd.units import LN_2PI


class TotalCorrelation(Penalty):
    """TC = E ln q(z) - sum_d E ln q(z_d), of which R = I + TC + KL(prod_d q(z_d) || m(z)).

    So D + R + (w - 1) TC is D + I + w TC + KL(prod_d q(z_d) || m), the objective of a beta-TC-VAE with beta = w. Here
    q(z) is the mean of q(z|x) over the N examples of the split, of which a batch holds M: see `log_aggregate`. R in the
    loss is that of each example, analytic where it is, so that the estimate's error is weighed by w - 1 alone.

    Source: Chen et al. 2018, "Isolating Sources of Disentanglement in Variational Autoencoders", arXiv 1802.04942.

    Args:
        n_train: N of training, infinite where examples never repeat.
        n_val: N of validation.
    """

    column = "total_correlation"
    takes_draws = True
    takes_factors = True

    def __init__(self, *, n_train: float, n_val: float) -> None:
        self.n_train, self.n_val = n_train, n_val

    def __call__(self, terms: Terms, *, noise: torch.Generator, is_training: bool) -> Tensor:
        """ln q(z) - sum_d ln q(z_d), mean over the draws of each example, [B]."""
        q, z = terms.factors, terms.z
        assert q is not None, "a product of normals"
        assert z is not None, "draws"
        own, n = first_row(len(q.mean)) if is_training else 0, self.n_train if is_training else self.n_val
        if is_training:
            q = Moments(gathered(q.mean), gathered(q.variance))
        return total_correlation(z, q, n=n, own=own).mean(0)


def total_correlation(z: Tensor, q: Moments, *, n: float, own: int = 0) -> Tensor:
    """ln q(z) - sum_d ln q(z_d) of each draw, by `log_aggregate`, [S, B] nats.

    Args:
        z: draws for B of the M examples of a batch, [S, B, D].
        q: mean and variance of the normals of all M, [M, D] each.
        n: N, of the split that the batch is of.
        own: the position of the first of the B among the M.

    Example:
        >>> z = torch.tensor([[[1.0, 1.0], [-1.0, -1.0]]])  # Two sharp codes.
        >>> q = Moments(z[0], torch.full((2, 2), 1e-4))
        >>> total_correlation(z, q, n=2)  # ln 2
        tensor([[0.6931, 0.6931]])
    """
    square = (z[:, :, None] - q.mean).square() / q.variance
    table = -0.5 * (square + q.variance.log() + LN_2PI)  # ln q(z_id|x_j), [S, B, M, D].
    log_weights = stratified_log_weights(z.shape[1], len(q.mean), n=n, own=own, like=z)
    joint = log_aggregate(table.sum(-1), log_weights)
    return joint - log_aggregate(table, log_weights[..., None]).sum(-1)


def log_aggregate(table: Tensor, log_weights: Tensor) -> Tensor:
    """ln sum_j w_ij q(z_i|x_j): an estimate of ln q(z_i) whose exponential is unbiased over batches of other examples.

    Its logarithm is therefore low in expectation, by less the larger the batch.

    Args:
        table: ln q(z_i|x_j), [S, B, M] or, of single units, [S, B, M, D].
        log_weights: ln w, from `stratified_log_weights`, [B, M] or [B, M, 1].
    """
    return (table + log_weights).logsumexp(2)


def stratified_log_weights(rows: int, size: int, *, n: float, own: int = 0, like: Tensor | None = None) -> Tensor:
    """ln w_ij for which E sum_j w_ij f(x_j) = (1/N) sum_n f(x_n), given that example i is in the batch.

    The batch is i and M - 1 of the other N - 1 examples, each as probable. So w_ii = 1/N, i being certain to be there,
    and w_ij = (N - 1) / (N (M - 1)) for the others, each there with probability (M - 1) / (N - 1).

    Args:
        rows: B, how many examples i.
        size: M.
        n: N, at least M.
        own: the position of the first i in the batch.
        like: any tensor of the device and precision that they are made in; a copy to a GPU would make the host wait.

    Returns:
        [B, M].

    Example:
        >>> stratified_log_weights(2, 3, n=5).exp()
        tensor([[0.2000, 0.4000, 0.4000],
                [0.4000, 0.2000, 0.4000]])
    """
    like = torch.empty(0) if like is None else like
    is_own = torch.arange(size, device=like.device) == own + torch.arange(rows, device=like.device)[:, None]
    if size < 2:
        return torch.zeros_like(is_own, dtype=like.dtype)
    others = math.log1p(-1 / n) - math.log(size - 1)
    return torch.where(is_own, -math.log(n), others).to(like.dtype)
