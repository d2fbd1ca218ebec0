"""A whole run, in process: what it leaves behind, how it goes on, and the Python way in."""

import csv
import itertools
import json
import math
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from families import gaussian_data
from reference import EIGENVALUES, S2, water_filling

import vae_rd
from vae_rd import build, experiment
from vae_rd.callbacks.folder import CheckpointKeeper
from vae_rd.cli import parse
from vae_rd.config import FitConfig, run_name
from vae_rd.data import module
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.data.sprites import sprites
from vae_rd.distributions import DiagonalNormal
from vae_rd.errors import InputError, Interrupted
from vae_rd.evaluation import evaluate_split
from vae_rd.folders import KEPT, LAST, claim
from vae_rd.lazy import LazyDistribution
from vae_rd.likelihoods import BernoulliLikelihood
from vae_rd.model import VAE, Decoder
from vae_rd.priors import StandardNormalPrior
from vae_rd.records import RunRecord
from vae_rd.summary import summary_lines

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


@pytest.fixture
def toy(tmp_path):
    """A config of a few seconds, with changes."""

    def make(**changes) -> FitConfig:
        settings = {"n_train": 256, "hidden": [8], "latent_dim": 2, "batch_size": 64, "max_epochs": 3}
        settings |= {"wandb": "off", "eval_samples": 2}
        return FitConfig(**{**settings, "run_dir": str(tmp_path / "runs"), "lr": 1e-2, **changes})

    return make


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as stream:
        return list(csv.DictReader(stream))


def only_run(config: FitConfig) -> Path:
    (folder,) = Path(config.run_dir).iterdir()
    return folder


@pytest.fixture
def interrupt(monkeypatch):
    """Make the next fit receive a signal after its step `step`."""

    build_module = build.build_module

    def arm(step: int, signum: int) -> None:
        def with_signal(*args, after_step, **kwargs):
            steps = itertools.count(1)

            def raise_then_check() -> None:
                if next(steps) == step:
                    signal.raise_signal(signum)
                after_step()

            return build_module(*args, after_step=raise_then_check, **kwargs)

        monkeypatch.setattr(build, "build_module", with_signal)

    return arm


def test_a_run_leaves_a_record_that_stands_alone(toy):
    config = toy(beta=4.0)
    returned = vae_rd.fit_model(config)
    folder = only_run(config)
    content = json.loads((folder / "record.json").read_text())
    assert RunRecord.read(folder) == returned
    assert content["schema_version"] == 1
    assert content["status"] == "finished"
    assert content["units"] == "nats"
    assert content["config"]["beta"] == 4.0
    assert content["data"]["n"] == {"train": 256, "val": 3584, "test": 3584}
    assert content["data"]["entropy"]["test"]["value"] == pytest.approx(math.log(3584))
    assert content["verdicts"]["fit"] is None
    assert content["environment"]["packages"]["torch"] == torch.__version__
    assert content["seconds"] > 0
    for split in ("train", "val", "test"):
        for name in ("distortion", "rate", "elbo", "objective", "mutual_information_lower", "marginal_kl_upper"):
            entry = content["metrics"][split][name]
            assert math.isfinite(entry["value"])
            assert entry["stderr"] >= 0
            assert entry["n"] == content["data"]["n"][split]
        assert len(content["metrics"][split]["rate_per_dim"]["value"]) == 2
    assert sorted(p.name for p in folder.rglob("*") if p.is_file()) == [
        "config.yaml",
        "history.csv",
        "kept.ckpt",
        "last.ckpt",
        "last.previous.ckpt",
        "record.json",
    ]


