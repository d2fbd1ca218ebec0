"""What every likelihood of the table keeps to; a new one gets all of it by its row."""

import itertools
import math

import pytest
import torch

from vae_rd.experiment import tables
from vae_rd.model.nn.raster import Raster
from vae_rd.model.nn.whitening import Sample

from helpers.members import LEVELS, SHAPE, gradients, grid, is_one, likelihood, stacked

pytestmark = [pytest.mark.usefixtures("float64"), pytest.mark.parametrize("word", tables.LIKELIHOODS)]
S, B = 2, 4


def params(head, shape: tuple[int, int, int] = SHAPE, *batch: int) -> torch.Tensor:
    """What a trunk would write, [*batch, k C, H, W]."""
    full = (*(batch or (S, B)), head.params_per_value * shape[0], *shape[1:])
    return torch.randn(full, generator=torch.Generator().manual_seed(1))


def some_x(head, shape: tuple[int, int, int] = SHAPE, n: int = B) -> torch.Tensor:
    noise = torch.Generator().manual_seed(2)
    if "binary" in head.supports:
        return torch.randint(2, (n, *shape), generator=noise).to(torch.float64)
    if "one_hot" in head.supports:
        return torch.eye(shape[-1])[torch.randint(shape[-1], (n, *shape[:-1]), generator=noise)]
    if "levels" in head.supports:
        return torch.randint(LEVELS, (n, *shape), generator=noise) / (LEVELS - 1)
    return (torch.randn if "real" in head.supports else torch.rand)(n, *shape, generator=noise)


def middles(cells: int) -> tuple[torch.Tensor, float]:
    """The middles of equal cells of [0, 1], [cells, 1], and the volume of a cell."""
    return ((torch.arange(cells) + 0.5) / cells)[:, None], 1 / cells


def is_counted(head) -> bool:
    """Whether x is one of finitely many images."""
    return head.supports[0] in ("binary", "one_hot", "levels")


def seen(head, x: torch.Tensor):
    """The likelihood after a few training steps, in eval mode, so that its running scales are something."""
    for _ in range(3):
        p = head.train()(params(head))
        p.log_prob(x)
        head.after_step(p, x)
    return head.eval()


@pytest.mark.parametrize("training", [True, False])
def test_shapes_and_precision(word, training):
    head = likelihood(word).train(training)
    p = head(params(head))
    assert (p.batch_shape, p.event_shape) == ((S, B), SHAPE)
    assert p.log_prob(some_x(head)).shape == (S, B)
    assert p.log_prob(some_x(head)).dtype == torch.float64
    assert p.mean.shape == (S, B, *SHAPE)


def test_it_is_one_in_sum_over_all_images_or_their_values(word):
    head = likelihood(word)
    head = seen(head, some_x(head))

    def total(points: int) -> torch.Tensor:
        shape, volume = SHAPE, 1.0
        if "binary" in head.supports:
            x = torch.tensor(list(itertools.product((0.0, 1.0), repeat=3)))
        elif "one_hot" in head.supports:
            x = torch.eye(3)
        elif "levels" in head.supports:
            x = torch.tensor(list(itertools.product(range(LEVELS), repeat=3))) / (LEVELS - 1)
        elif "real" in head.supports:
            x, volume = grid(-40, 40, points, 1)
            shape = (1, 1, 1)
        else:
            x, volume = middles(points)
            shape = (1, 1, 1)
        return head(params(head, shape, 1)).log_prob(x.reshape(-1, *shape)).exp().sum() * volume

    assert is_one(total, 20_001)


def test_draws_have_the_stated_mean(word):
    head, n = likelihood(word), 20_000
    p = seen(head, some_x(head))(params(head))
    draws = p.sample((n,))
    assert draws.shape == (n, S, B, *SHAPE)
    error = draws.std(0) / math.sqrt(n)
    error = error.clamp(min=1 / n) if "levels" in head.supports else error  # Of a level that may not be drawn at all.
    assert ((draws.mean(0) - p.mean).abs() < 4.5 * error + 1e-9).all()
    assert torch.isfinite(p.log_prob(draws[0, 0])).all()


