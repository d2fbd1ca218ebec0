"""A prior fitted afterwards to the aggregate posterior: the m(z) of least rate in a family.

With the encoder held fixed, R(m) = E KL(q(z|x) || m(z)) = I(X; Z) + KL(q(z) || m) with q(z) = E q(z|x), so that every m
gives an upper bound on I, and the bound is the tighter the less E_q(z)[-ln m(z)] is. That is what is minimised here.

Source: Alemi et al. 2018, "Fixing a Broken ELBO", arXiv 1711.00464; Tomczak and Welling 2018, arXiv 1705.07120.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from vae_rd.model.priors.base import PriorHead

CHECKS = 40  # Looks at the held-out draws, evenly spread over the steps.
WAIT = 10  # Looks without a better one, after which what is left is not worth its time.
RISE = 0.1  # Of all steps, those over which the learning rate rises.


def fit_marginal(
    head: PriorHead, draws: Callable[[], Tensor], held_out: Callable[[], Tensor], *, steps: int, lr: float
) -> float:
    """Descend E[-ln m(z)] over draws of the aggregate posterior, and leave the head at its best on held-out ones.

    Args:
        head: the family of m, trained in place.
        draws: a batch of z for each step, [B, D].
        held_out: z of examples that the fit does not see, [M, D]; the same at every call.
        steps: at most.
        lr: the highest learning rate of Adam; it rises over a tenth of the steps and then falls to 0.

    Returns:
        E[-ln m(z)] of the held-out draws, nats.

    Example:
        >>> from vae_rd.model.priors.mixture import MixturePrior
        >>> head, noise = MixturePrior(1, components=2), torch.Generator()
        >>> z = torch.randn(500, 1) * 0.1 + 2
        >>> cost = fit_marginal(head, lambda: z, lambda: z, steps=300, lr=0.1)
        >>> abs(cost - (1.4189 - 2.3026)) < 0.1  # The entropy of a normal of standard deviation 0.1.
        True
    """
    own = list(head.parameters())
    optimizer = torch.optim.Adam(own, lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps + 1, pct_start=RISE)
    best, cost, waited = copy.deepcopy(head.state_dict()), _cost(head, held_out()), 0
    every = max(1, steps // CHECKS)
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        loss = -head().log_prob(draws()).mean()
        loss.backward(inputs=own)  # A VampPrior's encoder, which is the model's, is left without any.
        optimizer.step()
        schedule.step()
        if step % every == 0:
            found, waited = _cost(head, held_out()), waited + 1
            if found < cost:
                best, cost, waited = copy.deepcopy(head.state_dict()), found, 0
        if waited >= WAIT:
            break
    head.load_state_dict(best)
    return cost


@torch.no_grad()
def _cost(head: PriorHead, z: Tensor) -> float:
    m = head()
    return -torch.cat([m.log_prob(part) for part in z.split(2000)]).double().mean().item()