def test_history_has_a_row_an_epoch_under_the_contract_s_names(toy):
    config = toy(max_epochs=4, val_every=2, beta_warmup=6, beta=2.0)
    vae_rd.fit_model(config)
    rows = history(only_run(config))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2, 3]
    assert [int(row["step"]) for row in rows] == [4, 8, 12, 16]
    assert [float(row["beta_effective"]) for row in rows] == pytest.approx([2 * 4 / 6, 2, 2, 2])
    assert float(rows[-1]["lr"]) == pytest.approx(0.0, abs=1e-12)
    names = ("distortion", "rate", "elbo", "objective", "loss", "active_units")
    assert list(rows[0])[:16] == ["epoch", "step", "beta_effective", "lr"] + [
        f"{s}/{n}" for s in ("train", "val") for n in names
    ]
    assert all(row["train/distortion"] and row["train/rate_dim_1"] for row in rows)
    assert [bool(row["val/distortion"]) for row in rows] == [False, True, False, True]
    last = rows[-1]
    assert float(last["val/objective"]) == pytest.approx(float(last["val/distortion"]) + 2 * float(last["val/rate"]))
    assert float(last["val/rate"]) == pytest.approx(sum(float(last[f"val/rate_dim_{d}"]) for d in (0, 1)))
    # During warm-up the loss is not the objective, afterwards it is.
    assert float(rows[0]["train/loss"]) < float(rows[0]["train/objective"])
    assert float(rows[3]["train/loss"]) == pytest.approx(float(rows[3]["train/objective"]))


@pytest.fixture
def saved(monkeypatch):
    """Feed a CheckpointKeeper the validation objectives of epochs; returns (epoch, file) in the order of saving."""
    order: list[tuple[int, str]] = []

    class FakeTrainer:
        should_stop = False
        current_epoch = 0

        def save_checkpoint(self, path: Path, weights_only: bool = False) -> None:
            order.append((self.current_epoch, path.stem))

    def feed(objectives: list[float | None], *, warmup_epochs: int = 0, patience: int | None = None):
        fitted = build.build_module(FitConfig(), build.build_model(FitConfig(hidden=[2]), sprites_card()), steps=9)
        keeper, trainer = CheckpointKeeper(Path(), patience=patience), FakeTrainer()
        for epoch, value in enumerate(objectives):
            trainer.current_epoch = epoch
            fitted.epoch_values = {} if value is None else {"val/objective": value}
            monkeypatch.setattr(fitted.objective, "is_annealing", lambda step, e=epoch: e < warmup_epochs)
            keeper.on_train_epoch_end(trainer, fitted)
            if trainer.should_stop:
                break
        return [epoch for epoch, name in order if name == "kept"], [epoch for epoch, name in order if name == "last"]

    return feed


def sprites_card():
    return DataSet(sprites(), FitConfig()).card


def test_kept_is_the_lowest_validation_objective(saved):
    assert saved([5.0, 3.0, 4.0, 2.0, 2.0]) == ([0, 1, 3], [0, 1, 2, 3, 4])


def test_nothing_is_kept_during_warmup_nor_without_validation(saved):
    assert saved([1.0, 9.0, None, 8.0, 8.5], warmup_epochs=1) == ([1, 3], [0, 1, 2, 3, 4])


def test_patience_counts_validations_after_warmup(saved):
    assert saved([1.0, 9.0, 9.5, None, 9.5, 1.0], warmup_epochs=1, patience=2)[1] == [0, 1, 2, 3, 4]


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
    again = evaluate_split(model, build.build_data(config), "test", beta=config.beta, seed=config.seed, samples=2)
    assert again["distortion"]["value"] == pytest.approx(record.metrics["test"]["distortion"]["value"], rel=1e-6)
    assert again["rate"]["value"] == pytest.approx(record.metrics["test"]["rate"]["value"], rel=1e-6)


def test_runs_with_equal_seeds_are_equal_and_with_others_are_not(toy, tmp_path):
    texts = []
    for run_dir, seed in (("a", 1), ("b", 1), ("c", 2)):
        config = toy(run_dir=str(tmp_path / run_dir), seed=seed)
        vae_rd.fit_model(config)
        texts.append((only_run(config) / "history.csv").read_text())
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(toy, tmp_path, interrupt, schedule):
    whole = toy(run_dir=str(tmp_path / "whole"), max_epochs=5, lr_schedule=schedule, patience=50)
    vae_rd.fit_model(whole)
    parts = toy(run_dir=str(tmp_path / "parts"), max_epochs=5, lr_schedule=schedule, patience=50, resume="auto")
    interrupt(3 * 4 + 2, signal.SIGTERM)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(parts)
    folder = only_run(parts)
    record = RunRecord.read(folder)
    assert record.status == "interrupted"
    assert len(history(folder)) == 3
    interrupt(0, signal.SIGTERM)
    vae_rd.fit_model(parts)
    assert (folder / "history.csv").read_text() == (only_run(whole) / "history.csv").read_text()
    for file in (KEPT, LAST):
        ours, theirs = (torch.load(f / file, weights_only=True)["state_dict"] for f in (folder, only_run(whole)))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert RunRecord.read(folder).metrics == RunRecord.read(only_run(whole)).metrics
    assert RunRecord.read(folder).status == "finished"
    assert list(folder.rglob("*.tmp")) == []


