"""A GAN in training: what it leaves, that it goes on bit for bit, and what ends it."""

import signal

import pytest
import torch

import vae_rd
from vae_rd.config.names import run_name
from vae_rd.errors import Diverged, InputError, Interrupted
from vae_rd.experiment import build
from vae_rd.metrics.quality import UNDEFINED
from vae_rd.run.folder import KEPT, LAST
from vae_rd.run.record import RunRecord
from vae_rd.run.summary import summary_lines
from vae_rd.training.gan import GANModule
from vae_rd.training.tracking import summary_of

from helpers.own import own_vae
from helpers.runs import history, only_run


@pytest.fixture
def adversarial(toy):
    """A config of a GAN, with changes."""
    return lambda **changes: toy(model="gan", eval_samples=None, **changes)


def test_its_record_has_no_rate_and_says_how_its_samples_are(adversarial):
    config = adversarial()
    record = vae_rd.fit_model(config)
    folder = only_run(config)
    assert folder.name == run_name(config)
    assert folder.name.startswith("sprites-gan-seed0-")
    for metrics in record.metrics.values():
        assert all(metrics[name]["value"] is None for name in UNDEFINED)
        assert metrics["mutual_information_upper"]["value"] is None
        assert 0 <= metrics["coverage"]["value"] <= 1
        assert metrics["frechet"]["stderr"] > 0
    assert record.model["slope"] is None
    rows = history(folder)
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    assert all(float(row["val/frechet"]) > 0 and row["val/rate"] == "" for row in rows)
    assert min(float(row["val/frechet"]) for row in rows) == pytest.approx(record.model["score"])
    assert summary_lines(record, folder)[0].split()[:3] == ["split", "n", "precision"]
    assert {path.name.split("_")[0] for path in folder.rglob("*.png")} == {"samples"}
    assert not list(folder.rglob("latents.npz"))


def test_the_average_is_what_is_kept_and_lags_behind_the_generator(adversarial):
    config = adversarial(ema=0.5)
    vae_rd.fit_model(config)
    state = torch.load(only_run(config) / LAST, weights_only=True)["state_dict"]
    names = [name.removeprefix("model.decoder.") for name in state if name.startswith("model.decoder.")]
    apart = [not torch.equal(state[f"model.decoder.{name}"], state[f"model.generator.{name}"]) for name in names]
    assert any(apart)
    loaded = vae_rd.load(only_run(config))
    assert not loaded.has_encoder
    draws = loaded.generate(3, generator=torch.Generator().manual_seed(0))
    assert draws.x.shape == (3, 1, 16, 16)


def test_a_resumed_gan_equals_an_uninterrupted_one_bit_for_bit(adversarial, tmp_path, interrupt):
    whole = adversarial(run_dir=str(tmp_path / "whole"), max_epochs=4, val_every=3)
    vae_rd.fit_model(whole)
    parts = adversarial(run_dir=str(tmp_path / "parts"), max_epochs=4, val_every=3, resume="auto")
    interrupt(2 * 4 + 2, signal.SIGTERM)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(parts)
    interrupt(0, signal.SIGTERM)
    vae_rd.fit_model(parts)
    folder, other = only_run(parts), only_run(whole)
    assert [bool(row["val/frechet"]) for row in history(folder)] == [False, False, True, True]
    assert (folder / "history.csv").read_text() == (other / "history.csv").read_text()
    for file in (KEPT, LAST):
        ours, theirs = (torch.load(f / file, weights_only=True)["state_dict"] for f in (folder, other))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert RunRecord.read(folder).metrics == RunRecord.read(other).metrics


def test_a_loss_that_is_not_finite_ends_it_with_its_name_and_a_remedy(adversarial):
    with pytest.raises(Diverged, match=r"step \d+: the .*(loss|penalty) is (nan|inf); .*lower --lr"):
        vae_rd.fit_model(adversarial(lr=1e12, max_epochs=5))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"beta": 4.0}, "--beta belongs to --model vae, not to --model gan"),
        ({"prior": "mixture"}, "nothing trains it with --model gan"),
        ({"decoder": "made"}, "--decoder made draws the values of x in turn"),
        ({"likelihood": "gaussian_shared", "data": "gaussian"}, "trains no scale"),
    ],
    ids=str,
)
def test_what_a_discriminator_does_not_train_is_refused(adversarial, changes, says):
    with pytest.raises(InputError, match=says):
        vae_rd.fit_model(adversarial(**changes))


def test_a_network_of_ones_own_is_refused(adversarial):
    with pytest.raises(InputError, match="leave out model="):
        vae_rd.fit_model(adversarial(), model=own_vae())


def test_its_summary_at_wandb_says_how_samples_are_and_leaves_out_what_is_undefined(adversarial):
    record = vae_rd.fit_model(adversarial(max_steps=4, media_every=0))
    summary = summary_of(record)
    assert summary["test/coverage"] == record.metrics["test"]["coverage"]["value"]
    assert summary["test/rate"] is None
    assert "test/rate_stderr" not in summary
    assert summary["verdict/modes"].startswith(record.verdicts["modes"]["state"])
    assert not any("rate_dim" in name for name in summary)


def test_each_of_its_networks_is_clipped_by_its_own_norm(adversarial):
    config = adversarial(grad_clip=1.0)
    card = build.build_data(config).card
    module = build.build_module(config, build.build_model(config, card), card, steps=9)
    networks = [module.model.generator, module.model.discriminator]
    for network, size in zip(networks, (0.5, 100.0), strict=True):
        first, *_ = network.parameters()
        first.grad = torch.zeros_like(first)
        first.grad.flatten()[0] = size
    assert module.clip(1.0) == 100
    for network, size in zip(networks, (0.5, 1.0), strict=True):
        assert next(network.parameters()).grad.norm().item() == pytest.approx(size, rel=1e-5)


def test_a_norm_that_is_not_finite_ends_it(adversarial, monkeypatch):
    monkeypatch.setattr(GANModule, "clip", lambda *_: torch.tensor(torch.inf))
    with pytest.raises(Diverged, match="step 1: the norm of the gradients is inf; "):
        vae_rd.fit_model(adversarial(grad_clip=1.0))
