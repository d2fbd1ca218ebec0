"""RateDistortionCallback in LightningModules of others: its numbers against `rate_distortion` and `evaluate_split`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    SubsetRandomSampler,
)

import vae_rd
from analysis import curves, load_runs, plane, table
from vae_rd.experiment import build
from vae_rd.foreign.subsets import few_of, size_of
from vae_rd.metrics.split import evaluate_split
from vae_rd.run.record import RunRecord

from helpers.users import (
    PIXELS,
    QUIET,
    Functional,
    Logging,
    TwoOptimisers,
    fitted,
    functional_terms,
    images,
    loader,
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
    return vae_rd.rate_distortion(x, encoder=lambda x: returned(x)[-2], decoder=decode, **{"split": "val", **given})


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
    assert (record.data["shape"], record.data["support"]) == ([12], "binary")
    assert record.verdicts["collapse"]["state"]
    rows = load_runs([folder])
    assert f"{best['val/distortion']:.4g} ±" in table(rows, split="val")
    for draw in (curves, plane) if folder.name == "functional" else ():
        assert draw(rows, **({"split": "val"} if draw is plane else {})).axes


def test_our_own_model_inside_another_module_has_evaluate_splits_numbers(toy: Any) -> None:
    config = toy(n_train=None, n_test=3000, latent_dim=3)  # Whose val is the last that is the population.
    data = build.build_data(config)
    ours = build.build_model(config, data.card)

    class Wrapped(Functional):
        def __init__(self) -> None:
            super().__init__()
            self.ours = ours

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            terms = self.ours.terms(batch, self.ours.noise(1, batch, torch.Generator().manual_seed(batch_idx)))
            return (terms.distortion + terms.rate).mean()

    def terms(module: Any, batch: Tensor) -> Any:
        q = ours.encoder(batch)
        normal = Independent(Normal(q.mu, q.variance.sqrt()), 1)
        return normal, lambda z: Independent(Bernoulli(logits=ours.decoder(z).logits), 3)

    x = torch.cat([data.evaluation_chunk("val", chunk) for chunk in range(data.chunks("val"))])
    rd = vae_rd.RateDistortionCallback(terms, seed=5, information_examples=len(x))
    fitted(Wrapped(), rd, epochs=1, loaders=[DataLoader(x, 200), DataLoader(x, 70)])
    assert rd.result is not None
    exact = evaluate_split(ours, data, "val", slope=1.0, seed=5, samples=1)
    names = ("distortion", "distortion_monte_carlo", "rate", "rate_monte_carlo", "elbo", "mutual_information_lower")
    for name in names:
        assert rd.result[name]["value"] == pytest.approx(exact[name]["value"], rel=1e-6), name
        assert rd.result[name]["n"] == exact[name]["n"]
    assert rd.result["rate_per_dim"]["value"] == pytest.approx(exact["rate_per_dim"]["value"], rel=1e-5)


class Seeded(Functional):
    """Whose noise in training is the step's own, so that a resumed fit repeats it."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        torch.manual_seed(self.global_step)
        return super().training_step(batch, batch_idx)


def test_training_is_the_same_with_and_without_it() -> None:
    weights = []
    for callbacks in ([], [vae_rd.RateDistortionCallback(logging_terms)]):
        module = Logging()  # With dropout and batch statistics, whose draws and running means it must not touch.
        fitted(module, *callbacks)
        weights.append(torch.cat([value.flatten().double() for value in module.state_dict().values()]))
    assert torch.equal(*weights)


def test_a_resumed_fit_has_the_history_and_the_record_of_an_unbroken_one(tmp_path: Path) -> None:
    def callback(name: str) -> Any:
        return vae_rd.RateDistortionCallback(functional_terms, folder=tmp_path / name)

    fitted(Seeded(), callback("whole"), epochs=4)
    saving = ModelCheckpoint(tmp_path, "{epoch}", monitor="val/objective", save_top_k=-1)
    fitted(Seeded(), callback("broken"), saving, epochs=2, enable_checkpointing=True)
    (path,) = tmp_path.glob("epoch=1*.ckpt")
    fitted(Seeded(), callback("broken"), epochs=4, ckpt_path=path)
    whole, broken = (tmp_path / name for name in ("whole", "broken"))
    assert (whole / "history.csv").read_bytes() == (broken / "history.csv").read_bytes()
    assert len(pd.read_csv(broken / "history.csv")) == 4
    records = [RunRecord.read(folder) for folder in (whole, broken)]
    assert records[0].metrics == records[1].metrics
    assert records[0].model["kept_epoch"] == records[1].model["kept_epoch"] == 3


