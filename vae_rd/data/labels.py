"""Labels of one's own as factors: one column each, of whole numbers, booleans or text."""

from __future__ import annotations

import numpy as np

from vae_rd.errors import InputError


def factors_of(labels: np.ndarray, n: int, *, where: str) -> dict[str, np.ndarray]:
    """The factors that an array of labels holds: `label` for [N], `label_0` and so on for [N, F], fields by name.

    Floats that are whole become whole numbers, bytes become text.

    Raises:
        InputError: for another shape or type.

    Example:
        >>> factors_of(np.array([[0.0, 3.0], [1.0, 3.0]]), 2, where="labels")["label_1"]
        array([3, 3])
    """
    if labels.dtype.names is not None and labels.shape == (n,):
        return {name: _column(labels[name], n, where=f"{where}, field {name}") for name in labels.dtype.names}
    if labels.ndim != 2 or labels.shape[0] != n or labels.shape[1] < 2:
        return {"label": _column(labels.reshape(-1) if labels.shape == (n, 1) else labels, n, where=where)}
    return {f"label_{f}": _column(labels[:, f], n, where=where) for f in range(labels.shape[1])}


def _column(values: np.ndarray, n: int, *, where: str) -> np.ndarray:
    problem = InputError(
        f"{where} is {list(values.shape)} of {values.dtype}; give [{n}] or [{n}, F] of whole numbers, booleans or text"
    )
    if values.shape != (n,) or values.dtype.kind not in "biufSU":
        raise problem
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and (values == np.rint(values)).all()):
            raise problem
        return values.astype(np.int64)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    return values
