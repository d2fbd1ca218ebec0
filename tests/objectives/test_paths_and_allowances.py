"""Ways of beta, free bits and a growing capacity against their formulas, worked by hand."""

import math

import pytest
import torch

from vae_rd.config.cli import parse
from vae_rd.errors import InputError
from vae_rd.experiment import tables
from vae_rd.experiment.recipe import settled
from vae_rd.model.terms import Terms
from vae_rd.objectives.beta import PATHS, BetaObjective
from vae_rd.objectives.capacity import CapacityObjective
from vae_rd.objectives.free_bits import FreeBitsObjective

from helpers.members import card

pytestmark = pytest.mark.usefixtures("float64")
ANY = torch.Generator()


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("start", [0.5, 8.0])
def test_every_path_leaves_its_start_and_ends_at_beta(name, start):
    objective = BetaObjective(2.0, warmup=40, start=start, schedule=name)
    weights = [objective.weight(step) for step in range(60)]
    assert weights[0] == start
    assert set(weights[40:]) == {2.0}
    assert min(start, 2.0) <= min(weights)
    assert max(weights) <= max(start, 2.0)
    assert not any(objective.is_annealing(step) for step in range(40, 60))
    assert [objective.is_annealing(step) for step in range(40)] == [weight != 2.0 for weight in weights[:40]]


def test_ways_of_several_shapes_at_their_middle():
    middle = {name: BetaObjective(9.0, warmup=40, start=1.0, schedule=name).weight(20) for name in PATHS}
    assert middle == pytest.approx({"linear": 5.0, "cosine": 5.0, "cyclic": 1.0, "geometric": 3.0})
    early = {name: BetaObjective(9.0, warmup=40, start=1.0, schedule=name).weight(10) for name in PATHS}
    quarter = 5 - 4 * math.cos(math.pi / 4)
    assert early == pytest.approx({"linear": 3.0, "cosine": quarter, "cyclic": 1.0, "geometric": math.sqrt(3)})


def test_on_a_line_from_above_the_loss_is_plain():
    terms = Terms.stated(log_px_z=torch.tensor([[-5.0]]), rate=torch.tensor([3.0]))
    assert BetaObjective(2.0, warmup=4, start=8.0, schedule="linear")(terms, 0, noise=ANY).item() == 5 + 8 * 3


def test_a_warmup_in_percent_is_of_all_steps():
    config = parse(["--beta=2", "--beta_warmup=30", "--warmup_unit=percent", "--beta_schedule=cosine"]).config
    objective = tables.OBJECTIVES["beta"](settled(config, steps=200, forecast=None), card())
    assert objective.is_annealing(59)
    assert not objective.is_annealing(60)


RATES = torch.tensor([[0.1, 2.0, 0.0], [0.3, 4.0, 1.4]])  # Means 0.2, 3 and 0.7.


def test_free_bits_of_each_unit():
    """D + 2 sum_d max(0.5, mean of unit d), whose gradient a unit below 0.5 in the mean does not have."""
    rates = RATES.clone().requires_grad_()
    objective = FreeBitsObjective(2.0, free=0.5, per_unit=True)
    terms = Terms.stated(log_px_z=torch.full((4, 2), -7.0), rate_per_dim=rates)
    loss = objective(terms, 0, noise=ANY)
    assert loss.mean().item() == pytest.approx(7 + 2 * (0.5 + 3 + 0.7))
    loss.mean().backward()
    assert rates.grad.tolist() == [[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    objective.after_step(terms)
    assert objective.achieved_slope() is None
    assert objective.logged()["share_paid"].item() == pytest.approx(2 / 3)


@pytest.mark.parametrize(("free", "mean", "slope"), [(3.0, 3.9, 2.0), (5.0, 5.0, None)])
def test_free_bits_in_total(free, mean, slope):
    objective = FreeBitsObjective(2.0, free=free, per_unit=False)
    terms = Terms.stated(log_px_z=torch.full((4, 2), -7.0), rate_per_dim=RATES)
    assert objective(terms, 0, noise=ANY).mean().item() == pytest.approx(7 + 2 * mean)
    objective.after_step(terms)
    assert objective.achieved_slope() == slope


def test_a_capacity_grows_and_is_held_in_the_mean():
    """D + 3 |mean R - C_t|: of rates 1 and 4 above 2 at step 5 of 10, below 4 at the end."""
    objective = CapacityObjective(4.0, weight=3.0, warmup=10)
    rate = torch.tensor([1.0, 4.0], requires_grad=True)
    losses = [objective(Terms.stated(log_px_z=torch.full((1, 2), -5.0), rate=rate), s, noise=ANY) for s in (5, 10)]
    assert [loss.mean().item() for loss in losses] == pytest.approx([5 + 3 * 0.5, 5 + 3 * 1.5])
    gradients = [torch.autograd.grad(loss.mean(), rate)[0].tolist() for loss in losses]
    assert gradients == [[1.5, 1.5], [-1.5, -1.5]]
    assert objective.is_annealing(9)
    assert not objective.is_annealing(10)


@pytest.mark.parametrize(
    ("flags", "objective"),
    [
        (["--target_rate=4"], "target_rate"),
        (["--target_distortion=80"], "target_distortion"),
        (["--target_distortion=80", "--objective=geco"], "geco"),
        (["--objective=capacity", "--target_rate=4"], "capacity"),
        (["--free_bits=1"], "free_bits"),
        (["--free_bits=1", "--beta=4"], "free_bits"),
        (["--beta=4"], "beta"),
    ],
)
def test_a_flag_of_its_name_chooses_an_objective_and_what_is_said_wins(flags, objective):
    assert parse(flags).config.objective == objective


@pytest.mark.parametrize(("beta", "start", "schedule"), [(0.0, 1.0, "auto"), (1.0, 0.0, "geometric")])
def test_a_geometric_way_from_or_to_0_is_refused(beta, start, schedule):
    with pytest.raises(InputError, match='no factor leads from or to 0; give schedule="linear"'):
        BetaObjective(beta, warmup=10, start=start, schedule=schedule)