@pytest.mark.parametrize("training", [True, False])
def test_asking_for_a_density_changes_nothing(word, training):
    head = likelihood(word)
    head = seen(head, some_x(head)).train(training)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    p = head(params(head))
    first = p.log_prob(some_x(head))
    p.log_prob(some_x(head) * 0)
    assert torch.equal(p.log_prob(some_x(head)), first)
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


def test_gradients_reach_every_parameter_and_the_trunk(word):
    head = likelihood(word).train()
    written = params(head).requires_grad_()
    loss = head(written).log_prob(some_x(head)).square().sum()
    if list(head.parameters()):
        assert gradients(head, loss) == []
    (grad,) = torch.autograd.grad(head(written).log_prob(some_x(head)).sum(), written)
    assert grad.abs().sum(dim=(0, 1)).gt(0).all()


def test_examples_do_not_see_each_other_in_evaluation(word):
    head = likelihood(word)
    head, written, x = seen(head, some_x(head)), params(head), some_x(head)
    assert torch.equal(head(written).log_prob(x), head(written).log_prob(x))
    assert torch.allclose(head(written[:, 1:3]).log_prob(x[1:3]), head(written).log_prob(x)[:, 1:3])


@pytest.mark.parametrize("training", [True, False])
def test_no_examples_have_no_densities(word, training):
    """What a process without a share of a split is handed."""
    head = likelihood(word).train(training)
    assert head(params(head, SHAPE, S, 0)).log_prob(some_x(head)[:0]).shape == (S, 0)


def test_the_record_states_what_the_distortion_is(word):
    head = likelihood(word)
    head, x, values = seen(head, some_x(head)), some_x(head), math.prod(SHAPE)
    p, statement = head(params(head)), head.statement(values)
    if (weight := statement["squared_error_weight"]) is not None:
        squared_error = (x - p.mean).square().flatten(-3).sum(-1)
        assert torch.allclose(-p.log_prob(x), weight * squared_error + statement["constant"])
        assert head.writes_means
    if (per_error := statement.get("absolute_error_weight")) is not None:
        absolute_error = (x - p.mean).abs().flatten(-3).sum(-1)
        assert torch.allclose(-p.log_prob(x), per_error * absolute_error + statement["constant"])
    assert statement["measure"] == ("discrete" if is_counted(head) else "differential")
    if statement["scale"] is not None:
        assert weight == pytest.approx(1 / (2 * statement["scale"] ** 2))


def test_what_is_drawn_together_is_scored_by_its_own_parameters_alone(word):
    """So that each step of a raster can be scored, and drawn, by itself."""
    head, shape = likelihood(word), (2, 2, 3)
    head, raster = seen(head, some_x(head)), Raster(shape, head.params_per_value, head.together)
    x, written = some_x(head, shape), params(head, shape)
    whole = head(written)
    steps = [(raster.crop(x, step), raster.crop(written, step)) for step in range(raster.steps)]
    assert torch.allclose(sum(head(its).log_prob(part) for part, its in steps), whole.log_prob(x))
    for part, its in steps:
        assert head(its).sample().shape == (S, *part.shape)


