"""Layers of a linear VAE that have ln beta as its optimum has it.

For Gaussian data of eigenvalues l_i under N(W z, s^2) the optimum at a beta is reverse water-filling at the level
c = beta s^2 (`vae_rd.theory.linear_vae`). With a_i = ln(s^2 / l_i) unit i, which has principal axis i, is

    on where ln beta + a_i < 0, with weights of decoder and mean times g_i = sqrt(max(0, 1 - exp(ln beta + a_i)))
    ln Var(z_i|x) = min(0, ln beta + a_i)

so that one set of weights and one number a_i a unit are the optimum at every beta.

Source: Bae et al. 2023, "Multi-Rate VAE: Train Once, Get the Full Rate-Distortion Curve", arXiv 2212.03905.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from vae_rd.model.nn.conditioning import Condition, Conditional

START = 1.0  # By how much all units are on at the greatest beta at first, in ln beta.
PACE = 10.0  # a_i is so many times what Adam moves: it has the whole range to cross, where weights stay below 1.
LEAST = 1e-6  # Of g^2 where a unit is on: the root has a slope without bound at 0.


class Gates(nn.Module):
    """g and ln Var(z|x) of each unit, as functions of ln beta.

    Args:
        units: of z.
        condition: of the network.

    Example:
        >>> gates = Gates(1, condition := Condition(0.1, 10.0, beta=1.0))
        >>> _ = gates.offset.data.fill_(-torch.tensor(2.0).log() / PACE)  # Off from beta 2 on.
        >>> with condition.of(torch.tensor([1.5, 3.0]).log(), examples=2):
        ...     gates.gain().detach().flatten(), gates.log_var().detach().exp().flatten()
        (tensor([0.5000, 0.0000]), tensor([0.7500, 1.0000]))
    """

    def __init__(self, units: int, condition: Condition) -> None:
        super().__init__()
        self.condition = condition
        self.offset = nn.Parameter(torch.full((units,), (-condition.high - START) / PACE))

    def gain(self) -> Tensor:
        """g, [G, D]."""
        square = -torch.expm1(self._level())
        return torch.where(square > LEAST, square, LEAST).sqrt() * (square > LEAST)

    def log_var(self) -> Tensor:
        """ln Var(z|x), [G, D]."""
        return self._level().clamp(max=0)

    def _level(self) -> Tensor:
        return self.condition.ln_beta[:, None] + PACE * self.offset


class GatedHead(Conditional):
    """Mean g (V h + c) and log variance of q(z|x), side by side, of a linear layer that has both.

    Args:
        layer: from features to means and log variances, whose second half is left out.
        gates: of the units.
    """

    def __init__(self, layer: nn.Linear, gates: Gates) -> None:
        super().__init__()
        self.condition, self.gates, units = gates.condition, gates, layer.out_features // 2
        self.layer = nn.Linear(layer.in_features, units)
        with torch.no_grad():
            self.layer.weight.copy_(layer.weight[:units])
            self.layer.bias.copy_(layer.bias[:units])

    def forward(self, h: Tensor) -> Tensor:
        """[B, F] to [B, 2 D]."""
        mean = self.condition.grouped(self.layer(h))
        mean, log_var = mean * self.gates.gain()[:, None], self.gates.log_var()[:, None].expand_as(mean)
        return torch.cat([mean, log_var], -1).flatten(0, 2)

    def at_one(self) -> nn.Linear:
        """The layer of both, whose log variances are its bias alone."""
        (gain,), (log_var,), own = self.gates.gain(), self.gates.log_var(), self.layer
        whole = nn.Linear(own.in_features, 2 * own.out_features).to(own.weight)
        rows = gain[:, None] * own.weight
        whole.weight.copy_(torch.cat([rows, torch.zeros_like(rows)]))
        whole.bias.copy_(torch.cat([gain * own.bias, log_var]))
        return whole


class GatedInput(Conditional):
    """W (g z) + b, of a linear layer.

    Args:
        layer: from z.
        gates: of the units.
    """

    def __init__(self, layer: nn.Linear, gates: Gates) -> None:
        super().__init__()
        self.condition, self.gates, self.layer = gates.condition, gates, layer

    def forward(self, z: Tensor) -> Tensor:
        """[S B, D] to [S B, values]."""
        gated = self.condition.grouped(z) * self.gates.gain()[:, None]
        return self.layer(gated.flatten(0, 2))

    def at_one(self) -> nn.Linear:
        """With columns times g."""
        layer, (gain,) = copy.deepcopy(self.layer), self.gates.gain()
        layer.weight.mul_(gain)
        return layer
