"""RateDistortionCallback in LightningModules of others: its numbers against `rate_distortion` and `evaluate_split`."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from torch import Tensor

import vae_rd
from analysis import curves, load_runs, plane, table
from vae_rd.run.record import RunRecord

from helpers.users import (
    Functional,
    Logging,
    TwoOptimisers,
    fitted,
    functional_terms,
    images,
    logging_terms,
)

USERS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "functional": (Functional, functional_terms, {}),
    "logging": (Logging, logging_terms, {}),
    "optimisers": (TwoOptimisers, functional_terms, {"beta": 2.0, "weight": lambda module: module.weight}),
}


def measured(module: Any, terms: Any, x: Tensor, **given: Any) -> vae_rd.foreign.result.RateDistortionResult:
    """By the function, at the weights as they are."""

    def returned(x: Tensor) -> Any:
        return terms(module, {"image": x} if isinstance(module, Logging) else (x, None))

    module.eval()
    decode = returned(x[:2])[-1]
    return vae_rd.rate_distortion(x, encoder=lambda x: returned(x)[-2], decoder=decode, split="val", **given)


@pytest.fixture(scope="module", params=USERS)
def fit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A module after a fit, its callback, its trainer, its terms and its run folder."""
    kind, terms, given = USERS[request.param]
    folder = tmp_path_factory.mktemp("runs") / request.param
    rd = vae_rd.RateDistortionCallback(terms, folder=folder, seed=3, train_examples=100, **given)
    module = kind()
    return module, rd, fitted(module, rd), terms, folder


def test_three_users_modules_have_the_numbers_of_rate_distortion(fit: Any) -> None:
    module, rd, trainer, terms, folder = fit
    exact = measured(module, terms, images(620, 1).tensors[0], seed=3, beta=rd.beta)
    row = pd.read_csv(folder / "history.csv").iloc[-1]
    for name in ("distortion", "rate", "elbo"):
        assert row[f"val/{name}"] == pytest.approx(exact[name]["value"], rel=1e-6), name
        assert float(trainer.callback_metrics[f"val/{name}"]) == pytest.approx(exact[name]["value"], rel=1e-6)
    assert row["val/objective"] == pytest.approx(exact["distortion"]["value"] + rd.beta * exact["rate"]["value"])
    rates = [row[f"val/rate_dim_{d}"] for d in range(3)]
    assert rates == pytest.approx(exact["rate_per_dim"]["value"], rel=1e-5)


def test_the_record_is_of_the_best_epoch_and_analysis_reads_the_folder(fit: Any) -> None:
    _, rd, _, _, folder = fit
    history, record = pd.read_csv(folder / "history.csv"), RunRecord.read(folder)
    final = history[history["beta_effective"] == rd.beta]
    best = final.loc[final["val/objective"].idxmin()]
    assert record.status == "finished"
    assert record.model["kept_epoch"] == best["epoch"]
    for name in ("distortion", "rate", "objective"):
        assert record.metrics["val"][name]["value"] == pytest.approx(best[f"val/{name}"], rel=1e-6)
    assert record.metrics["train"]["distortion"]["n"] == 100
    assert record.verdicts["collapse"]["state"]
    rows = load_runs([folder])
    assert f"{best['val/distortion']:.4g} ±" in table(rows, split="val")
    for draw in (curves, plane):
        assert draw(rows, **({"split": "val"} if draw is plane else {})).axes
