"""`python -m vae_rd.evaluate` as a user meets it: what it adds to a record, how it goes on, what it refuses."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from analysis.rows.runs import load_runs
from vae_rd import evaluate, fit
from vae_rd.estimates import marginal
from vae_rd.estimates.annealed import annealed_curve
from vae_rd.estimates.base import Examples, Settings
from vae_rd.estimates.nll import encoder_gaps, importance_nll, prior_nll
from vae_rd.estimates.partials import FOLDER, by_parts, forget
from vae_rd.estimators.importance import prior_sampling
from vae_rd.experiment import measuring
from vae_rd.experiment.loading import open_run
from vae_rd.functional.seeding import generator
from vae_rd.functional.statistics import variance_by_shared_draws
from vae_rd.run.record import RunRecord
from vae_rd.theory.gaussian import at_level

from helpers.common import TOY

GAUSSIAN = ["--data=gaussian", "--encoder=linear", "--decoder=linear", "--likelihood=gaussian", "--latent_dim=4"]
SMALL = ["--samples=40", "--examples=30", "--chains=4", "--temperatures=20"]


def fitted(folder: Path, *flags: str) -> Path:
    assert fit.main([*flags, "--max_steps=20", "--wandb=off", f"--run_dir={folder}", "--name=run"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def gaussian_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    return fitted(folder, *GAUSSIAN, "--gaussian_eigenvalues=[2, 0.5]", "--n_test=1000", "--batch_size=64")


@pytest.fixture(scope="module")
def sprites_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return fitted(tmp_path_factory.mktemp("runs"), *TOY)


def entries(run: Path) -> dict[str, dict[str, Any]]:
    return {entry["kind"]: entry for entry in RunRecord.read(run).estimates}


@pytest.mark.parametrize("nll", ["importance", "prior"])
def test_each_estimate_joins_the_record_with_error_and_n(nll: str, sprites_run: Path) -> None:
    kinds = {nll, "ais", "bdmc", "gaps", "information"}
    assert evaluate.main([str(sprites_run), "--nll", nll, "--ais", "--gaps", "--information", *SMALL]) == 0
    found = entries(sprites_run)
    assert kinds <= found.keys()
    for entry in (found[kind] for kind in kinds):
        assert entry["n"] == 30
        assert entry["stderr"] > 0
        assert entry["source"]
    assert not (sprites_run / FOLDER).exists()
    assert load_runs([sprites_run])["nll"].notna().any()


def test_repeating_a_command_replaces_its_entry(sprites_run: Path) -> None:
    for _ in range(2):
        assert evaluate.main([str(sprites_run), "--nll", "importance", "--split", "val", *SMALL[:2]]) == 0
    of_val = [e for e in RunRecord.read(sprites_run).estimates if e["split"] == "val"]
    assert len(of_val) == 1


def test_without_a_flag_the_metrics_come_out_as_the_fit_wrote_them(sprites_run: Path) -> None:
    before = RunRecord.read(sprites_run)
    assert evaluate.main([str(sprites_run)]) == 0
    after = RunRecord.read(sprites_run)
    assert after.metrics == before.metrics


def test_information_is_a_mean_over_as_many_examples_as_are_asked_for(sprites_run: Path) -> None:
    before = RunRecord.read(sprites_run).metrics
    assert evaluate.main([str(sprites_run), "--examples", "50", "--split", "val"]) == 0
    some = RunRecord.read(sprites_run).metrics
    lower, whole = (m["val"]["mutual_information_lower"] for m in (some, before))
    assert (lower["n"], lower["kind"], lower["resampled"]) == (50, "exact", "x, z")
    assert lower["cap"] == whole["cap"]
    assert abs(lower["value"] - whole["value"]) < 4 * lower["stderr"]
    assert some["val"]["rate"] == before["val"]["rate"]
    assert evaluate.main([str(sprites_run)]) == 0
    assert RunRecord.read(sprites_run).metrics == before


def test_an_importance_nll_lies_between_the_entropy_and_the_elbo(gaussian_run: Path) -> None:
    entry = importance_nll(open_run(gaussian_run), Settings(samples=200))
    test = RunRecord.read(gaussian_run).metrics["test"]
    entropy = RunRecord.read(gaussian_run).data["entropy"]["test"]["value"]
    forget(gaussian_run, kind="importance", split="test")
    assert entry["stderr"] < 0.2
    assert entropy - 4 * entry["stderr"] < entry["value"] < -test["elbo"]["value"]
    rise = [-test["elbo"]["value"], *list(entry["value_by_samples"].values())[1:], entry["value"]]
    assert rise == sorted(rise, reverse=True)


def channel_information(run: Path) -> float:
    """I(X; Z) of a linear encoder of a Gaussian x with the run's eigenvalues, in closed form."""
    opened = open_run(run)
    with torch.no_grad():
        at = opened.model.encoder(torch.cat([torch.zeros(1, 2), torch.eye(2)]).reshape(3, 1, 1, 2))
    mean, log_var = at.mu.double(), at.log_var[0].double()
    weight = (mean[1:] - mean[0]).T
    covariance = weight @ torch.diag(torch.tensor([2.0, 0.5]).double()) @ weight.T + log_var.exp().diag()
    return 0.5 * (torch.logdet(covariance) - log_var.sum()).item()


