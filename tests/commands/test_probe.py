"""`python -m vae_rd.evaluate RUN --probe`: its table in the record, who is tested by whom, and what it refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vae_rd import evaluate, evaluate_run, fit
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.estimates import probe as estimates
from vae_rd.estimates.base import Fitted, Settings
from vae_rd.estimates.probe import PARTS, _probed, check_probe, probe_accuracy
from vae_rd.estimators import probes as estimators
from vae_rd.experiment.loading import open_run
from vae_rd.run.record import SPLITS, RunRecord
from vae_rd.theory.fano import largest_accuracy

from helpers.common import TOY

DIGITS = ["--data=digits", "--binarization=threshold"]


def fitted(folder: Path, *flags: str) -> Path:
    assert fit.main([*TOY[1:], "--max_steps=20", *flags, f"--run_dir={folder}", "--name=run"]) == 0
    return folder / "run"


@pytest.fixture(autouse=True, scope="module")
def _quick():
    """Few draws and folds: what they are good for is tested where probes are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimates, "DRAWS", 2)
        patch.setattr(estimators, "FOLDS", 2)
        for kind, strengths in (("logistic", (0.3,)), ("neighbours", (1, 5))):
            patch.setitem(estimators.CLASSIFIERS, kind, estimators.CLASSIFIERS[kind]._replace(strengths=strengths))
        yield


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return fitted(tmp_path_factory.mktemp("runs"), *DIGITS)


@pytest.fixture(scope="module")
def found(digits_run: Path) -> dict[str, Any]:
    assert evaluate.main([str(digits_run), "--probe", "--examples=60"]) == 0
    (entry,) = [e for e in RunRecord.read(digits_run).estimates if e["kind"] == "probe"]
    return entry


def test_a_row_for_all_features_probes_and_numbers_of_labels_joins_the_record(found):
    rows = {(row["features"], row["classifier"], row["labels"]): row for row in found["table"]}
    features, kinds = ("draw", "mean", "pixels", "pca"), ("logistic", "neighbours")
    assert set(rows) == {(f, k, size) for f in features for k in kinds for size in (10, 40)}
    for row in rows.values():
        assert 0 <= row["accuracy"]["value"] <= 1
        assert 0 < row["accuracy"]["stderr"] < 0.15
        assert row["accuracy"]["n"] == 60
        assert row["draws"] == (1 if row["labels"] == 40 else 2)
    assert [rows[f, "logistic", 40]["dims"] for f in features] == [2, 2, 64, 2]
    assert found["value"] == rows["draw", "logistic", 40]["accuracy"]["value"]
    assert (found["factor"], found["classes"], found["unit"]) == ("digit", 10, "share")
    assert 2.2 < found["label_entropy"] < np.log(10)
    assert rows["pixels", "logistic", 40]["accuracy"]["value"] > 0.6


def test_an_entry_is_replaced_by_its_repetition_alone_and_is_printed_as_a_table(found, digits_run, capsys):
    capsys.readouterr()
    assert evaluate.main([str(digits_run), "--probe", "--examples=60"]) == 0
    assert RunRecord.read(digits_run).estimates == [found]
    lines = capsys.readouterr().out.splitlines()
    assert "share of labels told: digit, 10 classes, n = 60; each third of the images tested by a probe of" in lines[1]
    assert "pixels (64), logistic" in "\n".join(lines)
    assert "nats of H(Y)" in lines[-1]


def test_each_image_of_a_population_is_tested_once_by_a_probe_that_has_not_seen_it(digits_run):
    probed = _probed(open_run(digits_run), Settings(examples=60), "digit")
    assert len(probed.rounds) == PARTS
    assert sorted(torch.cat([one.tested for one in probed.rounds]).tolist()) == list(range(60))
    for one in probed.rounds:
        assert not set(one.tested.tolist()) & set(one.labelled.tolist())
        assert len(one.labelled) == 40


