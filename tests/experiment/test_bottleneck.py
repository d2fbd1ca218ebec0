"""Labels as what p(.|z) is of: D held to the cross-entropy, H to the classes, and the plane's chain of bounds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import entropy

from analysis import load_runs, table
from vae_rd import evaluate, fit, generate
from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.data.module import TrainBatches
from vae_rd.errors import InputError
from vae_rd.experiment import tables
from vae_rd.experiment.build import build_data, build_model
from vae_rd.metrics.split import evaluate_split
from vae_rd.model.terms import Terms
from vae_rd.objectives.geco import GAIN
from vae_rd.run.record import SPLITS, RunRecord

from helpers.common import TOY

LABEL = ["--target=label", "--likelihood=categorical"]
DIGITS = [*TOY[1:], "--data=digits", "--binarization=threshold", *LABEL]


def marked(n: int = 90, words: tuple[Any, Any] = (0, 1)) -> DataSet:
    """Images of which the first pixel alone is the label, one of two words, in splits of their own."""
    labels = np.arange(n) // 3 % 7 % 2
    pixels = torch.randint(2, (n, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.as_tensor(labels)
    parts = {split: slice(place, None, 3) for place, split in enumerate(SPLITS)}
    return DataSet(
        Source(
            "marked",
            {split: pixels[part] for split, part in parts.items()},
            levels=2,
            labels={split: {"bit": np.array(words)[labels[part]]} for split, part in parts.items()},
        ),
        target="label",
    )


def fitted(folder: Path, *flags: str) -> Path:
    assert fit.main([*DIGITS, *flags, f"--run_dir={folder}", "--name=run"]) == 0
    return folder / "run"


def test_every_batch_carries_the_labels_of_its_images():
    data = marked()
    batches = TrainBatches(data, batch_size=8, seed=3, epoch=lambda: 1, rank=1, world_size=2)
    seen = [batch for block in batches for batch in block]
    assert [len(batch.x) for batch in seen] == [4, 4, 4]
    for batch in seen:
        assert torch.equal(batch.scored["target"][:, 0, 0, 1], batch.x[:, 0, 0, 0])
    for split in SPLITS:
        target = data.scored_chunk(split, 0)["target"]
        assert target.shape == (30, 1, 1, 2)
        assert torch.equal(target[:, 0, 0, 1], data.evaluation_chunk(split, 0)[:, 0, 0, 0])


@pytest.mark.parametrize("words", [("cat", "dog"), (-2, 7), (0.5, 1.5), (False, True)])
def test_labels_of_any_type_are_classes_in_their_order(words):
    data, wanted = marked(words=words), marked()
    assert data.targets.classes == 2
    assert all(torch.equal(data.targets.codes[split], wanted.targets.codes[split]) for split in SPLITS)
    assert all(wanted.targets.codes[split].tolist() == wanted.labels[split]["bit"].tolist() for split in SPLITS)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("decoder", ["linear", "mlp"])
def test_the_distortion_is_the_cross_entropy_of_labels_and_the_rate_that_of_any_run(decoder):
    data = marked()
    flags = {"target": "label", "likelihood": "categorical", "hidden": [8], "latent_dim": 3}
    model = build_model(FitConfig(decoder=decoder, **flags), data.card)
    x = data.evaluation_chunk("val", 0)
    eps = model.noise(5, x, torch.Generator().manual_seed(1))
    terms = model.terms(x, eps, **data.scored_chunk("val", 0))
    labels = torch.as_tensor(data.labels["val"]["bit"])
    logits = model.decoder.trunk(terms.z.flatten(end_dim=1)).reshape(5, 30, 2)
    wanted = F.cross_entropy(logits.flatten(end_dim=1), labels.repeat(5), reduction="none").reshape(5, 30)
    torch.testing.assert_close(terms.distortion, wanted)
    torch.testing.assert_close(terms.rate, model.terms(x, eps).groups[0].rate)


def test_the_multiplier_of_geco_is_turned_by_nats_a_class_and_not_a_pixel():
    """One constraint of 2 nats turns its logarithm by GAIN times 2, over 2 classes."""
    objective = tables.OBJECTIVES["geco"](FitConfig(target_distortion=1.0), marked().card)
    objective.after_step(Terms.stated(log_px_z=torch.full((1, 3), -3.0), rate=torch.ones(3)))
    assert -objective.weight(1).log().item() == pytest.approx(GAIN * 2 / 2)


def test_the_entropy_is_that_of_the_classes_by_split():
    data = marked()
    shares = np.bincount(data.labels["train"]["bit"]) / 30
    train, test = data.card.entropy["train"], data.card.entropy["test"]
    assert (train.value, train.kind, train.stderr) == (pytest.approx(entropy(shares)), "exact", 0.0)
    assert test.kind == "monte_carlo"
    one, two = shares
    assert test.stderr == pytest.approx(math.sqrt(one * two / 30) * abs(math.log(one / two)))
    digits = build_data(FitConfig(data="digits", binarization="threshold", target="label", likelihood="categorical"))
    assert {digits.card.entropy[split].kind for split in SPLITS} == {"exact"}
    assert digits.card.params["classes"] == 10


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return fitted(tmp_path_factory.mktemp("runs"), "--max_steps=300", "--hidden=[32]", "--latent_dim=4", "--beta=0.01")


def test_the_chain_of_the_plane_holds_with_the_entropy_of_labels(run):
    record = RunRecord.read(run)
    test, h = record.metrics["test"], record.data["entropy"]["test"]["value"]
    d, r, i = (test[name] for name in ("distortion", "rate", "mutual_information_lower"))
    assert d["value"] < 1.5 < h  # It has learned of them.
    assert i["kind"] == "exact"
    assert h - d["value"] <= i["value"] + 4 * (d["stderr"] + i["stderr"])
    assert i["value"] <= r["value"] + 4 * i["stderr"]
    assert test["decoder_kl"]["value"] is None  # What it would be is of x.
    assert test["mutual_information_upper"]["method"] != "entropy"
    assert record.model["distortion"]["measure"] == "discrete"
    assert record.model["forecast"] is None
    assert "H = 2.30" in table(load_runs(run))


def test_a_finished_run_measures_the_same_again(run):
    before = RunRecord.read(run).metrics
    assert evaluate.main([str(run)]) == 0
    assert RunRecord.read(run).metrics == before


def test_a_channel_that_carries_nothing_has_the_entropy_of_labels_for_its_distortion():
    data = marked()
    model = build_model(FitConfig(target="label", likelihood="categorical", hidden=[4]), data.card)
    shares = torch.bincount(torch.as_tensor(data.labels["train"]["bit"])) / 30
    for parameter in model.decoder.parameters():
        torch.nn.init.zeros_(parameter)
    model.decoder.trunk[-1].set_start(shares.log().reshape(1, 1, 2), torch.ones(1, 1, 1))
    found = evaluate_split(model, data, "train", slope=1.0, seed=0)["distortion"]["value"]
    assert found == pytest.approx(data.card.entropy["train"].value, abs=1e-6)


REFUSED = {
    "no labels": (["--data=gaussian", "--binarization=none"], "labels of one kind, and --data gaussian has none"),
    "several": (["--data=sprites", "--binarization=none"], "and --data sprites has"),
    "of pixels": (["--likelihood=bernoulli"], "choose categorical"),
    "pixels' units": (["--units=bits_per_dim"], "D of --target label is of one label, which has no pixels"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_one_line_and_exit_2(case, tmp_path, capsys):
    flags, message = REFUSED[case]
    assert fit.main([*DIGITS, *flags, f"--run_dir={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not list(tmp_path.iterdir())


def test_what_is_of_p_of_x_is_refused_after_the_fit(run, capsys):
    capsys.readouterr()
    assert evaluate.main([str(run), "--nll=importance"]) == 2
    assert "--nll importance is of p(x|z), and this run has --target label" in capsys.readouterr().err
    assert generate.main([str(run), "-o", "images.npz"]) == 2
    assert "has no p(x|z) to draw images from" in capsys.readouterr().err


def test_another_word_is_refused_from_python():
    with pytest.raises(InputError, match="target is 'y'; choose one of x, label"):
        DataSet(Source("one", {split: torch.zeros(2, 1, 1, 1, dtype=torch.uint8) for split in SPLITS}, 2), target="y")