@pytest.mark.parametrize("family", ["mixture", "vamp"])
def test_a_prior_fitted_afterwards_bounds_the_information_more_tightly_than_the_rate(family, gaussian_run, monkeypatch):
    monkeypatch.setattr(marginal, "STEPS", 150)
    command = [str(gaussian_run), "--fit_marginal", family, "--components", "20"]
    assert evaluate.main(command) == evaluate.main([*command, "--seed", "1"]) == evaluate.main(command) == 0
    found = [e for e in RunRecord.read(gaussian_run).estimates if e["kind"] == f"marginal_{family}"]
    assert sorted(e["seed"] for e in found) == [0, 1]  # A repeated command replaces its entry.
    entry = next(e for e in found if e["seed"] == 0)
    rate = RunRecord.read(gaussian_run).metrics["test"]["rate"]
    information = channel_information(gaussian_run)
    assert information - 3 * entry["stderr"] < entry["value"] < rate["value"] - 3 * entry["gain"]["stderr"]
    assert entry["value"] - information < 0.3 * (rate["value"] - information)
    assert entry["gain"]["value"] == pytest.approx(entry["rate"]["value"] - entry["value"])
    assert entry["negative_elbo"]["value"] == pytest.approx(entry["distortion"]["value"] + entry["value"])
    assert (entry["components"], entry["n"]) == (20, 1000)
    assert (gaussian_run / f"marginal_{family}.pt").is_file()
    row = load_runs([gaussian_run]).query("split == 'test'").iloc[0]
    assert row["marginal_rate"] <= entry["value"]


