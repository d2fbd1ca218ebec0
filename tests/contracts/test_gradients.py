"""Every estimator of a gradient has the right expectation, which a sum over all z, or a grid of them, knows."""

import math
from types import SimpleNamespace

import pytest
import torch

from vae_rd.experiment import tables
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.terms import Terms
from vae_rd.model.vae import VAE

from helpers.linear_gaussian import LinearGaussian
from helpers.members import LATENT_DIM, SHAPE, card, config, decoder, every_z, likelihood, posterior, prior

pytestmark = pytest.mark.usefixtures("float64")
N, S = 4000, 3  # Replicates, each with a gradient of its own; draws in each.
BETA = 2.0
WORDS = [word for word in tables.POSTERIORS if posterior(word).has_density]
X = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Fixed(torch.nn.Module):
    """q(z|x) of features that are given in place of x."""

    def __init__(self, head: torch.nn.Module, features: torch.Tensor) -> None:
        super().__init__()
        self.head, self.features = head, features

    def forward(self, x):
        return self.head(self.features[: len(x)])


def objective(word: str):
    return tables.OBJECTIVES[word](config(objective=word, beta=BETA), card())


def estimates(gradient, made, model: VAE, leaf: torch.Tensor, *, n: int = N, samples: int = S) -> torch.Tensor:
    """n independent estimates of the gradient by a leaf of whose first dimension each example has its own, [n, ...]."""
    x = X[: math.prod(SHAPE)].view(1, *SHAPE).expand(n, *SHAPE)
    terms = gradient.terms(model, x, model.noise(samples, x, seeded(2)))
    loss = made(terms, 0, noise=seeded(3))
    surrogate = gradient.surrogate(made, terms, loss, 0, noise=seeded(3))
    return torch.autograd.grad(surrogate.sum(), leaf)[0]


def check_mean(found: torch.Tensor, exact: torch.Tensor, *, largest: float) -> None:
    """Within 4 standard errors, which are at most a share of the gradient's length."""
    stderr = found.std(0) / math.sqrt(len(found))
    assert stderr.max() < largest * exact.norm(), stderr.max() / exact.norm()
    assert ((found.mean(0) - exact).abs() < 4 * stderr + 1e-4 * exact.norm()).all(), (found.mean(0), exact, stderr)


