"""Which latent units carry what: active, mixed and passive ones by rate, and what the weakest is good for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from vae_rd.theory.thresholds import ACTIVE_SHARE, ACTIVE_VARIANCE

Group = Literal["active", "mixed", "passive"]
GROUPS: tuple[Group, ...] = get_args(Group)
SHOWN = 12  # Rates on a line.
_MEANINGS: Mapping[Group, str] = {
    "active": f"x gives {ACTIVE_SHARE:.0%} of Var z",
    "mixed": "x gives less",
    "passive": f"Var E[z|x] <= {ACTIVE_VARIANCE}",
}


def unit_groups(mean_variance: Sequence[float], share: Sequence[float]) -> list[Group]:
    """What each unit is.

        passive:  Var_x(E[z_d|x]) <= 0.01            so that active and mixed ones are the active units of the verdict
        active:   else, Var_x(E[z_d|x]) / Var(z_d) >= 0.9, so that its mean and its draws say the same
        mixed:    else: noise for some x, or in part for all

    Args:
        mean_variance: Var_x(E[z_d|x]), by units.
        share: Var_x(E[z_d|x]) / Var(z_d), by units.

    Source: Burda et al. 2016, arXiv 1509.00519; Bonheme and Grzes 2023, arXiv 2109.12679, with the variance of
    q(z_d) in place of 1.

    Example:
        >>> unit_groups([0.95, 0.4, 0.002], [0.97, 0.4, 0.002])
        ['active', 'mixed', 'passive']
    """

    def group(variance: float, explained: float) -> Group:
        if not variance > ACTIVE_VARIANCE:
            return "passive"
        return "active" if explained >= ACTIVE_SHARE else "mixed"

    return [group(variance, explained) for variance, explained in zip(mean_variance, share, strict=True)]


def unit_lines(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line a group of units with their rates, the largest first, and one on the weakest that is not passive.

    Args:
        metrics: of the test split, as the record has them; without what a line takes there is no such line.

    Example:
        >>> metrics = {"rate_per_dim": [0.001, 2.5, 0.3], "mean_variance_per_dim": [0.0, 0.99, 0.4]}
        >>> metrics |= {"explained_variance_per_dim": [0.0, 0.99, 0.4]}
        >>> metrics = {name: {"value": value} for name, value in metrics.items()}
        >>> metrics["cut_distortion_per_dim"] = {"value": [0.0, 9.5, 0.25], "stderr": [0.0, 0.2, 0.02], "n": 1000}
        >>> print("\\n".join(unit_lines(metrics)))
        active       1 of 3 units (x gives 90% of Var z): R 2.50
        mixed        1 of 3 units (x gives less): R 0.30
        passive      1 of 3 units (Var E[z|x] <= 0.01): R at most 0.001
        weakest of the active and mixed: unit 2, R 0.30; cut to its mean, D rises by 0.250 ± 0.020 nats (n = 1,000)
    """
    names = ("rate_per_dim", "mean_variance_per_dim", "explained_variance_per_dim")
    rates, variances, shares = (metrics.get(name, {}).get("value") for name in names)
    if rates is None or variances is None or shares is None or None in (*rates, *variances, *shares):
        return []
    groups = unit_groups(variances, shares)
    order = sorted(range(len(rates)), key=lambda d: -rates[d])
    of = {group: [d for d in order if groups[d] == group] for group in GROUPS}
    lines = [_line(group, [rates[d] for d in units], len(rates)) for group, units in of.items() if units]
    strong = [d for d in order if groups[d] != "passive"]
    return lines + (_cut_line(strong[-1], rates, metrics.get("cut_distortion_per_dim", {})) if strong else [])


def _line(group: Group, rates: Sequence[float], units: int) -> str:
    shown = [f"{rate:.2f}" for rate in rates]
    if group == "passive":
        shown = [f"at most {rates[0]:.3f}"]
    elif len(shown) > SHOWN:
        shown = [*shown[: SHOWN - 1], "...", shown[-1]]
    return f"{group:<7} {len(rates):>6} of {units} units ({_MEANINGS[group]}): R {' '.join(shown)}"


def _cut_line(unit: int, rates: Sequence[float], cut: Mapping[str, Any]) -> list[str]:
    if cut.get("value") is None or cut["value"][unit] is None:
        return []
    rise = f"{cut['value'][unit]:.3f} ± {cut['stderr'][unit]:.3f} nats (n = {cut['n']:,})"
    who = f"weakest of the active and mixed: unit {unit}, R {rates[unit]:.2f}"
    return [f"{who}; cut to its mean, D rises by {rise}"]
