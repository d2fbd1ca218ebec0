"""Runs under objectives of several draws and of whole batches: resumed, refused, shared by processes."""

import math
import re
import signal
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

import vae_rd
from vae_rd import evaluate
from vae_rd.errors import InputError, Interrupted
from vae_rd.experiment import tables
from vae_rd.model.vae import VAE
from vae_rd.run.folder import KEPT, LAST
from vae_rd.run.record import RunRecord

from helpers.members import LATENT_DIM, SHAPE, card, config, decoder, likelihood, posterior, prior
from helpers.own import own_vae
from helpers.runs import history, only_run
from walk.networks import data

B, S = 6, 2


def test_an_iwae_run_resumes_bit_for_bit_and_keeps_the_epoch_of_the_best_bound(toy, tmp_path, interrupt):
    settings = {"objective": "iwae", "samples": 3, "gradient": "dreg", "max_epochs": 4, "lr": 0.3}
    vae_rd.fit_model(whole := toy(run_dir=str(tmp_path / "whole"), **settings))
    interrupt(2 * 4 + 2, signal.SIGTERM)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(toy(**settings, resume="auto"))
    interrupt(0, signal.SIGTERM)
    vae_rd.fit_model(parts := toy(**settings, resume="auto"))
    one, other = only_run(whole), only_run(parts)
    assert (one / "history.csv").read_text() == (other / "history.csv").read_text()
    for file in (KEPT, LAST):
        ours, theirs = (torch.load(f / file, weights_only=True)["state_dict"] for f in (one, other))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    rows, record = history(one), RunRecord.read(one)
    bounds = [float(row["val/l_k"]) for row in rows]
    assert bounds == [-float(row["val/loss"]) for row in rows]
    assert record.model["kept_epoch"] == bounds.index(max(bounds))
    assert record.model["slope"] == 1.0
    assert record.name.startswith("sprites-iwae-seed0-")
    found = {split: values["l_k"] for split, values in record.metrics.items()}
    assert {values["samples"] for values in found.values()} == {3}
    test, stderr = found["test"]["value"], found["test"]["stderr"]
    # Of a population, by two L_K an example, where validation has one, of other noise.
    assert abs(test - max(bounds)) < 4 * math.sqrt(3) * stderr < 0.5
    assert test > record.metrics["test"]["elbo"]["value"] + 4 * stderr
    assert evaluate.main([str(one), "--split=test"]) == 0
    assert RunRecord.read(one).metrics["test"] == record.metrics["test"]
    assert all(float(row["val/l_k"]) > float(row["val/elbo"]) for row in rows)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"gradient": "score_function"}, "has the other draws for a baseline; add --samples 2"),
        ({"gradient": "dreg"}, "is for a bound of several draws; add --objective iwae"),
        ({"objective": "iwae", "gradient": "sticking"}, "is biased for a bound of several draws; choose dreg"),
        ({"objective": "capacity", "gradient": "sticking"}, "what has mean zero in D + w R alone; leave it out"),
        ({"objective": "beta_tc", "gradient": "score_function", "samples": 2}, "this one couples those of a batch"),
        ({"objective": "beta_tc", "posterior": "full"}, "takes a product of normals, not FullNormal"),
        ({"objective": "beta_tc", "batch_size": 1}, "compares the examples of a batch; give 2 or more"),
        (
            {"objective": "iwae", "posterior": "categorical", "prior": "categorical"},
            "draws of CategoricalLatent have no gradient; add --gradient score_function --samples 2",
        ),
        (
            {"posterior": "deterministic", "beta": 0.0, "gradient": "sticking"},
            "which Point does not have; leave it out",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(toy, tmp_path, flags, says):
    with pytest.raises(InputError, match=re.escape(says)):
        vae_rd.fit_model(toy(**flags))
    assert not (tmp_path / "runs").exists()


def test_a_network_of_one_s_own_is_asked_too(tmp_path):
    kept = own_vae()
    modes = [module.training for module in kept.modules()]
    asked = vae_rd.FitConfig(objective="iwae", max_steps=1, batch_size=8, wandb="off", run_dir=str(tmp_path / "runs"))
    assert vae_rd.fit_model(asked, model=kept, data=data()).model["slope"] == 1.0
    assert modes == [True] * len(modes)


@pytest.mark.parametrize("objective", ["beta", "iwae"])
def test_a_posterior_whose_draws_have_no_gradient_trains_by_the_score_function(toy, objective):
    flags = {"posterior": "categorical", "prior": "categorical", "latent_dim": 8, "batch_size": 32, "lr": 0.03}
    made = toy(**flags, objective=objective, gradient="score_function", samples=4, max_epochs=8)
    record = vae_rd.fit_model(made)
    assert record.metrics["test"]["rate"]["value"] > 0.3  # A fit that leaves the encoder as it is stays at 0.


def gradients_of(objective: str, gradient: str, rows: slice) -> list[torch.Tensor]:
    """Of the loss of some rows of a batch, by every parameter of a small VAE."""
    torch.manual_seed(0)
    made = tables.OBJECTIVES[objective](config(objective=objective), card())
    trunk = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 4))
    encoder = torch.nn.Sequential(trunk, posterior("diagonal"))
    model = VAE(encoder, decoder("mlp", likelihood("bernoulli")), prior("normal"), latent_dim=LATENT_DIM)
    x, noise = torch.rand(B, *SHAPE, generator=torch.Generator().manual_seed(1)).round(), torch.Generator()
    eps = model.noise(S, x, noise.manual_seed(2))[:, rows]
    estimator = tables.GRADIENTS[gradient]()
    terms = estimator.terms(model, x[rows], eps)
    loss = made(terms, 0, noise=noise)
    estimator.surrogate(made, terms, loss, 0, noise=noise).mean().backward()
    return [p.grad for p in model.parameters()]


def pairs() -> list[tuple[str, str]]:
    """Every objective with every estimator of its gradient."""
    made = {word: row(config(objective=word), card()) for word, row in tables.OBJECTIVES.items()}
    asked = {word: row() for word, row in tables.GRADIENTS.items()}
    return [(o, g) for o in made for g in asked if asked[g].objective_problem(made[o]) is None]


def share(rank: int, folder: str) -> None:
    """One of two processes, each with its half of the batch; the mean of what they find is written down."""
    torch.set_default_dtype(torch.float64)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    found = {}
    for pair in pairs():
        found[pair] = gradients_of(*pair, slice(rank * B // 2, (rank + 1) * B // 2))
        for each in found[pair]:
            dist.all_reduce(each)
            each /= 2
    if rank == 0:
        torch.save(found, Path(folder) / "found.pt")
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
def test_two_processes_with_half_a_batch_each_find_the_gradient_of_one_with_all(tmp_path):
    torch.multiprocessing.spawn(share, (str(tmp_path),), nprocs=2)
    found = torch.load(tmp_path / "found.pt")
    assert found.keys() == set(pairs())
    for pair, shared in found.items():
        for one, two in zip(gradients_of(*pair, slice(None)), shared, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12, msg=lambda text, pair=pair: f"{pair}: {text}")