def test_early_stopping_checkpoints_and_loggers_see_what_it_logs(tmp_path: Path) -> None:
    class Worse(Functional):
        """Its decoder forgets as it is trained."""

        def on_train_epoch_end(self) -> None:
            self.dec.weight.data.mul_(0.5)
            self.dec.bias.data.sub_(1.0)

    stop = EarlyStopping("val/objective", patience=1)
    saving = ModelCheckpoint(tmp_path, "best", monitor="val/objective")
    logger = CSVLogger(tmp_path, version=0)
    rd = vae_rd.RateDistortionCallback(functional_terms, folder=tmp_path / "run")
    trainer = fitted(Worse(), rd, stop, saving, epochs=9, enable_checkpointing=True, logger=logger, log_every_n_steps=1)
    assert trainer.current_epoch < 8
    logged = pd.read_csv(Path(logger.log_dir) / "metrics.csv")
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    for name in ("val/distortion", "val/rate", "val/objective", "val/information", "train/rate", "val/rate_dim_2"):
        assert logged[name].dropna().tolist() == pytest.approx(history[name].tolist(), rel=1e-5), name
    best = history.loc[history["val/objective"].idxmin()]
    assert float(saving.best_model_score) == pytest.approx(best["val/objective"], rel=1e-6)  # type: ignore[arg-type]
    assert torch.load(saving.best_model_path, weights_only=False)["epoch"] == best["epoch"] == rd.epochs.kept_epoch


def test_collapse_is_said_while_training_and_in_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rd = vae_rd.RateDistortionCallback(functional_terms, beta=100.0, folder=tmp_path / "run")
    fitted(Functional(beta=100.0), rd, epochs=12)
    out = capsys.readouterr().out
    assert "beta 100 is more than a nat of z saves" in out
    assert out.count("note: epoch") == len(RunRecord.read(tmp_path / "run").verdicts["training"])
    assert RunRecord.read(tmp_path / "run").verdicts["collapse"]["state"] == "collapsed"


def test_of_several_validation_loaders_one_counts_and_all_are_logged() -> None:
    rd = vae_rd.RateDistortionCallback(functional_terms, dataloader=1)
    module = Functional()
    trainer = fitted(module, rd, epochs=1, loaders=[loader(64, 0), [loader(30, 5), loader(70, 6)]])
    for end, n, seed in (("/dataloader_idx_0", 30, 5), ("", 70, 6)):
        exact = measured(module, functional_terms, images(n, seed).tensors[0])
        for name in ("distortion", "rate"):
            found = float(trainer.callback_metrics[f"val/{name}{end}"])
            assert found == pytest.approx(exact[name]["value"], rel=1e-6)
    assert rd.result is not None
    assert rd.result["distortion"]["n"] == 70


def test_tensors_instead_of_distributions() -> None:
    def terms(module: Any, batch: Any) -> dict[str, Tensor]:
        mu, log_var = module.encode(batch[0])
        log_p = -F.binary_cross_entropy_with_logits(module.dec(mu), batch[0], reduction="none").sum(1)
        return {"log_px_z": log_p, "mean": mu, "log_var": log_var, "z": mu}

    module, rd = Functional(), vae_rd.RateDistortionCallback(terms)
    trainer = fitted(module, rd, epochs=1)
    mu, log_var = module.encode(images(620, 1).tensors[0])
    kl = kl_divergence(Normal(mu, (0.5 * log_var).exp()), Normal(0.0, 1.0)).sum(1).mean()
    assert float(trainer.callback_metrics["val/rate"]) == pytest.approx(float(kl), rel=1e-5)
    assert float(trainer.callback_metrics["train/rate"]) > 0
    assert rd.result is not None
    assert rd.result["mutual_information_lower"]["value"] is not None
    assert rd.result["rate"]["value"] is not None
    assert rd.result["rate_monte_carlo"]["value"] is None, "of the KL in closed form no draw was stated"


def test_a_mean_without_a_variance_leaves_what_takes_one_undefined() -> None:
    def terms(module: Any, batch: Any) -> dict[str, Tensor]:
        return {"distortion": batch[0].sum(1), "rate": batch[0].sum(1), "mean": 9 * module.encode(batch[0])[0]}

    fitted(Functional(), rd := vae_rd.RateDistortionCallback(terms), epochs=1)
    assert rd.result is not None
    assert rd.result["active_units"]["value"] == 3
    for name in ("variance_per_dim", "explained_variance_per_dim", "variance_ratio_per_dim"):
        assert rd.result[name]["value"] is None, name