@pytest.mark.parametrize("ending", [{}, {"max_steps": 10}, {"patience": 1, "lr": 1.0, "max_epochs": 30}])
def test_a_run_stopped_in_its_evaluation_trains_no_further(toy, tmp_path, monkeypatch, ending):
    settings = {"lr_schedule": "constant", **ending}
    whole = toy(run_dir=str(tmp_path / "whole"), **settings)
    vae_rd.fit_model(whole)
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "evaluate_split", lambda *a, **k: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(Interrupted):
            vae_rd.fit_model(toy(**settings))
    record = vae_rd.fit_model(toy(**settings, resume="auto"))
    assert (only_run(toy()) / "history.csv").read_text() == (only_run(whole) / "history.csv").read_text()
    assert record.metrics == RunRecord.read(only_run(whole)).metrics


def test_diverged_training_is_a_failure_that_says_so(toy):
    with pytest.raises(FloatingPointError, match="lower --lr"):
        vae_rd.fit_model(toy(lr=1e30))
    assert RunRecord.read(only_run(toy())).status == "failed"


def test_resume_auto_on_a_finished_run_changes_nothing(toy):
    config = toy(resume="auto")
    vae_rd.fit_model(config)
    before = {p: p.stat().st_mtime_ns for p in only_run(config).rglob("*")}
    assert vae_rd.fit_model(config).status == "finished"
    assert {p: p.stat().st_mtime_ns for p in only_run(config).rglob("*")} == before


def test_an_existing_run_is_refused_replaced_or_refused_by_field(toy):
    config = toy(name="mine")
    vae_rd.fit_model(config)
    folder = only_run(config)
    with pytest.raises(InputError, match="this run exists"):
        vae_rd.fit_model(config)
    with pytest.raises(InputError, match=r"has lr 0.01 \(now 0.02\), seed 0 \(now 3\)"):
        vae_rd.fit_model(toy(name="mine", lr=0.02, seed=3, resume="auto"))
    (folder / "mark").touch()
    vae_rd.fit_model(toy(name="mine", lr=0.02, overwrite=True))
    assert not (folder / "mark").exists()
    assert RunRecord.read(folder).config["lr"] == 0.02


def test_overwrite_never_removes_a_folder_that_is_no_run(toy, tmp_path):
    precious = tmp_path / "runs" / "mine" / "thesis.tex"
    precious.parent.mkdir(parents=True)
    precious.touch()
    with pytest.raises(InputError, match="holds files but no record"):
        vae_rd.fit_model(toy(name="mine", overwrite=True))
    assert precious.exists()


def test_an_interrupted_run_may_be_given_more_epochs(toy, interrupt):
    interrupt(4 + 3, signal.SIGINT)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(toy(name="mine"))
    interrupt(0, signal.SIGINT)
    vae_rd.fit_model(toy(name="mine", max_epochs=4, resume="auto"))
    assert len(history(only_run(toy()))) == 4


