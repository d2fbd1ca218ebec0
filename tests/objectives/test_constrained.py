"""R or D held by a multiplier, on frontiers whose slope is known: by one free number r, D a function of it."""

import math

import pytest
import torch

from vae_rd.model.terms import Terms
from vae_rd.objectives.geco import GecoObjective
from vae_rd.objectives.target_distortion import TargetDistortionObjective
from vae_rd.objectives.target_rate import TargetRateObjective

pytestmark = pytest.mark.usefixtures("float64")
# D of r, and the -dD/dr that goes with it.
FRONTIERS = {
    "convex": (lambda r: 10 * torch.exp(-r / 2), lambda r: 5 * math.exp(-r / 2)),
    "straight": (lambda r: 12 - r, lambda r: 1.0),
    "bent inward": (lambda r: 12 - 0.5 * r - 0.05 * r * r, lambda r: 0.5 + 0.1 * r),
}


def descended(objective, frontier, *, steps: int = 1000, start: float = 0.1) -> tuple[float, list[float]]:
    """r at the end, and its way there, by descent on the objective's loss; r is a rate and never below 0."""
    r, way = torch.tensor([start], requires_grad=True), []
    for step in range(steps):
        terms = Terms.stated(log_px_z=-frontier(r)[None], rate=r)
        (gradient,) = torch.autograd.grad(objective(terms, step, noise=torch.Generator()).sum(), r)
        with torch.no_grad():
            r.sub_(0.05 * gradient.clamp(-5, 5)).clamp_(0, 9)
        objective.after_step(terms)
        way.append(r.item())
    return r.item(), way


@pytest.mark.parametrize("target", [0.5, 4.0])
@pytest.mark.parametrize("name", FRONTIERS)
def test_a_rate_is_held_and_its_multiplier_is_the_slope_there(name, target):
    frontier, slope = FRONTIERS[name]
    objective = TargetRateObjective(target)
    r, way = descended(objective, frontier)
    assert r == pytest.approx(target, rel=1e-3)
    assert max(way[700:]) - min(way[700:]) < 0.01 * target  # No oscillation is left.
    assert objective.achieved_slope() == pytest.approx(slope(target), rel=5e-3)


def test_above_one_the_weight_divides_the_loss():
    terms = Terms.stated(log_px_z=torch.tensor([[-8.0, -5.0]]), rate=torch.tensor([1.0, 3.0]))
    for start, exact in ((4.0, [3.0, 4.25]), (0.5, [8.5, 6.5])):
        loss = TargetRateObjective(2.0, start=start)(terms, 0, noise=torch.Generator())
        assert loss.tolist() == pytest.approx(exact)


def test_a_multiplier_comes_down_no_faster_than_it_is_told():
    """A rate that stays far below its target: from 100 to 1e-4 in 2,000 steps is 100 * 1e-6 ** (1 / 4) after 500."""
    terms = Terms.stated(log_px_z=torch.zeros(1, 2), rate=torch.zeros(2))
    held, free = (TargetRateObjective(50.0, start=100.0, descent=steps) for steps in (2000, 0))
    for _ in range(500):
        held.after_step(terms)
        free.after_step(terms)
    assert held.achieved_slope() == pytest.approx(100 * 1e-6**0.25, rel=0.01)
    assert free.achieved_slope() == pytest.approx(1e-4)


def test_no_fixed_weight_holds_a_rate_where_the_frontier_is_bent_inward():
    frontier, slope = FRONTIERS["bent inward"]
    objective = TargetRateObjective(2.0, start=slope(2.0))
    objective.after_step = lambda terms: None
    ends = {round(descended(objective, frontier, start=start)[0], 6) for start in (1.9, 2.1)}
    assert ends == {0.0, 9.0}


@pytest.mark.parametrize("name", ["convex", "straight"])
def test_a_distortion_is_held_and_its_multiplier_is_the_slope_there(name):
    frontier, slope = FRONTIERS[name]
    objective = TargetDistortionObjective(8.0)
    r, _ = descended(objective, frontier)
    assert frontier(torch.tensor(r)).item() == pytest.approx(8.0, rel=1e-3)
    assert objective.achieved_slope() == pytest.approx(slope(r), rel=5e-3)


def test_a_distortion_below_zero_is_held_as_well():
    objective = TargetDistortionObjective(-3.0)
    r, _ = descended(objective, lambda r: 10 * torch.exp(-r / 2) - 6)
    assert r == pytest.approx(2 * math.log(10 / 3), rel=1e-3)


def test_geco_ends_at_the_bound_with_the_slope_there():
    frontier, slope = FRONTIERS["convex"]
    objective = GecoObjective(8.0, values=64)
    r, _ = descended(objective, frontier, steps=3000)
    assert frontier(torch.tensor(r)).item() == pytest.approx(8.0, rel=0.01)
    assert objective.achieved_slope() == pytest.approx(slope(r), rel=0.02)


def test_an_impossible_distortion_leaves_finite_numbers():
    objective = TargetDistortionObjective(-50.0)
    descended(objective, FRONTIERS["convex"][0])
    assert 1e-5 < objective.achieved_slope() < 1e-3


def test_of_rates_at_the_target_the_least_distortion_there_is_kept_else_the_nearest():
    score = TargetRateObjective(5.0).score  # Of a multiplier of 1: D + R - 5.
    at = [score({"distortion": d, "rate": r}) for d, r in ((9.0, 5.09), (8.9, 4.95), (1.0, 5.2), (1.0, 4.0))]
    assert at[:2] == pytest.approx([9.09, 8.85])
    assert max(at[:2]) < at[2] < at[3]
    assert TargetRateObjective(0.0).score({"distortion": 9.0, "rate": 0.015}) < 10


def test_of_distortions_at_the_target_the_least_rate_there_is_kept_else_the_nearest():
    score = TargetDistortionObjective(80.0).score
    at = [score({"distortion": d, "rate": r}) for d, r in ((81.0, 5.0), (79.0, 6.5), (82.0, 1.0), (90.0, 1.0))]
    assert at[:2] == pytest.approx([6.0, 5.5])
    assert max(at[:2]) < at[2] < at[3]


def test_a_bound_is_met_from_below_at_no_loss():
    score = GecoObjective(80.0, values=10).score
    assert score({"distortion": 70.0, "rate": 6.0}) == score({"distortion": 81.0, "rate": 6.0}) == 6.0
    assert score({"distortion": 82.0, "rate": 1.0}) > 1e6
