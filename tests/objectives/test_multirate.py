"""One loss for a range of betas: which betas a batch has, how each is weighed, and validation at a few."""

import math

import pytest
import torch

from vae_rd.config.fields import FitConfig
from vae_rd.data.module import Batch
from vae_rd.experiment.tables import OBJECTIVES
from vae_rd.model.terms import Terms
from vae_rd.objectives.base import BetaRange
from vae_rd.objectives.multirate import EXAMPLES, MARGIN, MultiRateObjective
from vae_rd.training.many_betas import GRID, BetaGrid, rows_of

from helpers.members import card, moved
from helpers.multirate import inputs, multirate

LOW, HIGH = 0.01, 10.0
pytestmark = pytest.mark.usefixtures("float64")


def objective(power: float = 1.0) -> MultiRateObjective:
    return MultiRateObjective(LOW, HIGH, beta=1.0, power=power)


def drawn(examples: int, seed: int = 0) -> torch.Tensor:
    return objective().context(examples, torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("examples", [128, 100, 7])
def test_the_betas_of_a_batch_are_one_in_each_part_of_the_range_by_its_logarithm(examples):
    ln_beta = drawn(examples)
    assert examples % len(ln_beta) == 0
    assert examples // len(ln_beta) == math.gcd(examples, EXAMPLES)
    edges = torch.linspace(math.log(LOW) - MARGIN, math.log(HIGH) + MARGIN, len(ln_beta) + 1)
    assert ((edges[:-1] - 1e-6 <= ln_beta) & (ln_beta <= edges[1:] + 1e-6)).all()


def test_within_its_part_each_is_uniform():
    """Of 400 batches: the mean of u and of u^2 within 4 s.e. of 1/2 and 1/3."""
    low, width = math.log(LOW) - MARGIN, (math.log(HIGH) - math.log(LOW) + 2 * MARGIN) / 16
    u = torch.stack([(drawn(128, seed) - low) / width % 1 for seed in range(400)])
    for power, mean, variance in ((1, 1 / 2, 1 / 12), (2, 1 / 3, 4 / 45)):
        stderr = (variance / u.numel()) ** 0.5
        assert stderr < 0.005
        assert abs(u.pow(power).mean() - mean) < 4 * stderr


@pytest.mark.parametrize(("examples", "processes"), [(128, 2), (100, 2), (24, 3), (12, 4)])
def test_several_processes_have_the_betas_that_one_would(examples, processes):
    whole, count = drawn(examples), examples // processes
    parts = [rows_of(whole, examples, first, count) for first in range(0, examples, count)]
    spread = torch.cat([part.repeat_interleave(count // len(part)) for part in parts])
    assert torch.equal(spread, whole.repeat_interleave(examples // len(whole)))


@pytest.mark.parametrize("power", [1.0, 0.5, 0.0])
def test_the_loss_of_an_example_is_that_of_its_beta_weighed(power):
    beta, d, r = torch.tensor([0.1, 9.0]), torch.rand(3, 4), torch.rand(3, 4)
    terms = Terms.stated(log_px_z=-d, rate=r)
    plain = objective(power)(terms, 0, noise=torch.Generator())
    assert torch.allclose(plain, (d + r).mean(0))
    terms.context = beta.log()
    found = objective(power)(terms, 0, noise=torch.Generator())
    each = torch.tensor([0.1, 0.1, 9.0, 9.0])
    weights = torch.tensor([(2 / 1.1) ** power] * 2 + [0.2**power] * 2)
    assert torch.allclose(found, weights * (d + each * r).mean(0))


def test_flags_say_the_range_and_the_power():
    config = FitConfig(objective="multirate", beta_range=[0.5, 8.0], multirate_power=0.25)
    assert OBJECTIVES["multirate"](config, card()).betas == BetaRange(0.5, 8.0, 0.25)


def test_validation_at_a_few_betas_is_that_of_the_model_at_each_on_its_share_of_the_examples():
    model, grid = moved(multirate()), BetaGrid(BetaRange(0.1, 8.0, power=0.5))
    x, eps = inputs(model, samples=1, examples=14)
    for part, rows in enumerate((slice(0, 10), slice(10, 14))):
        grid.add(model, Batch(x[rows], part), eps[:, rows])
    means = grid.means()
    weighted = []
    for place, beta in enumerate(grid.betas.tolist()):
        terms = model.at(beta).terms(x, eps)
        rows = [i for i in range(14) if (i if i < 10 else i - 10) % GRID == place]
        wanted = (terms.distortion + beta * terms.rate)[0, rows].mean()
        assert means[f"objective_beta_{beta:g}"] == pytest.approx(wanted.item(), rel=1e-10)
        weighted.append(math.sqrt(2 / (1 + beta)) * wanted.item())
    assert means["over_betas"] == pytest.approx(sum(weighted) / GRID, rel=1e-10)
    assert objective().score({"objective": 1.0, **means}) == means["over_betas"]
    assert grid.means() == {}
