"""Which checkpoint is kept, and that the numbers are its own."""

from pathlib import Path

import pytest
import torch

import vae_rd
from vae_rd.config.fields import FitConfig
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.metrics.split import evaluate_split
from vae_rd.run.folder import KEPT, LAST, PREVIOUS
from vae_rd.training.keeper import CheckpointKeeper, StagedCheckpointIO

from helpers.families import sprites_card
from helpers.runs import history, only_run


@pytest.fixture
def saved():
    """Feed a CheckpointKeeper the scores of epochs; returns (epoch, file) in the order of saving."""
    order: list[tuple[int, str]] = []

    class FakeTrainer:
        should_stop = False
        current_epoch = 0

        def save_checkpoint(self, path: Path, weights_only: bool = False) -> None:
            order.append((self.current_epoch, path.stem))

    def feed(scores: list[float | None], *, warmup_epochs: int = 0, patience: int | None = None):
        card = sprites_card()
        fitted = build.build_module(FitConfig(), build.build_model(FitConfig(hidden=[2]), card), card, steps=9)
        keeper, trainer = CheckpointKeeper(Path(), patience=patience), FakeTrainer()
        for epoch, value in enumerate(scores):
            trainer.current_epoch = epoch
            fitted.member.score = None if epoch < warmup_epochs else value
            keeper.on_train_epoch_end(trainer, fitted)
            if trainer.should_stop:
                break
        return [epoch for epoch, name in order if name == "kept"], [epoch for epoch, name in order if name == "last"]

    return feed


def test_kept_is_the_lowest_validation_objective(saved):
    assert saved([5.0, 3.0, 4.0, 2.0, 2.0]) == ([0, 1, 3], [0, 1, 2, 3, 4])


def test_nothing_is_kept_during_warmup_nor_without_validation(saved):
    assert saved([1.0, 9.0, None, 8.0, 8.5], warmup_epochs=1) == ([1, 3], [0, 1, 2, 3, 4])


def test_patience_counts_validations_after_warmup(saved):
    assert saved([1.0, 9.0, 9.5, None, 9.5, 1.0], warmup_epochs=1, patience=2)[1] == [0, 1, 2, 3, 4]


def test_a_damaged_last_checkpoint_does_not_take_the_place_of_the_one_before(tmp_path):
    folder = tmp_path / "run/checkpoints"
    folder.mkdir(parents=True)
    last, before, kept = (folder / Path(name).name for name in (LAST, PREVIOUS, KEPT))
    for epoch in (0, 1):
        StagedCheckpointIO().save_checkpoint({"epoch": epoch}, last)
    whole = before.read_bytes()
    last.write_bytes(b"damaged")
    files = StagedCheckpointIO()
    with pytest.raises(InputError):  # It has no more than an epoch, but it is what a fit would go on from.
        files.load_checkpoint(before)
    for path in (kept, last):
        files.save_checkpoint({"epoch": 1}, path)
    assert before.read_bytes() == whole
    again = last.read_bytes()
    files.save_checkpoint({"epoch": 2}, last)
    assert before.read_bytes() == again


def test_kept_checkpoint_of_a_run_is_the_epoch_history_says(toy):
    config = toy(max_epochs=6, lr=1.0, lr_schedule="constant")
    vae_rd.fit_model(config)
    folder = only_run(config)
    objective = [float(row["val/objective"]) for row in history(folder)]
    assert torch.load(folder / KEPT, weights_only=True)["epoch"] == objective.index(min(objective))
    assert torch.load(folder / LAST, weights_only=True)["epoch"] == 5


def test_reported_metrics_are_those_of_the_kept_weights(toy):
    config = toy(max_epochs=6, lr=0.3, lr_schedule="constant", seed=4)
    record = vae_rd.fit_model(config)
    model = vae_rd.load(only_run(config))
    assert not model.training
    again = evaluate_split(model, build.build_data(config), "test", slope=config.beta, seed=config.seed, samples=2)
    assert again["distortion"]["value"] == pytest.approx(record.metrics["test"]["distortion"]["value"], rel=1e-6)
    assert again["rate"]["value"] == pytest.approx(record.metrics["test"]["rate"]["value"], rel=1e-6)
