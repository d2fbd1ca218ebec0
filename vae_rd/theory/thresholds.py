"""Thresholds of the field, importable without numpy."""

from __future__ import annotations

ACTIVE_VARIANCE = 0.01  # Var_x(E[z_d|x]) from which a unit counts as active (Burda et al. 2016, arXiv 1509.00519)