@pytest.mark.parametrize("prior", [Normal(torch.tensor([1.0, 0.0, -1.0]), 2.0), lambda module: Normal(1.0, 2.0)])
def test_tensors_under_a_prior_of_ones_own(prior: Any) -> None:
    """R and Var q(z_d) / Var m(z_d) are those of (q, decode) under the same prior, not under N(0, I)."""

    def terms(module: Any, batch: Any) -> dict[str, Tensor]:
        mu, log_var = module.encode(batch[0])
        return {"distortion": batch[0].sum(1), "mean": mu, "log_var": log_var}

    found, exact = (vae_rd.RateDistortionCallback(of, prior=prior) for of in (terms, functional_terms))
    for rd in (found, exact):
        fitted(Functional(), rd, epochs=1)
    assert found.result is not None
    assert exact.result is not None
    for name in ("rate", "rate_per_dim"):
        assert found.result[name]["value"] == pytest.approx(exact.result[name]["value"], rel=1e-5)
    ratios = [rd.result["variance_ratio_per_dim"]["value"] for rd in (found, exact)]  # type: ignore[index]
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-5)


def test_a_decoder_that_is_given_labels_too() -> None:
    class Conditional(Functional):
        def __init__(self) -> None:
            super().__init__()
            self.of_label = nn.Embedding(2, PIXELS)

        def decode(self, z: Tensor, y: Tensor) -> Any:
            return Independent(Bernoulli(logits=self.dec(z) + self.of_label(y)), 1)

    def terms(module: Any, batch: Any) -> Any:
        _, y = batch
        return functional_terms(module, batch)[0], lambda z: module.decode(z, y)

    module, rd = Conditional(), vae_rd.RateDistortionCallback(terms)
    row = fitted(module, rd, epochs=1).callback_metrics
    assert {"val/shuffled_distortion", "val/information", "train/distortion"} <= row.keys()
    x, y = images(620, 1).tensors
    noise = rd.reading.noise("val", 620)
    q, decode = terms(module, (x, y))
    eps = noise.of(rd.reading.batch(module, (x, y)).model, x, torch.arange(620))[0]  # type: ignore[arg-type]
    d = -decode(q.base_dist.loc + q.base_dist.scale * eps).log_prob(x).mean()
    assert float(row["val/distortion"]) == pytest.approx(float(d), rel=1e-6)