def other_data(n: int = 240, **labels: np.ndarray) -> DataSet:
    """Splits of their own of images whose first pixel is on where `label` is 1; the others are coins."""
    bits = torch.randint(2, (n, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    own = labels or {"label": np.arange(n) // 3 % 2}
    bits[:, 0, 0, 0] = torch.as_tensor(next(iter(own.values())) == 1)
    parts = {split: slice(place, None, 3) for place, split in enumerate(SPLITS)}
    return DataSet(
        Source(
            "own",
            {split: bits[part] for split, part in parts.items()},
            levels=2,
            labels={split: {name: column[part] for name, column in own.items()} for split, part in parts.items()},
        )
    )


def with_data(run: Path, data: DataSet) -> Fitted:
    return open_run(run)._replace(data=data)


def test_splits_of_their_own_train_choose_and_test(digits_run):
    run = with_data(digits_run, other_data())
    probed = _probed(run, Settings(), "label")
    (one,) = probed.rounds
    assert [len(part) for part in one] == [80, 80, 80]
    for part, split in zip(one, SPLITS, strict=True):
        assert torch.equal(probed.features["pixels"][part], run.data.pixels[split].flatten(1).double())
        assert probed.labels[part].tolist() == run.data.labels[split]["label"].tolist()
    entry = probe_accuracy(run, Settings())
    assert {row["labels"] for row in entry["table"]} == {10, 80}
    pixels = [r for r in entry["table"] if (r["features"], r["classifier"], r["labels"]) == ("pixels", "logistic", 80)]
    assert pixels[0]["accuracy"]["value"] > 0.9
    assert entry["protocol"].startswith("labels of train")


@pytest.mark.slow
def test_no_probe_of_a_draw_exceeds_what_the_information_allows(tmp_path):
    """I is exact on a population; without a rate the draw says nothing, while E[z|x] is a function of x."""
    for beta in ("0.1", "1000"):
        run = fitted(tmp_path / beta, *DIGITS, f"--beta={beta}", "--max_steps=600", "--latent_dim=8", "--hidden=[128]")
        entry = next(e for e in evaluate_run(run, "probe").estimates if e["kind"] == "probe")
        information = RunRecord.read(run).metrics["test"]["mutual_information_lower"]["value"]
        limit = largest_accuracy(information, label_entropy=entry["label_entropy"], classes=10)
        assert entry["value"] < limit + 4 * entry["stderr"]
        assert (entry["value"] > 0.7) == (beta == "0.1")


REFUSED = {
    "split": (["--split=val"], "is tested on the test split alone; leave out --split val"),
    "no factor": (["--factor=shape"], "--probe --factor shape: the labels of --data digits are digit; choose one"),
    "no reader": (["--chains=4"], "--chains belongs to --ais"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_exit_2(case, digits_run, capsys):
    flags, message = REFUSED[case]
    before = (digits_run / "record.json").read_bytes()
    assert evaluate.main([str(digits_run), "--probe", *flags]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert (digits_run / "record.json").read_bytes() == before


def test_data_without_labels_or_with_several_or_with_foreign_classes_are_refused(digits_run, tmp_path, capsys):
    gaussian = fitted(tmp_path, "--data=gaussian", "--likelihood=gaussian", "--n_test=100")
    capsys.readouterr()
    assert evaluate.main([str(gaussian), "--probe"]) == 2
    assert "--data gaussian has none; choose a run of labelled data" in capsys.readouterr().err
    several = other_data(shape=np.arange(240) // 3 % 2, place=np.arange(240) % 3)
    with pytest.raises(Exception, match="are place, shape; choose one by --factor, such as --factor place"):
        check_probe(with_data(digits_run, several), Settings())
    check_probe(with_data(digits_run, several), Settings(factor="shape"))
    with pytest.raises(Exception, match="1 of them without an example"):
        check_probe(with_data(digits_run, several), Settings(factor="place"))


def test_a_choice_takes_two_examples(digits_run):
    few = other_data()
    few.card = replace(few.card, n={**few.card.n, "val": 1})
    for run, settings in ((open_run(digits_run), Settings(examples=2)), (with_data(digits_run, few), Settings())):
        with pytest.raises(InputError, match="on 2 examples or more, and has 1; raise --examples, or choose another"):
            check_probe(run, settings)
    check_probe(open_run(digits_run), Settings(examples=3))