@pytest.mark.parametrize("word", tables.GRADIENTS)
@pytest.mark.parametrize("family", WORDS)
def test_of_every_posterior_its_mean_is_the_gradient_of_the_loss(family, word):
    gradient, made, head = tables.GRADIENTS[word](), objective("beta"), posterior(family)
    if gradient.objective_problem(made):
        pytest.skip("not of this objective")
    if gradient.is_pathwise and not head.has_rsample:
        pytest.skip("these draws have no gradient")
    m = prior("normal" if head.is_continuous else "categorical")
    p = decoder("mlp", likelihood("bernoulli"))
    n, points = (N, 161) if head.most_compared is None else (3 * N // 4, 81)  # Of a flow every density is dear.
    features = torch.randn(1, 4, generator=seeded()).expand(n, 4).clone().requires_grad_()
    model = VAE(Fixed(head, features), p, m, latent_dim=LATENT_DIM, noise_dim=head.noise_dim)
    found = estimates(gradient, made, model, features, n=n)
    z, volume = every_z(head, points)
    one = features[:1].detach().requires_grad_()
    log_q = head(one).pairwise_log_prob(z)[:, 0]
    loss = -p(z).log_prob(X.view(1, *SHAPE)) + BETA * (log_q - m().log_prob(z))
    exact = torch.autograd.grad((log_q.exp() * loss).sum() * volume, one)[0][0]
    check_mean(found, exact, largest=0.05)


class PairwiseGaussian(torch.nn.Module):
    """q(z|x) = N(m, s^2) of one unit, whose m and ln s^2 each example has its own."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.own = torch.tensor([0.3, -1.0]).repeat(n, 1).requires_grad_()

    def forward(self, x):
        return DiagonalNormal(*self.own[: len(x)].split(1, -1))


@pytest.mark.parametrize("word", tables.GRADIENTS)
def test_of_iwae_its_mean_is_the_gradient_of_the_bound_of_two(word):
    gradient, made, n = tables.GRADIENTS[word](), objective("iwae"), 20_000
    if gradient.objective_problem(made):
        pytest.skip("not of this objective")
    torch.manual_seed(0)
    p = decoder("mlp", likelihood("bernoulli"), latent_dim=1)
    m = tables.PRIORS["normal"](SimpleNamespace(latent_dim=1), card(), None)
    encoder = PairwiseGaussian(n)
    found = estimates(gradient, made, VAE(encoder, p, m, latent_dim=1), encoder.own, n=n, samples=2)
    z = torch.linspace(-8, 8, 401)[:, None]
    log_q = encoder(torch.zeros(1)).log_prob(z[:, None])[:, 0]
    log_w = p(z).log_prob(X.view(1, *SHAPE)) + m().log_prob(z) - log_q
    bound = torch.logaddexp(log_w[:, None], log_w) - math.log(2)
    both = (log_q[:, None] + log_q).exp() * (z[1] - z[0]) ** 2
    exact = torch.autograd.grad(-(both * bound).sum(), encoder.own)[0][0]
    check_mean(found, exact, largest=0.05)


class OwnDecoder(torch.nn.Module):
    """p(x|z) = N(W z, I) in which each example has its own W, [N, P, D]."""

    def __init__(self, w: torch.Tensor) -> None:
        super().__init__()
        self.w = w

    def forward(self, z):
        mean = (self.w @ z[..., None])[..., 0]
        normal = torch.distributions.Normal(mean.unflatten(-1, SHAPE), 1.0, validate_args=False)
        return torch.distributions.Independent(normal, 3)


@pytest.mark.parametrize("word", tables.GRADIENTS)
@pytest.mark.parametrize("aim", ["beta", "iwae"])
def test_by_the_decoder_it_is_that_of_the_loss_itself(word, aim):
    """-ELBO of a linear decoder has d/dW = (W mu - x) mu^T + W diag(variance) at unit noise; L_K its plain gradient."""
    gradient, made = tables.GRADIENTS[word](), objective(aim)
    if gradient.objective_problem(made):
        pytest.skip("not of this objective")
    mu, log_var = torch.tensor([[0.5, -1.0]]), torch.tensor([[-1.0, 0.5]])
    one = torch.randn(3, LATENT_DIM, generator=seeded())
    w = one.repeat(N, 1, 1).requires_grad_()

    class Encoder(torch.nn.Module):
        def forward(self, x):
            return DiagonalNormal(
                mu.expand(len(x), -1).clone().requires_grad_(), log_var.expand(len(x), -1).clone().requires_grad_()
            )

    model = VAE(Encoder(), OwnDecoder(w), prior("normal"), latent_dim=LATENT_DIM)
    found = estimates(gradient, made, model, w)
    if aim == "iwae":  # Whatever the encoder's, the decoder's is the same for the same draws.
        plain = estimates(tables.GRADIENTS["reparameterised"](), made, model, w)
        assert torch.allclose(found, plain)
        return
    exact = torch.outer(one @ mu[0] - X, mu[0]) + one * log_var[0].exp()
    check_mean(found, exact, largest=0.05)


def linear(*, variance_factor: float) -> tuple[LinearGaussian, VAE, torch.Tensor]:
    """A linear model of one unit under its true posterior, of a variance that is so many times the true one."""
    torch.manual_seed(0)
    truth = LinearGaussian.random(pixels=3, latent_dim=1, s2=0.5)
    model = truth.vae(matrix=truth.regression, variance=variance_factor / truth.precision.diagonal())
    return truth, model, truth.sample(50)


@pytest.mark.parametrize(("word", "aim"), [("sticking", "beta"), ("dreg", "iwae")])
def test_at_the_true_posterior_no_variance_is_left(word, aim):
    _, model, x = linear(variance_factor=1.0)
    gradient, made = tables.GRADIENTS[word](), tables.OBJECTIVES[aim](config(objective=aim, beta=1.0), card())
    terms = gradient.terms(model, x, model.noise(S, x, seeded()))
    surrogate = gradient.surrogate(made, terms, made(terms, 0, noise=seeded()), 0, noise=seeded())
    found = torch.autograd.grad(surrogate.mean(), list(model.encoder.parameters()))
    assert max(part.abs().max() for part in found) < 1e-10
    terms = model.terms(x, model.noise(S, x, seeded()))
    plain = torch.autograd.grad((terms.log_ratio - terms.log_px_z).mean(), list(model.encoder.parameters()))
    assert max(part.abs().max() for part in plain) > 1e-3


def test_of_one_draw_dreg_is_sticking():
    _, model, x = linear(variance_factor=1.5)
    found = []
    for word, aim in (("sticking", "beta"), ("dreg", "iwae")):
        gradient, made = tables.GRADIENTS[word](), tables.OBJECTIVES[aim](config(objective=aim, beta=1.0), card())
        terms = gradient.terms(model, x, model.noise(1, x, seeded()))
        surrogate = gradient.surrogate(made, terms, made(terms, 0, noise=seeded()), 0, noise=seeded())
        found.append(torch.autograd.grad(surrogate.mean(), list(model.encoder.parameters())))
    assert all(torch.allclose(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("aim", tables.OBJECTIVES)
def test_with_fixed_noise_the_gradient_of_a_loss_is_that_of_finite_differences(aim):
    """Through the posterior, the draws, the decoder and whatever the loss makes of them."""
    made = tables.OBJECTIVES[aim](config(objective=aim, beta=BETA), card())
    head, p, x = posterior("diagonal"), decoder("mlp", likelihood("bernoulli")), X.view(1, *SHAPE).expand(4, *SHAPE)
    features = torch.randn(4, 4, generator=seeded()).requires_grad_()
    weight = p.get_parameter(next(name for name, _ in p.named_parameters()))

    def loss(features, weight):
        model = VAE(Fixed(head, features), p, prior("normal"), latent_dim=LATENT_DIM)
        name = next(f"decoder.{name}" for name, own in p.named_parameters() if own.shape == weight.shape)
        terms = torch.func.functional_call(Called(model), {f"model.{name}": weight}, (x,))
        return made(terms, 0, noise=seeded(3))

    class Called(torch.nn.Module):
        def __init__(self, model: VAE) -> None:
            super().__init__()
            self.model = model

        def forward(self, x) -> Terms:
            terms = self.model.terms(x, self.model.noise(S, x, seeded(2)))
            _ = terms.log_px_z, terms.rate  # While the weight is in its place.
            return terms

    assert torch.autograd.gradcheck(loss, (features, weight.detach().clone().requires_grad_()))


@pytest.mark.parametrize("word", tables.GRADIENTS)
@pytest.mark.parametrize("aim", ["beta", "iwae"])
def test_the_loss_that_is_reported_is_the_objective_s_own(word, aim):
    gradient, made = tables.GRADIENTS[word](), objective(aim)
    if gradient.objective_problem(made):
        pytest.skip("not of this objective")
    _, model, x = linear(variance_factor=1.5)
    eps = model.noise(S, x, seeded())
    losses = [made(terms, 0, noise=seeded()) for terms in (gradient.terms(model, x, eps), model.terms(x, eps))]
    assert torch.allclose(*losses)