class Stream(IterableDataset[Any]):
    """Images that no index reaches."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed = n, seed

    def __iter__(self) -> Any:
        yield from images(self.n, self.seed)


def test_streams_without_an_index_leave_out_what_takes_one() -> None:
    module, rd = Functional(), vae_rd.RateDistortionCallback(functional_terms)
    loaders = [DataLoader(Stream(64, 0), 16), DataLoader(Stream(500, 6), 16)]
    trainer = fitted(module, rd, epochs=1, loaders=loaders)
    exact = measured(module, functional_terms, images(500, 6).tensors[0])
    assert float(trainer.callback_metrics["val/distortion"]) == pytest.approx(exact["distortion"]["value"], rel=1e-6)
    assert not {"train/distortion", "val/shuffled_distortion"} & trainer.callback_metrics.keys()


class Whole(Dataset[Any]):
    """Whose items are batches."""

    def __init__(self, n: int, seed: int) -> None:
        self.parts = list(zip(*(values.split(64) for values in images(n, seed).tensors), strict=True))

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, place: int) -> Any:
        return self.parts[place]


@pytest.mark.parametrize("kind", ["items", "sampler", "collate"])
def test_loaders_whose_items_are_whole_batches(kind: str) -> None:
    loaders = {
        "items": lambda: DataLoader(Whole(620, 6), None),
        "sampler": lambda: DataLoader(images(620, 6), None, sampler=BatchSampler(range(620), 64, drop_last=False)),
        "collate": lambda: DataLoader(Whole(620, 6), 1, collate_fn=lambda items: items[0]),
    }
    rd = vae_rd.RateDistortionCallback(functional_terms)
    trainer = fitted(module := Functional(), rd, epochs=1, loaders=[loaders[kind](), loaders[kind]()])
    exact = measured(module, functional_terms, images(620, 6).tensors[0])
    assert rd.result is not None
    assert rd.result["distortion"]["n"] == rd.result.card.n["val"] == 620
    assert float(trainer.callback_metrics["val/rate"]) == pytest.approx(exact["rate"]["value"], rel=1e-6)
    error = exact["distortion"]["stderr"]  # Noise by chunks of another size, where nobody knows that of the last one.
    assert float(trainer.callback_metrics["val/distortion"]) == pytest.approx(exact["distortion"]["value"], abs=error)


def test_of_shares_that_nobody_deals_out_no_size_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    own = DataLoader(images(100, 0), 10, sampler=range(0, 100, 2))
    dealt = DataLoader(images(100, 0), 10, sampler=DistributedSampler(range(100), 2, 0))  # type: ignore[arg-type]
    assert (size_of(own), size_of(dealt)) == (50, 100)
    monkeypatch.setattr("vae_rd.foreign.subsets.world_size", lambda: 2)
    assert (size_of(own), size_of(dealt)) == (None, 100), "each process has 50 of its own"


def test_two_loaders_of_one_dataset_by_subset_samplers_keep_apart() -> None:
    data = images(100, 0)
    first, second = SubsetRandomSampler(range(60)), SubsetRandomSampler(range(60, 100))
    loaders = [DataLoader(data, 10, sampler=sampler) for sampler in (first, second)]
    assert set(few_of(loaders[0], 99, 0) or ()) == set(range(60))
    assert set(few_of(loaders[1], 20, 0) or ()) < set(range(60, 100))
    rd = vae_rd.RateDistortionCallback(functional_terms)
    fitted(Functional(), rd, epochs=1, loaders=loaders)
    assert rd.result is not None
    assert rd.result["distortion"]["n"] == 40


def test_a_trial_run_leaves_no_files_and_no_validation_is_said(tmp_path: Path) -> None:
    rd = vae_rd.RateDistortionCallback(functional_terms, folder=tmp_path / "run")
    trainer = fitted(Functional(), rd, fast_dev_run=True)
    assert "val/distortion" in trainer.callback_metrics
    assert not (tmp_path / "run").exists()
    with pytest.warns(UserWarning, match="no validation batches"):
        fitted(Functional(), rd, epochs=1, loaders=[loader(64, 0)])


def test_a_fit_that_fails_says_so_in_its_record(tmp_path: Path) -> None:
    class Failing(Functional):
        def on_train_epoch_start(self) -> None:
            if self.current_epoch == 1:
                raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        fitted(Failing(), vae_rd.RateDistortionCallback(functional_terms, folder=tmp_path / "run"))
    record = RunRecord.read(tmp_path / "run")
    assert (record.status, record.error) == ("failed", "RuntimeError: the disk is full")
    assert len(pd.read_csv(tmp_path / "run" / "history.csv")) == 1


@pytest.mark.parametrize(
    ("given", "epochs"), [({"check_val_every_n_epoch": 2}, [1, 3]), ({"val_check_interval": 0.5}, [0, 1, 2, 3])]
)
def test_rows_are_of_epochs_with_a_validation(given: dict[str, Any], epochs: list[int], tmp_path: Path) -> None:
    rd = vae_rd.RateDistortionCallback(functional_terms, folder=tmp_path / "run")
    fitted(Functional(), rd, epochs=4, **given)
    assert pd.read_csv(tmp_path / "run" / "history.csv")["epoch"].tolist() == epochs


def test_the_page_s_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "callback.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(
        compile(block.replace("max_epochs=20", "max_epochs=2, accelerator='cpu', logger=False"), "callback.md", "exec"),
        {},
    )
    assert RunRecord.read(tmp_path / "runs" / "mine").metrics["val"]["distortion"]["n"] == 297


def test_a_callback_that_served_one_fit_begins_anew_with_the_next(tmp_path: Path) -> None:
    rd = vae_rd.RateDistortionCallback(functional_terms, folder=tmp_path / "run", overwrite=True)
    fitted(Functional(), rd, epochs=3)
    fitted(Functional(), rd, epochs=1)
    assert len(pd.read_csv(tmp_path / "run" / "history.csv")) == 1
    assert RunRecord.read(tmp_path / "run").model["kept_epoch"] == 0


def test_a_test_of_the_recorded_weights_joins_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rd = vae_rd.RateDistortionCallback(functional_terms, folder=tmp_path / "run", name="theirs")
    saving = ModelCheckpoint(tmp_path, "best", monitor="val/objective")
    module = Functional()
    trainer = fitted(module, rd, saving, epochs=2, enable_checkpointing=True)
    before = RunRecord.read(tmp_path / "run")
    assert (before.name, before.model["name"]) == ("theirs", "theirs")
    module.dec.bias.data.add_(1.0)
    trainer.test(module, loader(90, 7), verbose=False)
    assert "the test is of other weights than" in capsys.readouterr().out
    assert RunRecord.read(tmp_path / "run").metrics == before.metrics
    (logged,) = trainer.test(module, loader(90, 7), ckpt_path="best", verbose=False)
    record = RunRecord.read(tmp_path / "run")
    assert record.metrics["val"] == before.metrics["val"]
    assert record.metrics["test"]["distortion"]["n"] == record.data["n"]["test"] == 90
    exact = measured(module, functional_terms, images(90, 7).tensors[0], split="test")
    for name in ("distortion", "rate"):
        assert record.metrics["test"][name]["value"] == pytest.approx(exact[name]["value"], rel=1e-6)
        assert logged[f"test/{name}"] == pytest.approx(exact[name]["value"], rel=1e-6)
    assert set(load_runs([tmp_path / "run"])["split"]) == {"train", "val", "test"}


def test_a_test_leaves_a_record_alone_that_does_not_say_of_which_weights_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = Functional()
    measured(module, functional_terms, images(50, 1).tensors[0]).save(tmp_path / "saved")
    rd = vae_rd.RateDistortionCallback(functional_terms, folder=tmp_path / "saved")
    Trainer(**QUIET, callbacks=[rd]).test(module, loader(90, 7), verbose=False)
    assert "does not say of which weights" in capsys.readouterr().out
    assert set(RunRecord.read(tmp_path / "saved").metrics) == {"val"}


def test_it_measures_in_eval_mode_a_module_that_validates_in_train_mode() -> None:
    class Stubborn(Logging):
        def on_validation_model_eval(self) -> None:
            pass

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            pass

    module, rd = Stubborn(), vae_rd.RateDistortionCallback(logging_terms)
    logged = fitted(module, rd, epochs=1, num_sanity_val_steps=0).callback_metrics
    assert module.training
    exact = measured(module, logging_terms, images(620, 1).tensors[0])
    assert float(logged["val/distortion"]) == pytest.approx(exact["distortion"]["value"], rel=1e-6)


def test_an_epoch_under_another_weight_than_beta_is_not_the_best(tmp_path: Path) -> None:
    rd = vae_rd.RateDistortionCallback(
        functional_terms, weight=lambda module: 0.5 if module.current_epoch else 1.0, folder=tmp_path / "run"
    )
    fitted(Functional(), rd)
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert history["val/objective"].idxmin() == 1
    assert history["beta_effective"].tolist() == [1.0, 0.5]
    assert RunRecord.read(tmp_path / "run").model["kept_epoch"] == 0


def test_of_very_many_units_there_are_sums_and_no_columns_of_each(tmp_path: Path) -> None:
    class Spatial(LightningModule):
        """Whose z has as many units as there are pixels."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.back = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(2, 1, 3, padding=1)

        def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
            return self.conv(batch).square().mean()

        def validation_step(self, batch: Tensor, batch_idx: int) -> None:
            pass

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1)

    def terms(module: Any, x: Tensor) -> Any:
        mu, log_var = module.conv(x).chunk(2, 1)
        q = Independent(Normal(mu, (0.5 * log_var).exp()), 3)
        return q, lambda z: Independent(Bernoulli(logits=module.back(z)), 3)

    x = (torch.rand(40, 1, 12, 12, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    rd = vae_rd.RateDistortionCallback(terms, folder=tmp_path / "run")
    logged = fitted(Spatial(), rd, epochs=1, loaders=[DataLoader(x, 8), DataLoader(x, 8)]).callback_metrics
    assert rd.result is not None
    assert len(rd.result["rate_per_dim"]["value"]) == 288
    assert float(logged["val/rate"]) == pytest.approx(sum(rd.result["rate_per_dim"]["value"]), rel=1e-5)
    columns = pd.read_csv(tmp_path / "run" / "history.csv").columns
    assert {"val/rate", "val/active_units_by_rate", "train/rate"} <= set(columns)
    assert not [name for name in (*columns, *logged) if "rate_dim_" in name]


@pytest.mark.parametrize(("precision", "digits"), [("bf16-mixed", 1e-6), ("64-true", 1e-9), ("bf16-true", 0.01)])
def test_precisions(precision: Any, digits: float) -> None:
    module, rd = Functional(), vae_rd.RateDistortionCallback(functional_terms)
    logged = fitted(module, rd, epochs=1, precision=precision).callback_metrics
    if precision == "bf16-true":
        module.float()
    x = images(620, 1).tensors[0].to(next(module.parameters()).dtype)
    exact = measured(module, functional_terms, x)
    assert rd.result is not None
    assert rd.result["rate"]["value"] == pytest.approx(exact["rate"]["value"], rel=max(digits, 1e-6))
    assert rd.result["distortion"]["value"] == pytest.approx(exact["distortion"]["value"], rel=digits)
    assert float(logged["val/rate"]) == pytest.approx(exact["rate"]["value"], rel=max(digits, 1e-6))