def test_a_failure_leaves_its_traceback_and_a_true_record(toy, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(experiment, "evaluate_split", broken)
    with pytest.raises(RuntimeError):
        vae_rd.fit_model(toy())
    folder = only_run(toy())
    assert RunRecord.read(folder).status == "failed"
    assert RunRecord.read(folder).error == "RuntimeError: out of luck"
    assert "out of luck" in (folder / "error.log").read_text()


@pytest.mark.parametrize("block", [1, 2, 25])
def test_blocks_of_steps_do_not_change_a_run(toy, tmp_path, monkeypatch, block):
    config = toy(run_dir=str(tmp_path / "default"), grad_clip=1.0)
    vae_rd.fit_model(config)
    monkeypatch.setattr(module, "BLOCK", block)
    vae_rd.fit_model(toy(grad_clip=1.0))
    assert (only_run(toy()) / "history.csv").read_text() == (only_run(config) / "history.csv").read_text()


def test_gradients_are_clipped(toy):
    config = toy(grad_clip=0.5, max_epochs=1)
    norms = []
    model = build.build_model(config, sprites_card())
    fit = build.build_module

    def spying(*args, after_step, **kwargs):
        def measure() -> None:
            norms.append(torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item())
            after_step()

        return fit(*args, after_step=measure, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "build_module", spying)
        vae_rd.fit_model(config, model=model)
    assert len(norms) == 4
    assert norms == pytest.approx([0.5] * 4, rel=1e-4)


def test_the_learning_rate_follows_half_a_cosine(toy):
    config = toy(max_epochs=4, lr=0.1)
    vae_rd.fit_model(config)
    rates = [float(row["lr"]) for row in history(only_run(config))]
    assert rates == pytest.approx([0.05 * (1 + math.cos(math.pi * step / 16)) for step in (4, 8, 12, 16)], abs=1e-12)


def test_max_steps_ends_within_an_epoch_with_a_validation(toy):
    config = toy(max_epochs=60, max_steps=6)
    record = vae_rd.fit_model(config)
    rows = history(only_run(config))
    assert [int(row["step"]) for row in rows] == [4, 6]
    assert rows[-1]["val/objective"]
    assert record.status == "finished"


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 257},
        {"beta_warmup": 13},
        {"beta_warmup": 5, "val_every": 3, "max_epochs": 5, "max_steps": 4},
        {"beta_warmup": 0, "val_every": 4},
        {"eval_samples": 1},
        {"likelihood": "gaussian"},
    ],
)
def test_input_that_does_not_fit_the_data_is_refused_before_anything_is_written(toy, tmp_path, changes):
    with pytest.raises(InputError, match="--" + next(iter(changes))) as refusal:
        vae_rd.fit_model(toy(**changes))
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_asked_for_and_absent_is_refused(toy):
    with pytest.raises(InputError, match="--accelerator gpu"):
        vae_rd.fit_model(toy(accelerator="gpu"))


@pytest.mark.parametrize(
    ("support", "likelihood", "word"),
    [("grey", "bernoulli", "binarization"), ("real", "bernoulli", "gaussian"), ("binary", "gaussian", "bernoulli")]
    + [("grey", name, "dequantize") for name in ("gaussian_shared", "gaussian_pixel", "gaussian_optimal")],
)
def test_a_likelihood_that_cannot_score_the_data_is_refused(support, likelihood, word):
    levels = {"grey": 256, "real": None, "binary": 2}[support]
    pixels = torch.randint(2, (20, 1, 2, 2), dtype=torch.uint8)
    pixels = pixels.float() if levels is None else pixels
    data = DataSet(Source("npz", dict.fromkeys(("train", "val", "test"), pixels), levels=levels), FitConfig())
    with pytest.raises(InputError, match=word):
        build.check_likelihood(FitConfig(likelihood=likelihood), data.card)


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian_shared", "gaussian_pixel", "gaussian_optimal"])
def test_every_grey_likelihood_trains_on_dequantised_images_of_one_s_own(toy, tmp_path, likelihood):
    images = (np.linspace(0, 250, 64 * 5 * 6 * 3).reshape(64, 5, 6, 3) % 251).astype(np.uint8)
    np.savez(tmp_path / "mine.npz", images=images)
    config = toy(
        data="npz",
        data_file=str(tmp_path / "mine.npz"),
        dequantize="uniform",
        likelihood=likelihood,
        likelihood_scale=0.1,
        n_train=None,
        batch_size=16,
        encoder="conv",
        decoder="conv",
        max_epochs=8,
    )
    record = vae_rd.fit_model(config)
    rows = history(only_run(config))
    assert float(rows[-1]["train/distortion"]) < float(rows[0]["train/distortion"])
    assert record.data["shape"] == [3, 5, 6]
    assert record.data["pixel_scale"] == "(k + u) / 256"
    weight = record.model["squared_error_weight"]
    if likelihood == "gaussian_pixel":
        assert weight is None
    else:
        assert weight == pytest.approx(50) if likelihood == "gaussian" else 0 < weight < 50
        assert f"C = 1 / (2 scale^2) = {weight:g}" in "\n".join(summary_lines(record, only_run(config)))


