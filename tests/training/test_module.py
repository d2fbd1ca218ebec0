"""VAEModule under a plain Trainer: each feature of Lightning's beside the same training by our own path."""

from __future__ import annotations

import copy
import dataclasses
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

import vae_rd
from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.data.module import TensorDataModule
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.experiment.trainer import build_trainer
from vae_rd.functional.rate_distortion import rate_distortion
from vae_rd.functional.seeding import generator
from vae_rd.model.vae import VAE
from vae_rd.objectives.beta import BetaObjective
from vae_rd.objectives.discrepancy import Discrepancy
from vae_rd.objectives.free_bits import FreeBitsObjective
from vae_rd.objectives.gradients.landed import Sticking
from vae_rd.objectives.gradients.score_function import ScoreFunction
from vae_rd.objectives.iwae import IWAEObjective
from vae_rd.objectives.multirate import MultiRateObjective
from vae_rd.objectives.penalised import PenalisedObjective
from vae_rd.objectives.target_rate import TargetRateObjective
from vae_rd.objectives.total_correlation import TotalCorrelation

from helpers.linear_gaussian import LinearGaussian

N, BATCH, EPOCHS, BETA = 64, 16, 3, 2.0
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "log_every_n_steps": 1,
    "precision": "64-true",
}


def bits(n: int, *, seed: int) -> Tensor:
    return torch.randint(2, (n, 1, 2, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


TRAIN, VAL = bits(N, seed=1), bits(2 * BATCH, seed=2)


def config(**fields: Any) -> FitConfig:
    size = {"hidden": [5], "latent_dim": 2, "batch_size": BATCH, "max_epochs": EPOCHS}
    return FitConfig(
        **({"data": "static_mnist", "beta": BETA} | size | fields),
        lr=0.01,
        lr_schedule="constant",
        weight_decay=0.0,
        precision="64",
        accelerator="cpu",
    )


def network(**fields: Any) -> VAE:
    """In double precision, of initial values that are drawn in single precision whatever the default."""
    data = build.data_set(Source("static_mnist", dict.fromkeys(("train", "val", "test"), TRAIN), levels=2), config())
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    model = build.build_model(config(**fields), data.card).double()
    torch.set_default_dtype(default)
    return model


def by_our_path(folder: Path, **fields: Any) -> VAE:
    """The network as our own Trainer and data module train it."""
    (folder / "checkpoints").mkdir(parents=True)
    settings = config(**fields)
    data = build.data_set(Source("static_mnist", {"train": TRAIN, "val": VAL, "test": VAL}, levels=2), settings)
    torch.set_default_dtype(torch.float64)
    model = network(**fields)
    module = build.build_module(settings, model, data.card, steps=EPOCHS * N // BATCH)
    trainer = build_trainer(settings, folder, logger=None, callbacks=[])
    trainer.fit(module, TensorDataModule(data, batch_size=BATCH, seed=0))
    torch.set_default_dtype(torch.float32)
    return model


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> VAE:
    return by_our_path(tmp_path_factory.mktemp("ours"))


class Order(Sampler[int]):
    """That of our own batches, by epoch."""

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter(torch.randperm(N, generator=generator("cpu", 0, "shuffle", self.epoch)).tolist())

    def __len__(self) -> int:
        return N


class AsTwo(Order):
    """That of two processes' DistributedSampler, which Lightning has shuffle: theirs in turn."""

    def __iter__(self) -> Iterator[int]:
        of_both = [DistributedSampler(TRAIN, num_replicas=2, rank=rank, shuffle=True, seed=0) for rank in range(2)]
        for sampler in of_both:
            sampler.set_epoch(self.epoch)
        return iter([index for pair in zip(*of_both, strict=True) for index in pair])


class Examples(Dataset[Any]):
    """Of x alone, of x and a label, or of dicts."""

    def __init__(self, x: Tensor, form: str) -> None:
        self.x, self.form = x.double(), form

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        x = self.x[index]
        return {"x": x, "pair": (x, index % 3), "dict": {"label": index % 3, "image": x}}[self.form]


def loaders(form: str = "x", *, batch: int = BATCH) -> tuple[DataLoader[Any], DataLoader[Any]]:
    train = DataLoader(Examples(TRAIN, form), batch_size=batch, sampler=Order())
    return train, DataLoader(Examples(VAL, form), batch_size=BATCH)


class Own(lightning.LightningDataModule):
    """A data module as a user writes it."""

    def train_dataloader(self) -> DataLoader[Any]:
        return loaders("pair")[0]

    def val_dataloader(self) -> DataLoader[Any]:
        return loaders("pair")[1]


class Validations(lightning.Callback):
    """Steps at which there was one."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.steps.append(trainer.global_step)


class Stops(lightning.Callback):
    """Ends training within an epoch, as `Trainer(max_time=)` does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: lightning.Trainer, *given: Any) -> None:
        trainer.should_stop |= trainer.global_step == self.step


def module(**settings: Any) -> vae_rd.VAEModule:
    return vae_rd.VAEModule(network(), BetaObjective(BETA), lr=0.01, **settings)


def means_of(model: VAE, x: Tensor = VAL, *, drawn_in: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """D, R and what belongs to them as our own validation has them: fixed noise by chunks."""
    found = [
        model.terms(part, model.noise(1, part.to(drawn_in), generator("cpu", 0, "validation", chunk)).double())
        for chunk, part in enumerate(x.double().split(BATCH))
    ]
    values = [(t.distortion.mean(0), t.rate.mean(0), t.moments.mean, t.rate_per_dim) for t in found]
    d, r, mean, by_units = (torch.cat(parts) for parts in zip(*values, strict=True))
    return rate_distortion(d, r, mean=mean, rate_per_dim=by_units, loss=d + BETA * r, slope=BETA)


def check_means(logged: dict[str, Tensor], model: VAE, word: str = "val", *, rel: float = 1e-6, end: str = "") -> None:
    """What was logged is what our own path measures of the model."""
    means = means_of(model.double())
    rates = means.pop("rate_per_dim")
    wanted = {**means, **{f"rate_dim_{d}": rate for d, rate in enumerate(rates)}}
    for name, value in wanted.items():
        assert float(logged[f"{word}/{name}{end}"]) == pytest.approx(float(value.detach()), rel=rel), name


def check_weights(one: VAE, other: VAE) -> None:
    for (name, p), q in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-9, atol=1e-12, msg=name)


def fitted(train: Any, val: Any = None, *, of: vae_rd.VAEModule | None = None, **flags: Any) -> tuple[Any, Any]:
    made = of or module()
    trainer = lightning.Trainer(**QUIET | {"max_epochs": EPOCHS} | flags)
    trainer.fit(made, *([train] if val is None else [train, val]))
    return trainer, made


@pytest.mark.parametrize("form", ["x", "pair", "dict"])
def test_loader_of(form, ours):
    trainer, made = fitted(*loaders(form))
    check_weights(made.model, ours)
    check_means(trainer.callback_metrics, ours)


def test_an_objective_of_many_betas_and_a_model_that_takes_them(tmp_path):
    fields = {"objective": "multirate", "beta_range": [0.5, 8.0]}
    objective = MultiRateObjective(0.5, 8.0, beta=BETA)
    trainer, made = fitted(*loaders(), of=vae_rd.VAEModule(network(**fields), objective, lr=0.01))
    check_weights(made.model, by_our_path(tmp_path, **fields))
    d, r, value = (float(trainer.callback_metrics[f"val/{name}"]) for name in ("distortion", "rate", "objective"))
    assert value == pytest.approx(d + BETA * r, rel=1e-6), "validation is at the model's own beta"
    assert "train/distortion" in trainer.callback_metrics
    with pytest.raises(InputError, match="of many betas, and this model takes none; give"):
        vae_rd.VAEModule(network(), objective)


def test_data_module_of_ones_own(ours):
    trainer, made = fitted(Own())
    check_weights(made.model, ours)
    check_means(trainer.callback_metrics, ours)


def test_monitor_of_the_learning_rate_and_loggers(ours, tmp_path):
    logger = CSVLogger(tmp_path)
    _, made = fitted(*loaders(), logger=logger, callbacks=[LearningRateMonitor()])
    check_weights(made.model, ours)
    written = (tmp_path / "lightning_logs/version_0/metrics.csv").read_text()
    assert {"lr-Adam", "val/objective", "train/rate", "beta_effective"} <= set(written.splitlines()[0].split(","))


def test_checkpoints_and_resuming(ours, tmp_path):
    """The best one and the last, stopped after two epochs and gone on with, is one training."""

    def keeper() -> ModelCheckpoint:
        return ModelCheckpoint(tmp_path, monitor="val/objective", save_last=True, filename="best")

    saving = {"enable_checkpointing": True}
    fitted(*loaders(), max_epochs=EPOCHS - 1, callbacks=[keeper()], **saving)
    again, made = module(), lightning.Trainer(**QUIET | saving, max_epochs=EPOCHS, callbacks=[keeper()])
    made.fit(again, *loaders(), ckpt_path=tmp_path / "last.ckpt")
    check_weights(again.model, ours)
    loaded = vae_rd.VAEModule.load_from_checkpoint(tmp_path / "last.ckpt", model=network())
    check_weights(loaded.model, ours)


TWO_PROCESSES = """
import sys

import lightning
import torch
from torch.utils.data import DataLoader
sys.path[:0] = sys.argv[1:3]
import test_module as t

trainer = lightning.Trainer(**t.QUIET, max_epochs=2, devices=2, strategy="ddp")
made = t.module()
train, val = (DataLoader(t.Examples(x, "x"), batch_size=t.BATCH // 2) for x in (t.TRAIN, t.VAL))
trainer.fit(made, train, val)
if trainer.is_global_zero:
    torch.save([dict(trainer.callback_metrics), made.model.state_dict()], sys.argv[3])
"""


@pytest.mark.slow
def test_two_processes_are_one(tmp_path):
    """Each has every other example of a batch, as Lightning's sampler deals them out, and the noise of these."""
    here, (script, found) = Path(__file__).parent, (tmp_path / name for name in ("fit.py", "found.pt"))
    script.write_text(TWO_PROCESSES, encoding="utf-8")
    subprocess.run([sys.executable, script, here, here.parent, found], check=True, timeout=240, cwd=tmp_path)
    logged, weights = torch.load(found)
    train = DataLoader(Examples(TRAIN, "x"), batch_size=BATCH, sampler=AsTwo())
    trainer, made = fitted(train, loaders()[1], max_epochs=2)
    other = network()
    other.load_state_dict(weights)
    check_weights(made.model, other)
    for name, value in trainer.callback_metrics.items():
        assert float(logged[name]) == pytest.approx(float(value), rel=1e-6), name


def test_early_stopping():
    stopping = EarlyStopping("val/objective", min_delta=1e6, patience=1)
    trainer, made = fitted(*loaders(), max_epochs=9, callbacks=[stopping])
    assert trainer.current_epoch == 2
    assert trainer.should_stop, "as it leaves it"
    check_means(trainer.callback_metrics, made.model)


@pytest.mark.parametrize(
    ("ending", "steps"),
    [
        ({"max_epochs": 5}, [12, 20]),
        ({"max_epochs": 9, "max_steps": 18}, [12, 18]),
        ({"max_epochs": 5, "min_epochs": 5}, [12, 20]),
        ({"max_epochs": 2, "check_val_every_n_epoch": None, "val_check_interval": 3}, [3, 6, 8]),
        ({"max_epochs": 1, "check_val_every_n_epoch": 1, "val_check_interval": 3}, [3, 4]),
        ({"max_epochs": 9, "callbacks": [Stops(17)]}, [12, 17]),
        ({"max_epochs": 6, "min_epochs": 4, "callbacks": [Stops(5)]}, [12, 16]),
        ({"max_epochs": 5, "limit_val_batches": 0}, []),
    ],
    ids=[
        "epochs",
        "steps",
        "min_epochs",
        "every few steps",
        "within epochs",
        "a callback",
        "a callback in vain",
        "no validation",
    ],
)
def test_the_end_of_training_is_validated_whichever_way_it_comes(tmp_path, ending, steps):
    seen = Validations()
    flags = {"check_val_every_n_epoch": 3, "num_sanity_val_steps": 0} | ending
    stopped = "callbacks" in ending
    saved = ModelCheckpoint(tmp_path, monitor="val/objective", save_top_k=-1, filename="{step}")
    callbacks = [*flags.pop("callbacks", []), seen, *([saved] if steps else [])]
    trainer, made = fitted(*loaders(), enable_checkpointing=bool(steps), callbacks=callbacks, **flags)
    assert seen.steps == steps
    assert {path.stem for path in tmp_path.iterdir()} == {f"step={step}" for step in steps}
    as_before = (flags["check_val_every_n_epoch"], stopped)
    assert (trainer.check_val_every_n_epoch, trainer.should_stop) == as_before
    if steps:
        check_means(trainer.callback_metrics, made.model)


def test_clipping(tmp_path):
    clipped = by_our_path(tmp_path / "run", grad_clip=0.01)
    trainer, made = fitted(*loaders(), gradient_clip_val=0.01)
    check_weights(made.model, clipped)
    check_means(trainer.callback_metrics, clipped)


@pytest.mark.usefixtures("float64")
def test_accumulation_is_a_larger_batch():
    """D and R of a linear Gaussian VAE take no draws, so that two batches of half the size are one."""
    problem = LinearGaussian.random(pixels=4, latent_dim=2, s2=0.3)
    x, encoder = problem.sample(32), {"matrix": problem.regression, "variance": torch.full((2,), 0.5)}
    whole, halves = (vae_rd.VAEModule(problem.vae(**encoder), lr=0.01) for _ in range(2))
    for made, size, many in ((whole, 16, 1), (halves, 8, 2)):
        fitted(DataLoader(x, batch_size=size), of=made, accumulate_grad_batches=many)
    check_weights(whole.model, halves.model)
    assert halves.global_step == whole.global_step == 6


def test_a_multiplier_takes_note_once_a_step():
    """Of the last of the batches that a step sums, also of the step that an epoch cuts short."""
    made = vae_rd.VAEModule(network(), TargetRateObjective(1.0))
    seen: list[int] = []
    made.objective.after_step = lambda terms: seen.append(len(terms.log_px_z[0]))
    train = DataLoader(Examples(TRAIN, "x"), batch_size=24)  # 24, 24 and 16.
    fitted(train, of=made, accumulate_grad_batches=2, max_epochs=2)
    assert seen == [24, 16] * 2


def test_moving_average():
    """Of the weights after each epoch; validation is of the average."""
    after: list[VAE] = []

    class Watch(lightning.Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            after.append(copy.deepcopy(pl_module.model))

    class Averaged(EMAWeightAveraging):
        def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
            return epoch_idx is not None

    trainer, made = fitted(*loaders(), callbacks=[Averaged(decay=0.5), Watch()])
    averages = [p.clone() for p in after[0].parameters()]
    for model in after[1:]:
        averages = [0.5 * average + 0.5 * p for average, p in zip(averages, model.parameters(), strict=True)]
    for average, p in zip(averages, made.model.parameters(), strict=True):
        torch.testing.assert_close(average, p)
    (found,) = trainer.validate(made, loaders()[1], verbose=False)
    check_means(found, made.model)


def test_stochastic_weight_averaging():
    trainer, made = fitted(*loaders(), callbacks=[StochasticWeightAveraging(0.01, swa_epoch_start=1)], max_epochs=4)
    (found,) = trainer.validate(made, loaders()[1], verbose=False)
    check_means(found, made.model)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "64-true"])
def test_precision(precision):
    """What bfloat16 keeps of a number is 3 digits; densities and their sums stay in single precision."""
    made = module()
    made.float()
    trainer, _ = fitted(*loaders(), of=made, precision=precision)
    rel = {"32-true": 1e-5, "bf16-mixed": 2e-2, "64-true": 1e-6}[precision]
    drawn_in = torch.float64 if precision == "64-true" else torch.float32
    wanted, logged = means_of(made.model.double(), drawn_in=drawn_in), trainer.callback_metrics
    for name in ("distortion", "elbo", "objective"):
        assert float(logged[f"val/{name}"]) == pytest.approx(float(wanted[name].detach()), rel=rel)


@torch.no_grad()
def added_up(model: VAE, x: Tensor, *stream: str | int, chunks: int = BATCH) -> tuple[float, float]:
    """Means of D and R of bfloat16's logits and moments, added up in double precision by hand."""
    distortion, rate = torch.zeros(2, dtype=torch.float64)
    for chunk, part in enumerate(x.float().split(chunks)):
        with torch.autocast("cpu", torch.bfloat16):
            q = model.encoder(part)
            z = q.from_noise(model.noise(1, part, generator("cpu", 0, *stream, chunk))).z[0]
            logits = model.decoder(z).logits.double()
        mean, variance = q.mean.double(), q.variance.double()
        distortion += F.binary_cross_entropy_with_logits(logits, part.double(), reduction="sum")
        rate += 0.5 * (mean.square() + variance - 1 - variance.log()).sum()
    return float(distortion) / len(x), float(rate) / len(x)


def test_no_sum_is_in_half_precision():
    made = module()
    made.float()
    (found,) = lightning.Trainer(**QUIET | {"precision": "bf16-mixed"}).validate(made, loaders()[1], verbose=False)
    wanted = added_up(made.model, VAL, "validation")
    assert (found["val/distortion"], found["val/rate"]) == pytest.approx(wanted, rel=1e-6)


def test_no_sum_of_our_own_loop_is_in_half_precision(tmp_path):
    """Under a learning rate that leaves the weights where they are, so that training's means are of one model."""
    settings = dataclasses.replace(config(), precision="bf16", max_epochs=1, lr=1e-30)
    data = build.data_set(Source("static_mnist", {"train": TRAIN, "val": VAL, "test": VAL}, levels=2), settings)
    model = network().float()
    made = build.build_module(settings, model, data.card, steps=N // BATCH)
    (tmp_path / "checkpoints").mkdir()
    trainer = build_trainer(settings, tmp_path, logger=None, callbacks=[])
    trainer.fit(made, TensorDataModule(data, batch_size=BATCH, seed=0))
    found, order = made.members[0].epoch_values, torch.tensor([*Order()])
    for split, wanted in {
        "val": added_up(model, VAL, "validation", chunks=len(VAL)),
        "train": added_up(model, TRAIN[order], "noise", 0),
    }.items():
        assert (found[f"{split}/distortion"], found[f"{split}/rate"]) == pytest.approx(wanted, rel=1e-6)


def test_no_densities_in_half_precision():
    with pytest.raises(InputError, match="give bf16-mixed"):
        fitted(*loaders(), precision="bf16-true")


def test_validate_and_test():
    made = module()
    trainer = lightning.Trainer(**QUIET)
    first, second = trainer.validate(made, [loaders()[1], DataLoader(Examples(VAL[:BATCH], "x"), BATCH)], verbose=False)
    check_means(first, made.model)
    half = means_of(made.model, VAL[:BATCH])
    assert second["val/rate/dataloader_idx_1"] == pytest.approx(float(half["rate"]), rel=1e-6)
    (found,) = trainer.test(made, loaders()[1], verbose=False)
    assert found["test/rate"] == pytest.approx(first["val/rate"], rel=1e-12)  # Analytic: the noise does not matter.
    assert found["test/distortion"] != first["val/distortion"]


def test_predict():
    made = module()
    parts = lightning.Trainer(**QUIET).predict(made, loaders("dict")[1])
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    x, q = VAL.double(), made.model.encoder(VAL.double())
    torch.testing.assert_close(found["mu"], q.mean)
    torch.testing.assert_close(found["log_var"], q.variance.log())
    eps = (found["z"] - found["mu"]) / (found["log_var"] / 2).exp()
    drawn = [generator("cpu", 0, "predict", part) for part in range(2)]
    torch.testing.assert_close(eps, torch.cat([made.model.noise(1, x[:BATCH], noise)[0] for noise in drawn]))
    torch.testing.assert_close(found["reconstruction"], made.model.decoder(found["z"]).mean)
    torch.testing.assert_close(found["reconstruction_of_mu"], made.model.decoder(q.mean).mean)
    assert found["reconstruction"].shape == VAL.shape


def test_parts_of_epochs():
    """Validation within an epoch, fewer batches, anomalies looked for, a profile: the means are of what was seen."""
    trainer, made = fitted(
        *loaders(),
        val_check_interval=2,
        limit_val_batches=1,
        limit_train_batches=3,
        detect_anomaly=True,
        profiler="simple",
        deterministic=True,
    )
    wanted = means_of(made.model, VAL[:BATCH])
    assert made.global_step == 3 * EPOCHS
    assert float(trainer.callback_metrics["train/loss"]) > 0
    assert float(trainer.callback_metrics["val/rate"]) != 0
    (found,) = trainer.validate(made, DataLoader(Examples(VAL[:BATCH], "x"), BATCH), verbose=False)
    assert found["val/distortion"] == pytest.approx(float(wanted["distortion"].detach()), rel=1e-6)


def test_search_for_a_learning_rate(tmp_path):
    made = module()
    trainer = lightning.Trainer(**QUIET | {"default_root_dir": tmp_path}, max_epochs=9)
    lightning.pytorch.tuner.Tuner(trainer).lr_find(made, loaders()[0], num_training=20, max_lr=0.1)
    assert made.lr != 0.01


def test_optimiser_and_schedule_of_ones_own():
    def optimizer(parameters: Any) -> Any:
        sgd = torch.optim.SGD(parameters, lr=0.5)
        return {"optimizer": sgd, "lr_scheduler": torch.optim.lr_scheduler.StepLR(sgd, 1, gamma=0.1)}

    trainer, _ = fitted(*loaders(), of=module(optimizer=optimizer))
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.5 * 0.1**EPOCHS)


def test_losses_that_compare_draws_and_gradients_without_them():
    made = vae_rd.VAEModule(network(), IWAEObjective(), samples=4)
    trainer, _ = fitted(*loaders(), of=made)
    assert float(trainer.callback_metrics["val/loss"]) < -float(trainer.callback_metrics["val/elbo"])
    coupled = BetaObjective(1.0)
    coupled.couples_examples = True
    with pytest.raises(InputError, match="ScoreFunction"):
        vae_rd.VAEModule(network(), coupled, gradient=ScoreFunction())


@pytest.mark.parametrize(
    ("parts", "settings", "says"),
    [
        (
            {"posterior": "categorical", "prior": "categorical"},
            {"objective": IWAEObjective(), "samples": 2},
            "VAEModule: draws of CategoricalLatent have no gradient; give gradient=ScoreFunction(), samples=2",
        ),
        (
            {"posterior": "categorical", "prior": "categorical"},
            {"objective": PenalisedObjective(BetaObjective(1.0), Discrepancy())},
            "VAEModule: draws of CategoricalLatent have no gradient; choose DiagonalPosterior",
        ),
        (
            {"posterior": "full"},
            {"objective": PenalisedObjective(BetaObjective(1.0), TotalCorrelation(n_train=N, n_val=N))},
            "PenalisedObjective takes a product of normals, not FullNormal; choose DiagonalPosterior",
        ),
        (
            {"prior": "mixture"},
            {"objective": FreeBitsObjective(1.0, free=0.5, per_unit=True)},
            "FreeBitsObjective: R of DiagonalNormal and Mixture has no closed form by units; give per_unit=False",
        ),
        (
            {"posterior": "deterministic", "beta": 0.0},
            {"gradient": Sticking()},
            "VAEModule(gradient=Sticking(...)) takes ln q(z|x), which Point does not have; leave it out",
        ),
    ],
)
@pytest.mark.parametrize("flags", [{}, {"num_sanity_val_steps": 0}])
def test_a_posterior_that_the_aim_does_not_fit_is_refused_before_a_step(parts, settings, says, flags):
    made = vae_rd.VAEModule(network(**parts), **settings)
    before = copy.deepcopy(made.state_dict())
    with pytest.raises(InputError, match=f"^{re.escape(says)}$"):
        fitted(*loaders(), of=made, **flags)
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


def test_draws_and_batches_that_are_too_few_are_refused():
    with pytest.raises(InputError, match=r"^VAEModule\(gradient=ScoreFunction\(\.\.\.\)\) has .*; give samples=2$"):
        module(gradient=ScoreFunction())
    made = vae_rd.VAEModule(network(), PenalisedObjective(BetaObjective(1.0), Discrepancy()))
    with pytest.raises(InputError, match=r"^VAEModule: a batch of 1: PenalisedObjective compares .*; give 2 or more$"):
        fitted(DataLoader(Examples(TRAIN, "x"), 1), of=made)
