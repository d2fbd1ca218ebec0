"""The metrics of a test beside those of validation in a record, where they are of the same weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from vae_rd.foreign.result import RateDistortionResult
from vae_rd.run.files import RECORD_FILE
from vae_rd.run.lock import locked
from vae_rd.run.record import RunRecord


def sums_of_weights(module: nn.Module) -> list[float]:
    """Two numbers by which the same weights are known again: the sum of all in the state, and of their squares.

    Example:
        >>> sums_of_weights(nn.LayerNorm(3))
        [3.0, 3.0]
    """
    values = [value.detach().double() for value in module.state_dict().values()]
    if not values:
        return [0.0, 0.0]
    where = values[0].device
    return [float(torch.stack([part.sum().to(where) for part in parts]).sum()) for parts in (values, _squares(values))]


def _squares(values: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [value.square() for value in values]


def add_test(folder: Path, module: nn.Module, result: RateDistortionResult) -> str | None:
    """Put the metrics of a test into the record of a run, or say why not.

    Args:
        folder: of the run.
        module: whose weights they are of.
        result: of the test.
    """
    if not (folder / RECORD_FILE).exists():
        return None
    with locked(folder, instead="folder"):
        record = RunRecord.read(folder)
        if (kept := record.model.get("sums_of_weights")) is None:
            return (
                f"{folder / RECORD_FILE} is of no training under the callback, and does not say of which weights: the "
                "test is not put there; give folder= of the training"
            )
        here = sums_of_weights(module)
        if not all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(kept, here, strict=True)):
            return (
                f"the test is of other weights than {folder / RECORD_FILE}, which is of epoch "
                f"{record.model['kept_epoch'] + 1}, and is not put there; test those of "
                'ModelCheckpoint(monitor="val/objective"), by trainer.test(ckpt_path="best")'
            )
        tested = result.record(record.name, beta=record.model["slope"])
        record.metrics |= tested.metrics
        record.data["n"]["test"] = tested.data["n"]["test"]
        record.data["entropy"]["test"] = tested.data["entropy"]["test"]
        record.write(folder)
    return None
