"""What every objective of the table keeps to; a new one gets all of it by its row."""

import math

import pytest
import torch

from vae_rd.experiment import tables
from vae_rd.model.terms import Terms

from helpers.members import card, config

pytestmark = [pytest.mark.usefixtures("float64"), pytest.mark.parametrize("word", tables.OBJECTIVES)]
S, B, D = 3, 5, 2
LAGRANGIAN = ("beta", "target_rate", "target_distortion", "geco", "multirate", "trajectory")


def objective(word: str):
    return tables.OBJECTIVES[word](config(objective=word, beta=2.0, beta_warmup=4, target_distortion=8.0), card())


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.Generator().manual_seed(1)
    return torch.randn(S, B, generator=noise) - 9, torch.rand(B, D, generator=noise)


def codes() -> tuple[torch.Tensor, torch.Tensor]:
    """Means and logarithms of variances, [B, D] each."""
    return torch.randn(2, B, D, generator=torch.Generator().manual_seed(3)).unbind()


def loss(made, log_px_z: torch.Tensor, per_dim: torch.Tensor, step: int, q=None) -> torch.Tensor:
    mean, log_var = codes() if q is None else q
    z = mean + (0.5 * log_var).exp() * torch.randn(S, B, D, generator=torch.Generator().manual_seed(4))
    terms = Terms.stated(log_px_z=log_px_z, rate_per_dim=per_dim, mean=mean, variance=log_var.exp(), z=z)
    return made(terms, step, noise=torch.Generator().manual_seed(2))


def test_a_loss_for_each_example_that_the_terms_decide(word):
    log_px_z, per_dim = inputs()
    whole = loss(objective(word), log_px_z, per_dim, 7)
    assert whole.shape == (B,)
    assert torch.isfinite(whole).all()
    assert torch.equal(loss(objective(word), log_px_z, per_dim, 7), whole)


@pytest.mark.parametrize("step", [0, 2, 4, 9])
@pytest.mark.parametrize("seen", [0, 3])
def test_its_gradient_is_that_of_finite_differences(word, seen, step):
    made = objective(word)
    for _ in range(seen):
        log_px_z, per_dim = inputs()
        made.after_step(Terms.stated(log_px_z=log_px_z, rate_per_dim=per_dim))
    log_px_z, per_dim = (values.requires_grad_() for values in inputs())
    assert torch.autograd.gradcheck(lambda a, b: loss(made, a, b, step), (log_px_z, per_dim))


def test_its_gradient_by_the_codes_is_that_of_finite_differences_in_training_and_not(word):
    made, q = objective(word), [values.requires_grad_() for values in codes()]
    if not (made.takes_draws or made.takes_factors):
        pytest.skip("D and R are all it takes")
    for mode in (True, False):
        made.train(mode)
        assert torch.autograd.gradcheck(lambda *q: loss(made, *inputs(), 9, q), q)


def test_the_loss_of_an_example_takes_others_only_where_it_says_so(word):
    made, (log_px_z, per_dim) = objective(word), inputs()
    whole, first = loss(made, log_px_z, per_dim, 9), [values[..., :1, :] for values in codes()]
    z = first[0] + (0.5 * first[1]).exp() * torch.randn(S, B, D, generator=torch.Generator().manual_seed(4))[:, :1]
    terms = Terms.stated(
        log_px_z=log_px_z[:, :1], rate_per_dim=per_dim[:1], mean=first[0], variance=first[1].exp(), z=z
    )
    alone = made(terms, 9, noise=torch.Generator().manual_seed(2))
    differs = not torch.allclose(alone, whole[:1])
    assert made.couples_examples or not differs
    assert differs or made.least_examples == 1, "what compares examples, of any batch; a clamp may be the same alone"


def test_no_example_at_all_is_none_lost(word):
    made = objective(word).eval()
    terms = Terms.stated(
        log_px_z=torch.zeros(S, 0),
        rate_per_dim=torch.zeros(0, D),
        mean=torch.zeros(0, D),
        variance=torch.ones(0, D),
        z=torch.zeros(S, 0, D),
    )
    assert made(terms, 9, noise=torch.Generator()).shape == (0,)


def test_weight_slope_and_score_are_numbers(word):
    made = objective(word)
    for step in range(6):
        assert math.isfinite(float(made.weight(step)))
    assert made.slope() is None or made.slope() >= 0
    assert made.achieved_slope() is None or made.achieved_slope() >= 0
    means = {"distortion": 9.0, "rate": 1.0, "elbo": -10.0, "objective": 11.0, "loss": 11.0, "active_units": 2.0}
    assert isinstance(made.score(means), float)
    assert made.is_annealing(0) in (True, False)
    assert not made.is_annealing(10**9)


@pytest.mark.parametrize("step", [0, 9])
def test_a_lagrangian_weighs_every_nat_of_the_rate_alike_and_by_its_weight(word, step):
    made, (log_px_z, per_dim) = objective(word), (values.requires_grad_() for values in inputs())
    of_d, of_r = torch.autograd.grad(loss(made, log_px_z, per_dim, step).sum(), (log_px_z, per_dim))
    weight = torch.as_tensor(made.weight(step), dtype=of_d.dtype)
    assert torch.allclose(of_r, -weight * of_d.sum(0)[:, None].expand(B, D)) or not made.is_lagrangian
    assert made.is_lagrangian == (word in LAGRANGIAN)


def test_its_state_is_in_its_buffers(word):
    made, other = objective(word), objective(word)
    log_px_z, per_dim = inputs()
    for step in range(3):
        made.after_step(Terms.stated(log_px_z=log_px_z * step, rate_per_dim=per_dim))
    assert all(made.state_dict()[name].isfinite().all() for name in made.state_dict())
    other.load_state_dict(made.state_dict())
    assert torch.equal(loss(other, log_px_z, per_dim, 7), loss(made, log_px_z, per_dim, 7))
    assert {k: float(v) for k, v in other.logged().items()} == {k: float(v) for k, v in made.logged().items()}
