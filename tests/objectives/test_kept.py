"""What a run that holds its rate writes down, and by what its checkpoint is kept, patience and sweeps judge."""

import pytest

import vae_rd
from vae_rd.launch.points.sweep_file import Metric
from vae_rd.launch.watch import final_loss, losses_of
from vae_rd.objectives.constrained import MISSED

from helpers.runs import history, only_run


def test_the_score_is_in_the_history_and_keeps_the_checkpoint(toy):
    config = toy(objective="target_rate", target_rate=1.0, max_epochs=4)
    record = vae_rd.fit_model(config)
    rows = history(only_run(config))
    scores = [float(row["score"]) for row in rows]
    for row, score in zip(rows, scores, strict=True):
        off, multiplier = float(row["val/rate"]) - 1.0, float(row["multiplier"])
        missed = MISSED * abs(off) * (abs(off) > 0.02)
        assert score == pytest.approx(float(row["val/distortion"]) + multiplier * off + missed, rel=1e-6)
    kept = rows[record.model["kept_epoch"]]
    assert record.model["score"] == min(scores) == float(kept["score"])
    assert record.model["achieved_slope"] == pytest.approx(float(kept["multiplier"]), rel=1e-6)
    assert record.model["slope"] is None
    assert losses_of(rows, Metric("score")) == scores
    assert final_loss(record, Metric("score")) == min(scores)


def test_of_a_beta_the_score_is_val_objective(toy):
    config = toy(beta=2.0, max_epochs=2)
    record = vae_rd.fit_model(config)
    rows = history(only_run(config))
    assert "score" not in rows[0]
    assert losses_of(rows, Metric("score")) == [float(row["val/objective"]) for row in rows]
    assert record.model["achieved_slope"] == record.model["slope"] == 2.0
    assert record.model["score"] == min(losses_of(rows, Metric("score")))