def test_the_nll_under_a_stored_prior_is_that_of_its_normal_in_closed_form(gaussian_run, monkeypatch, capsys):
    """Under one normal m* = N(a, V), x of a linear decoder of scale s is N(b + W a, W V W^T + s^2 I).

    The m* that is found in the run's folder is one of no fit, so that nothing else has its NLL.
    """
    monkeypatch.setattr(marginal, "STEPS", 60)
    command = [str(gaussian_run), "--fit_marginal=mixture", "--components=1", "--seed=7"]
    assert evaluate.main(command) == 0
    path = gaussian_run / "marginal_mixture.pt"
    content = torch.load(path, weights_only=True)
    state = {**content["state"], "mean": torch.full((1, 4), 0.4), "log_var": torch.full((1, 4), -1.0)}
    torch.save({**content, "state": state}, path)
    assert evaluate.main([*command, "--nll=importance", "--samples=1000", "--examples=400"]) == 0
    printed = capsys.readouterr().out
    run = open_run(gaussian_run)
    with torch.no_grad():
        at = run.model.decoder(torch.cat([torch.zeros(1, 4), torch.eye(4)])).mean.double().reshape(5, 2)
    w, s2 = (at[1:] - at[0]).T, run.config.likelihood_scale**2
    mean = at[0] + w @ state["mean"][0].double()
    covariance = w @ state["log_var"][0].double().exp().diag() @ w.T + s2 * torch.eye(2)
    x = run.data.examples("test", Examples(run, Settings(examples=400, seed=7), "").index).double().reshape(-1, 2)
    exact = -torch.distributions.MultivariateNormal(mean, covariance).log_prob(x).mean().item()
    found = [e for e in RunRecord.read(gaussian_run).estimates if e["seed"] == 7]
    (nll,) = [e for e in found if e.get("nll")]
    (own,) = [e for e in found if e["kind"] == "importance"]
    assert (nll["nll"]["n"], nll["nll"]["samples"], nll["nll"]["bound"]) == (400, 1000, "upper")
    assert nll["nll"]["value"] == pytest.approx(exact, abs=0.02)
    assert abs(own["value"] - exact) > 0.05  # Under the prior of training, it is another one.
    assert 0 < nll["nll"]["stderr"] < 0.1
    assert f"NLL {nll['nll']['value']:.3f} ± {nll['nll']['stderr']:.3f}" in printed
    assert evaluate.main(command) == 0  # Without the draws it is an entry of its own, and this one stays.
    assert nll in RunRecord.read(gaussian_run).estimates


def test_a_prior_that_was_fitted_before_is_taken_as_it_is_unless_seed_settings_or_run_differ(
    gaussian_run, monkeypatch, capsys
):
    monkeypatch.setattr(marginal, "STEPS", 60)
    command = [str(gaussian_run), "--fit_marginal=mixture", "--components=2", "--seed=8"]

    def fits(*more: str) -> int:
        made = []
        descend = marginal.fit_marginal
        with monkeypatch.context() as patch:
            patch.setattr(marginal, "fit_marginal", lambda *a, **k: (made.append(1), descend(*a, **k))[1])
            assert evaluate.main([*command, *more]) == 0
        assert ("fitted before under this seed" in capsys.readouterr().out) is not bool(made)
        return len(made)

    assert fits() == 1
    before = [e for e in RunRecord.read(gaussian_run).estimates if e["seed"] == 8]
    assert fits() == 0
    assert [e for e in RunRecord.read(gaussian_run).estimates if e["seed"] == 8] == before
    assert fits("--components=3") == 1
    assert fits("--components=3") == 0
    path = gaussian_run / "marginal_mixture.pt"
    path.write_bytes(path.read_bytes()[:-100])
    assert fits("--components=3") == 1
    content = torch.load(path, weights_only=True)
    torch.save({**content, "asked": {**content["asked"], "kept": "of another checkpoint"}}, path)
    assert fits("--components=3") == 1


def test_what_is_kept_of_an_estimate_is_of_its_settings_one_checkpoint_and_one_fitted_prior(gaussian_run, monkeypatch):
    run, plain, found = open_run(gaussian_run), Settings(examples=30, seed=9), []
    under = replace(plain, marginal="mixture")

    def stop(folder: Path, decides: Any, *rest: Any) -> None:
        found.append(decides)
        raise KeyboardInterrupt

    def decides(estimate: Any, settings: Settings) -> Any:
        """What names the parts of an estimate."""
        with pytest.raises(KeyboardInterrupt):
            estimate(run, settings)
        return found[-1]

    def ais_under(components: int) -> Any:
        decides(partial(marginal.fitted_marginal, ["mixture"]), replace(plain, components=components))
        return decides(annealed_curve, under)

    monkeypatch.setattr(marginal, "STEPS", 2)
    monkeypatch.setattr("vae_rd.estimates.base.by_parts", stop)
    assert ais_under(2) == ais_under(2) != ais_under(3) != decides(annealed_curve, plain)
    changes = {annealed_curve: ("chains", "temperatures"), prior_nll: ("samples",), encoder_gaps: ("samples",)}
    for estimate, names in changes.items():
        for name in ("examples", "seed", *names):
            assert decides(estimate, replace(plain, **{name: 11})) != decides(estimate, plain), (estimate, name)
    before = decides(importance_nll, plain)
    monkeypatch.setattr("vae_rd.estimates.base.sha256", lambda _: "of a run that went on")
    assert decides(importance_nll, plain) != before