@pytest.mark.parametrize("precision", ["64", "bf16"])
def test_other_precisions_train_to_about_the_same_place(toy, precision, tmp_path):
    single = vae_rd.fit_model(toy(run_dir=str(tmp_path / "single"))).metrics["test"]["distortion"]
    other = vae_rd.fit_model(toy(precision=precision)).metrics["test"]["distortion"]
    assert other["value"] == pytest.approx(single["value"], rel=0.03)
    assert torch.get_default_dtype() == torch.float32
    stored = {"64": torch.float64, "bf16": torch.float32}[precision]
    assert {p.dtype for p in vae_rd.load(only_run(toy())).parameters()} == {stored}


class OwnEncoder(LazyDistribution):
    """A network of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(4))

    def forward(self, context: torch.Tensor) -> DiagonalNormal:
        return DiagonalNormal(*self.net(context).chunk(2, dim=-1))


def own_network() -> VAE:
    decoder = torch.nn.Sequential(torch.nn.Linear(2, 256), torch.nn.Unflatten(1, (1, 16, 16)))
    model = VAE(OwnEncoder(), Decoder(decoder, BernoulliLikelihood()), StandardNormalPrior(2), latent_dim=2)
    model.encoder(torch.zeros(1, 1, 16, 16))
    return model


def test_one_s_own_network_and_data(toy):
    pixels = torch.randint(2, (100, 1, 16, 16), dtype=torch.uint8)
    data = DataSet(Source("npz", dict.fromkeys(("train", "val", "test"), pixels), levels=2), FitConfig())
    config, model = toy(n_train=None, batch_size=50), own_network()
    record = vae_rd.fit_model(config, model=model, data=data)
    assert record.data["n"]["train"] == 100
    with pytest.raises(InputError, match="pass that network as model"):
        vae_rd.load(only_run(config))
    loaded = vae_rd.load(only_run(config), model=own_network())
    assert torch.equal(loaded.encoder.net[1].weight, model.encoder.net[1].weight)


@pytest.mark.parametrize(
    "changes", [{"data": "cifar"}, {"encoder": "transformer"}, {"wandb": "sometimes"}, {"hidden": "512"}, {"lr": None}]
)
def test_the_python_way_in_checks_its_config_too(toy, tmp_path, changes):
    with pytest.raises(InputError, match="--" + next(iter(changes))):
        vae_rd.fit_model(toy(**changes))
    assert not (tmp_path / "runs").exists()


def test_python_and_command_line_give_equal_configs_equal_names(toy):
    vae_rd.fit_model(toy(lr=1, weight_decay=0, grad_clip=5, max_epochs=1))
    typed = parse(["--lr", "1", "--grad_clip", "5"]).config
    settings = {k: v for k, v in vars(toy(max_epochs=1)).items() if k not in ("lr", "weight_decay", "grad_clip")}
    assert only_run(toy()).name == run_name(FitConfig(**{**vars(typed), **settings}))


@pytest.mark.parametrize("damage", [b"", b"garbage", b"PK\x03\x04"])
def test_a_damaged_last_checkpoint_is_refused_before_anything_is_written(toy, interrupt, damage):
    interrupt(6, signal.SIGTERM)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(toy())
    folder = only_run(toy())
    (folder / LAST).write_bytes(damage)
    before = (folder / "record.json").read_bytes()
    with pytest.raises(InputError, match="damaged, no checkpoint can be read"):
        vae_rd.fit_model(toy(resume="auto"))
    assert (folder / "record.json").read_bytes() == before


@pytest.mark.parametrize(("key", "value"), [("config", [1]), ("seconds", "y"), ("metrics", None), ("wandb", 3)])
def test_a_damaged_record_is_refused(toy, key, value):
    vae_rd.fit_model(toy())
    path = only_run(toy()) / "record.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(InputError, match=f"damaged, {key} cannot be right"):
        RunRecord.read(path.parent)


def test_a_number_that_is_not_finite_is_null_in_the_record(toy):
    pixels = torch.randn(40, 1, 2, 2)
    images = {"train": pixels, "val": pixels, "test": pixels.clone()}
    images["test"][0] = 1e25
    data = DataSet(Source("npz", images, levels=None), FitConfig())
    record = vae_rd.fit_model(toy(n_train=None, batch_size=20, likelihood="gaussian"), data=data)
    stored = RunRecord.read(only_run(toy()))
    assert stored.status == "finished"
    assert stored.metrics["test"]["distortion"]["value"] is None
    assert stored.metrics["val"]["distortion"]["value"] is not None
    assert "undefined" in "\n".join(summary_lines(record, only_run(toy())))


@pytest.mark.parametrize("grid", [np.arange(154) / 153, np.arange(8) / 7, np.arange(256) / 127.5 - 1])
def test_a_learned_scale_is_refused_on_any_grid(toy, tmp_path, grid):
    np.savez(tmp_path / "grid.npz", images=np.random.default_rng(0).choice(grid, (80, 12, 12)).astype(np.float32))
    config = toy(data="npz", data_file=str(tmp_path / "grid.npz"), n_train=None, batch_size=20)
    with pytest.raises(InputError, match="repeating values"):
        vae_rd.fit_model(replace(config, likelihood="gaussian_shared"))
    vae_rd.fit_model(replace(config, likelihood="gaussian"))


def test_bfloat16_keeps_rates_positive(toy):
    config = toy(precision="bf16", beta=1000.0, max_epochs=15)
    vae_rd.fit_model(config)
    rates = [
        float(row[f"{s}/rate_dim_{d}"]) for row in history(only_run(config)) for s in ("train", "val") for d in (0, 1)
    ]
    assert min(rates) > -1e-6


@pytest.mark.parametrize("beta", [3.0, 10.0])
def test_training_reaches_the_water_filling_optimum(toy, beta):
    """A wrong weight of beta, or a sum taken for a mean, would train to the optimum of another beta."""
    data, exact = gaussian_data(5000, population=True), water_filling(EIGENVALUES, s2=S2, beta=beta)
    config = toy(
        n_train=None, encoder="linear", decoder="linear", hidden=None, latent_dim=6, likelihood="gaussian", beta=beta
    )
    config = replace(config, likelihood_scale=math.sqrt(S2), batch_size=500, max_epochs=200, lr=0.02, val_every=20)
    test = vae_rd.fit_model(config, data=data).metrics["test"]
    constant = 3 * math.log(2 * math.pi * S2)
    sse = 2 * S2 * (test["distortion"]["value"] - constant)
    assert test["rate"]["value"] == pytest.approx(exact["rate"], rel=0.02)
    assert sse == pytest.approx(exact["sse"], rel=0.02)
    assert test["active_units"]["value"] == exact["active"]


def test_load_refuses_what_is_no_run(tmp_path, toy):
    with pytest.raises(InputError, match="no run record"):
        vae_rd.load(tmp_path)
    vae_rd.fit_model(toy())
    folder = only_run(toy())
    (folder / KEPT).write_bytes((folder / KEPT).read_bytes()[:2000])
    with pytest.raises(InputError, match="damaged"):
        vae_rd.load(folder)
    (folder / KEPT).write_text("garbage")
    with pytest.raises(InputError, match="damaged"):
        vae_rd.load(folder)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_file_is_parsed_built_and_stepped(path, tmp_path):
    """On stand-in pixels of the data set's own size and levels, so that no file is needed."""
    flags = {"max_epochs": 1, "batch_size": 16, "val_every": 1, "beta_warmup": 1, "n_test": 16}
    flags |= {"run_dir": str(tmp_path), "wandb": "off"}
    config = parse(["--config", str(path), *(f"--{name}={value}" for name, value in flags.items())]).config
    record = vae_rd.fit_model(config, data=stand_in(config))
    assert record.status == "finished"


def stand_in(config: FitConfig) -> DataSet | None:
    """Random pixels in place of a data set's files; None for a source that has none."""
    shapes = {"mnist": (1, 28, 28, 256), "static_mnist": (1, 28, 28, 2), "omniglot": (1, 28, 28, 256)}
    shapes |= {"cmu_faces": (1, 60, 64, 154), "sprites": (1, 16, 16, 2)}
    if config.data not in shapes:
        return None
    *shape, levels = shapes[config.data]
    pixels = torch.randint(levels, (32, *shape), dtype=torch.uint8)
    return DataSet(Source(config.data, dict.fromkeys(("train", "val", "test"), pixels), levels=levels), config)


def test_config_files_hold_only_differences_from_the_defaults():
    defaults = vars(FitConfig())
    for path in CONFIGS:
        for name, value in yaml.safe_load(path.read_text()).items():
            assert name == "data" or defaults[name] != value, f"{path.name}: {name} is the default"


def test_claim_decides_without_touching_the_disk(toy, tmp_path):
    assert claim(toy()).action == "start"
    assert not (tmp_path / "runs").exists()
