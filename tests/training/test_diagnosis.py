"""What the monitor puts into history: after each validation, of the right things, and without effect on training."""

import math

import pytest

import vae_rd
from vae_rd.training.diagnosis import DIAGNOSIS, LEAST, CollapseMonitor
from vae_rd.verdicts.collapse import collapse_words

from helpers.runs import history, only_run


def test_columns_after_each_validation_and_no_other_number_moves(toy, monkeypatch, tmp_path):
    config = toy(max_epochs=4, val_every=2, run_dir=str(tmp_path / "with"))
    vae_rd.fit_model(config)
    rows = history(only_run(config))
    assert [all(row[name] for name in DIAGNOSIS) for row in rows] == [False, True, False, True]
    assert not any(rows[0][name] for name in DIAGNOSIS)
    last = {name: float(value) for name, value in rows[-1].items()}
    assert last["val/information_cap"] == pytest.approx(math.log(LEAST))
    assert last["val/information"] < last["val/information_cap"]
    assert last["val/shuffled_distortion"] > last["val/distortion"] - 0.5
    assert last["val/active_units_by_rate"] == sum(last[f"val/rate_dim_{d}"] > 0.01 for d in (0, 1))
    monkeypatch.setattr(CollapseMonitor, "on_train_epoch_end", lambda *_: None)
    without = toy(max_epochs=4, val_every=2, run_dir=str(tmp_path / "without"))
    vae_rd.fit_model(without)
    kept = [{k: v for k, v in row.items() if k not in DIAGNOSIS} for row in rows]
    assert [{k: v for k, v in row.items() if k not in DIAGNOSIS} for row in history(only_run(without))] == kept


@pytest.mark.parametrize(
    ("flags", "undefined"),
    [
        ({"posterior": "deterministic", "beta": 0.0}, {"val/information", "val/marginal_kl", "val/collapsed_units"}),
        ({"posterior": "categorical", "prior": "categorical"}, {"val/amortisation_gap"}),
        ({"posterior": "iaf"}, {"val/information", "val/amortisation_gap", "val/collapsed_units"}),
        # What is minimised is not D + w R: local steps on q(z|x) gain of that whatever the encoder does.
        ({"objective": "iwae", "samples": 2}, {"val/amortisation_gap"}),
        ({"objective": "capacity", "target_rate": 2.0}, {"val/amortisation_gap"}),
        ({"objective": "target_rate", "target_rate": 2.0, "rate_weight": 10.0}, {"val/amortisation_gap"}),
        ({"objective": "info_vae", "beta": 0.0, "mmd_weight": 1000.0}, {"val/amortisation_gap"}),
    ],
)
def test_what_a_family_does_not_know_is_left_out(toy, flags, undefined):
    config = toy(max_epochs=1, n_test=None, **flags)
    record = vae_rd.fit_model(config)
    (row,) = history(only_run(config))
    assert row["val/shuffled_distortion"]
    assert row["val/prior_distortion"]
    assert not any(row[name] for name in undefined)
    assert record.metrics["test"]["amortisation_gap"]["value"] is None
    assert collapse_words(record.verdicts["collapse"])