@pytest.mark.slow
def test_the_source_bounds_enclose_reverse_water_filling(gaussian_run: Path) -> None:
    assert evaluate.main([str(gaussian_run), "--dual"]) == 0
    found, config = entries(gaussian_run), RunRecord.read(gaussian_run).config
    s2, b = config["likelihood_scale"] ** 2, 1 / config["beta"]
    point = at_level([2.0, 0.5], level=s2 / b)
    constant = 2 / 2 * torch.tensor(2 * torch.pi * s2).log().item()
    exact = point.rate + b * (point.squared_error / (2 * s2) + constant)
    assert exact - 0.05 < found["dual"]["limit"] <= exact
    assert exact - 4 * found["particle"]["stderr"] <= found["particle"]["value"] < exact + 0.05
    assert found["particle"]["b"] == found["dual"]["b"] == b


REFUSED = {
    "no run": (["nowhere"], "nowhere"),
    "no runs at all": ([], "RUN"),
    "unknown flag": (["RUN", "--entropy"], "--entropy"),
    "one sample": (["RUN", "--nll", "importance", "--samples", "1"], "--samples"),
    "no such split": (["RUN", "--split", "training"], "training"),
    "finite source": (["RUN", "--dual"], "--dual bounds R(D) of an unlimited source"),
    "negative seed": (["RUN", "--ais", "--seed", "-1"], "--seed"),
    "seed too large": (["RUN", "--ais", "--seed", "9" * 20], "--seed"),
    "option of nothing": (["RUN", "--samples", "30"], "--samples belongs to --nll importance"),
    "option of another": (["RUN", "--information", "--chains", "30"], "--chains belongs to --ais"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_one_line_and_exit_2(case: str, sprites_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = REFUSED[case]
    before = (sprites_run / "record.json").read_bytes()
    capsys.readouterr()
    assert evaluate.main([str(sprites_run) if word == "RUN" else word for word in arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert (sprites_run / "record.json").read_bytes() == before


def test_an_unfinished_run_is_refused(sprites_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads((sprites_run / "record.json").read_text()) | {"status": "interrupted"}
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert evaluate.main([str(tmp_path)]) == 2
    assert "this run was interrupted; finish it with --resume auto" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "lower"),
    [
        (["--nll=importance"], "--nll importance: out of memory; lower --samples or --examples"),
        (["--ais"], "--ais: out of memory; lower --examples or --chains or --temperatures"),
    ],
)
def test_memory_that_runs_out_is_answered_with_options_that_there_are(flags, lower, sprites_run, monkeypatch, capsys):
    def make(run: object, settings: object) -> dict[str, Any]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    kind = flags[0].rpartition("=")[2].lstrip("-")
    monkeypatch.setitem(measuring.KINDS, kind, measuring.KINDS[kind]._replace(estimates=(make,)))
    capsys.readouterr()
    assert evaluate.main([str(sprites_run), *flags]) == 1
    assert capsys.readouterr().err == f"failed: OutOfMemory: {lower}\n"


def test_an_interrupted_estimate_goes_on_from_its_last_part(tmp_path: Path) -> None:
    decides, seen = {"kind": "importance", "split": "test", "seed": 0}, []

    def measure(part: int, x: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append(part)
        if seen == [0, 1]:
            raise KeyboardInterrupt
        return {"sum": x.sum(1)}

    parts = [lambda: torch.ones(2, 3), lambda: torch.zeros(1, 3)]
    with pytest.raises(KeyboardInterrupt):
        by_parts(tmp_path, decides, measure, parts)
    assert by_parts(tmp_path, decides, measure, parts)["sum"].tolist() == [3, 3, 0]
    assert seen == [0, 1, 1]
    assert by_parts(tmp_path, decides | {"seed": 1}, measure, parts)["sum"].tolist() == [3, 3, 0]
    assert seen == [0, 1, 1, 0, 1]  # What depends on other settings is measured anew.


def test_what_is_kept_of_one_estimate_outlives_another(tmp_path: Path) -> None:
    for kind in ("importance", "gaps"):
        by_parts(tmp_path, {"kind": kind, "split": "test"}, lambda _, x: {"x": x}, [lambda: torch.ones(2)])
    forget(tmp_path, kind="gaps", split="test")
    assert [path.name.split("-")[0] for path in (tmp_path / FOLDER).iterdir()] == ["importance"]
    forget(tmp_path, kind="importance", split="test")
    assert not (tmp_path / FOLDER).exists()


def test_a_damaged_part_is_measured_again(tmp_path: Path) -> None:
    decides = {"kind": "prior", "split": "val"}
    by_parts(tmp_path, decides, lambda _, x: {"x": x}, [lambda: torch.ones(20)])
    for path in (tmp_path / FOLDER).iterdir():
        path.write_bytes(path.read_bytes()[:40])
    assert by_parts(tmp_path, decides, lambda _, x: {"x": 2 * x}, [lambda: torch.ones(20)])["x"].sum() == 40


def test_a_subset_is_a_random_one_and_all_of_a_population_is_no_sample(sprites_run: Path) -> None:
    run = open_run(sprites_run)
    there = run.data.card.n["test"]
    some, other = (Examples(run, Settings(examples=100, seed=seed), "importance") for seed in (0, 1))
    assert not some.is_population
    assert some.index.tolist() != other.index.tolist()
    assert len(some.index.unique()) == 100
    assert some.index.max() > there / 2
    chunks = [run.data.evaluation_chunk("test", chunk) for chunk in range(run.data.chunks("test"))]
    torch.testing.assert_close(run.data.examples("test", some.index), torch.cat(chunks)[some.index])
    whole = Examples(run, Settings(examples=there), "importance")
    assert whole.is_population
    assert whole.number(1.0, 0.1)["resampled"] == "z"


@pytest.mark.slow
def test_the_error_of_draws_from_the_prior_is_their_spread_over_seeds(sprites_run: Path) -> None:
    """All examples share the draws, so their errors do not average out."""
    run = open_run(sprites_run)
    found = [prior_nll(run, Settings(samples=100, examples=60, seed=seed)) for seed in range(60)]
    index = Examples(run, Settings(examples=60, seed=0), "prior").index
    x = run.data.examples("test", index)
    repeated = [prior_sampling(run.model, x, samples=100, noise=generator("cpu", s)) for s in range(60)]
    spread = torch.stack([one.log_p.mean() for one in repeated]).std().item()
    claimed = sum(variance_by_shared_draws(one.shares) for one in repeated) / 60
    # The spread of 60 is known to 9 %; of few draws, first order knows theirs to some 20 %.
    assert claimed**0.5 == pytest.approx(spread, rel=0.5)
    assert all(entry["stderr"] > 0.5 * claimed**0.5 for entry in found)


def test_a_run_in_double_precision_is_measured_in_it(tmp_path: Path) -> None:
    run = fitted(tmp_path, *TOY, "--precision=64", "--n_test=200", "--information_examples=200")
    few = ["--samples=10", "--examples=10", "--chains=2", "--temperatures=5"]
    assert evaluate.main([str(run), "--nll", "importance", "--ais", *few]) == 0
    assert evaluate.main([str(run), "--split", "test"]) == 0
    assert RunRecord.read(run).metrics["test"]["distortion"]["value"] > 0


@pytest.mark.parametrize("flag", ["--ais", "--gaps", "--information"])
def test_what_a_run_cannot_have_is_refused_before_anything_is_measured(
    flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fitted(tmp_path, *TOY, "--posterior=categorical", "--prior=categorical")
    assert evaluate.main([str(run), "--nll", "importance", flag, "--examples=20", "--samples=20"]) == 2
    assert f"{run}: {flag} takes" in capsys.readouterr().err
    assert not RunRecord.read(run).estimates
    assert not (run / FOLDER).exists()