def collapsed(head, x: torch.Tensor) -> torch.Tensor:
    """The trunk's output that is the best for all x alike, [k C, H, W], found with the head's own by descent."""
    written = torch.zeros(head.params_per_value * SHAPE[0], *SHAPE[1:], requires_grad=True)
    descent = torch.optim.LBFGS([written, *head.parameters()], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        descent.zero_grad()
        value = -head(written.expand(len(x), *written.shape)).log_prob(x).mean()
        value.backward()
        return value

    head.train()
    descent.step(loss)
    head.after_step(head(written.expand(len(x), *written.shape)), x)
    head.eval()
    return written.detach()


def test_the_stated_noise_is_that_of_the_score_where_z_is_ignored(word):
    """A little of z in the decoder gains by Cov(score) against the curvature of ln p: both by autograd."""
    head, noise = likelihood(word), torch.Generator().manual_seed(3)
    x = torch.randn(300, *SHAPE, generator=noise) @ torch.tensor([[2.0, 0.6, 0.0], [0.0, 0.7, -0.4], [0.0, 0.0, 0.3]])
    x = (x > 0.2).to(x) if "binary" in head.supports else x + 1.5
    x = x.sigmoid() if "unit" in head.supports else x
    flat = x.flatten(1)
    stated = head.noise_variance(flat.var(0, correction=0))
    if stated is None:
        return
    written, values = collapsed(head, x), flat.shape[1]
    each = written.expand(len(x), *written.shape).clone().requires_grad_()
    (scores,) = torch.autograd.grad(head(each).log_prob(x).sum(), each)
    score = scores.flatten(1)[:, :values]
    hessian = torch.autograd.functional.hessian(lambda c: head(c).log_prob(x).mean(), written)
    curvature = -hessian.reshape(written.numel(), -1).diagonal()[:values]
    gains = torch.linalg.eigvalsh(torch.cov((score / curvature.sqrt()).T, correction=0))
    assert torch.allclose(torch.linalg.eigvalsh(torch.cov((flat / stated.sqrt()).T, correction=0)), gains, rtol=1e-4)


def test_saved_weights_bring_it_back(word):
    head, other = likelihood(word), likelihood(word, seed=1)
    head = seen(head, some_x(head))
    other.load_state_dict(head.state_dict())
    assert torch.equal(other.eval()(params(head)).log_prob(some_x(head)), head(params(head)).log_prob(some_x(head)))


def test_many_are_one_call_over_stacked_parameters(word):
    heads = [seen(likelihood(word, seed=seed), some_x(likelihood(word))) for seed in range(3)]
    written, x = params(heads[0]), some_x(heads[0])

    def call(head, written, x):
        return head(written).log_prob(x)

    assert torch.allclose(stacked(heads, call, written, x), torch.stack([call(head, written, x) for head in heads]))


def uneven(x: torch.Tensor, support: str) -> torch.Tensor:
    """x whose values are not all as probable as each other."""
    if support == "binary":
        return x * x.roll(1, 0)
    if support == "one_hot":
        return torch.eye(x.shape[-1])[torch.minimum(x.argmax(-1), x.roll(1, 0).argmax(-1))]
    if support in ("levels", "unit"):
        return torch.minimum(x, x.roll(1, 0))
    return 3 * x + torch.arange(x.shape[-1])


@pytest.mark.parametrize("n", [50, 5_000])
def test_training_starts_at_the_best_density_that_ignores_z(word, n):
    """Against descent on the trunk's output and the head's own scale; of bits and categories a half more is seen."""
    head, best = likelihood(word), likelihood(word)
    x = uneven(some_x(head, n=n), head.supports[0])
    offset, unit = head.start(Sample(x))
    assert (offset.shape, unit.shape) == ((head.params_per_value, 1, 3), (head.params_per_value, 1, 1))
    written = collapsed(best, x)
    found = best.eval()(written.expand(n, *written.shape)).log_prob(x).mean()
    head.train()
    head.after_step(head(offset.expand(n, *offset.shape)), x)
    started = head.eval()(offset.expand(n, *offset.shape)).log_prob(x).mean()
    if head.starts_at_best:
        assert -1 / n < found - started < 1 / n
    else:  # By moments: within a tenth of a nat a value.
        assert found - started < 0.1 * x[0].numel()


@pytest.mark.parametrize(("shape", "image"), [((2, 6), (2, 1, 6)), ((2, 3, 2, 4), (2, 6, 4))])
def test_sequences_and_volumes_are_scored_as_images_of_their_values(word, shape, image):
    """Density, draws and the start of training know of axes only which values belong to which channel and row."""
    head, other = likelihood(word).eval(), likelihood(word).eval().over(len(shape))
    x, written = some_x(head, image), params(head, image)
    p = head(written)
    q = other(written.reshape(*written.shape[:-2], *shape[1:]) if len(shape) == 4 else written.squeeze(-2))
    assert q.event_shape == shape
    assert torch.equal(q.log_prob(x.reshape(len(x), *shape)), p.log_prob(x))
    torch.manual_seed(0)
    drawn = p.sample()
    torch.manual_seed(0)
    assert torch.equal(q.sample().reshape(drawn.shape), drawn)
    start, unit = head.start(Sample(x))
    again, again_unit = other.start(Sample(x.reshape(len(x), *shape)))
    assert again_unit.shape == (len(unit), *[1] * (len(shape) - 1))
    assert torch.equal(again.reshape(start.shape), start)
    assert torch.equal(again_unit.flatten(), unit.flatten())
