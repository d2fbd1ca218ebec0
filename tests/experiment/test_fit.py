"""A whole run, in process: what it leaves behind, and the Python way in."""

import json
import math
from importlib.metadata import version

import pytest
import torch

import vae_rd
from vae_rd.config.cli import parse
from vae_rd.config.fields import FitConfig, choices
from vae_rd.config.names import run_name
from vae_rd.data import module
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.errors import InputError
from vae_rd.experiment import build, splits
from vae_rd.model.coders import Decoder
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.model.vae import VAE
from vae_rd.run.folder import KEPT
from vae_rd.run.record import RunRecord
from vae_rd.run.summary import summary_lines

from helpers.families import sprites_card
from helpers.runs import history, only_run


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
    assert content["verdicts"]["fit"]["verdict"] == "underfitting"  # Eight units, twelve steps: R is far below linear.
    assert content["environment"]["packages"]["torch"] == version("torch")
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
        "index.json",
        "kept.ckpt",
        "last.ckpt",
        "last.previous.ckpt",
        "latents.npz",
        "reconstructions_0002.png",
        "record.json",
        "samples_0002.png",
        "traversals_0002.png",
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


def test_a_single_unit_has_its_rate_as_the_sum(toy):
    """torchmetrics makes a scalar of what has one element."""
    config = toy(latent_dim=1)
    record = vae_rd.fit_model(config)
    rows = history(only_run(config))
    assert len(rows) == 3
    for split in ("train", "val"):
        assert [float(row[f"{split}/rate_dim_0"]) for row in rows] == pytest.approx(
            [float(row[f"{split}/rate"]) for row in rows]
        )
    test = record.metrics["test"]
    assert test["rate_per_dim"]["value"] == pytest.approx([test["rate"]["value"]])
    assert test["active_units"]["value"] in (0, 1)


def test_runs_with_equal_seeds_are_equal_and_with_others_are_not(toy, tmp_path):
    texts = []
    for run_dir, seed in (("a", 1), ("b", 1), ("c", 2)):
        config = toy(run_dir=str(tmp_path / run_dir), seed=seed)
        vae_rd.fit_model(config)
        texts.append((only_run(config) / "history.csv").read_text())
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_diverged_training_is_a_failure_that_says_so(toy):
    with pytest.raises(FloatingPointError, match="lower --lr"):
        vae_rd.fit_model(toy(lr=1e30))
    assert RunRecord.read(only_run(toy())).status == "failed"


def test_a_failure_leaves_its_traceback_and_a_true_record(toy, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(splits, "evaluate_split", broken)
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


def along(schedule: str, share: float) -> float:
    """What is left of the learning rate after this share of the steps."""
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return (1 + math.cos(math.pi * share)) / 2
    if share < 0.3:
        return 1 / 25 + 24 / 25 * (1 - math.cos(math.pi * share / 0.3)) / 2
    return (1 + math.cos(math.pi * (share - 0.3) / 0.7)) / 2


@pytest.mark.parametrize("schedule", choices("lr_schedule"))
def test_the_learning_rate_follows_its_schedule(schedule, toy):
    config = toy(max_epochs=4, lr=0.1, lr_schedule=schedule)
    vae_rd.fit_model(config)
    rates = [float(row["lr"]) for row in history(only_run(config))]
    assert rates == pytest.approx([0.1 * along(schedule, step / 16) for step in (4, 8, 12, 16)], abs=1e-12)


def test_max_steps_ends_within_an_epoch_with_a_validation(toy):
    config = toy(max_epochs=60, max_steps=10, val_every=2)
    record = vae_rd.fit_model(config)
    rows = history(only_run(config))
    assert [int(row["step"]) for row in rows] == [4, 8, 10]
    assert [bool(row["val/objective"]) for row in rows] == [False, True, True]
    assert record.status == "finished"


OTHERS = [{"objective": "multirate"}, {"objective": "trajectory", "trajectory": [0.5, 2.0]}]


@pytest.mark.parametrize("flags", [{}, *OTHERS], ids=str)
def test_the_last_epoch_is_validated_and_may_be_the_one_that_is_kept(toy, flags):
    config = toy(max_epochs=5, val_every=3, **flags)
    kept = vae_rd.fit_model(config).model["kept_epoch"]
    rows = history(only_run(config))
    assert [bool(row["val/objective"]) for row in rows] == [False, False, True, False, True]
    assert kept == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 257},
        {"beta_warmup": 13},
        {"beta_warmup": 5, "max_epochs": 5, "max_steps": 4},
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
    data = DataSet(Source("npz", dict.fromkeys(("train", "val", "test"), pixels), levels=2))
    config, model = toy(n_train=None, batch_size=50), own_network()
    record = vae_rd.fit_model(config, model=model, data=data)
    assert record.data["n"]["train"] == 100
    with pytest.raises(InputError, match="give it as model="):
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


def test_a_number_that_is_not_finite_is_null_in_the_record(toy):
    pixels = torch.randn(40, 1, 2, 2)
    images = {"train": pixels, "val": pixels, "test": pixels.clone()}
    images["test"][0] = 1e25
    data = DataSet(Source("npz", images, levels=None))
    record = vae_rd.fit_model(toy(n_train=None, batch_size=20, likelihood="gaussian"), data=data)
    stored = RunRecord.read(only_run(toy()))
    assert stored.status == "finished"
    assert stored.metrics["test"]["distortion"]["value"] is None
    assert stored.metrics["val"]["distortion"]["value"] is not None
    assert "undefined" in "\n".join(summary_lines(record, only_run(toy())))


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
