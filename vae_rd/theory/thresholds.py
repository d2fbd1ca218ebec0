"""Thresholds of the field, importable without numpy."""

from __future__ import annotations

ACTIVE_VARIANCE = 0.01  # Var_x(E[z_d|x]) from which a unit counts as active (Burda et al. 2016, arXiv 1509.00519)
# Var_x(E[z_d|x]) / Var(z_d) from which a unit is the same by its mean as by its draws. Bonheme and Grzes 2023 (arXiv
# 2109.12679) call a unit active where the mean of Var(z_d|x) is within 0.1 of 0: the same, if q(z_d) has variance 1.
ACTIVE_SHARE = 0.9
