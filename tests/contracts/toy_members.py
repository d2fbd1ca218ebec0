"""One member of each kind from outside the package: an object and a row each, and nothing else.

    python toy_members.py '[["fit", "--beta=4"], ["evaluate", "runs/..."], ...]'

carries out `vae_rd.fit`, `vae_rd.evaluate`, `vae_rd.sweep` and `analysis` with them, one after another. The fits of a
sweep are processes that import this script as their main module, so the rows are there too.
"""

import json
import sys
from types import SimpleNamespace

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import nn

from analysis.__main__ import main as analysis
from analysis.figures.kinds import FIGURES, FigureKind
from vae_rd import evaluate, fit, sweep
from vae_rd.config.estimates import ESTIMATES, EstimateFlag
from vae_rd.data.base import Source
from vae_rd.estimates.base import Examples, entry
from vae_rd.estimates.kinds import KINDS, Kind
from vae_rd.experiment import tables
from vae_rd.model.likelihoods.base import ImageDistribution, Likelihood
from vae_rd.model.nn.trunk import EncoderTrunk
from vae_rd.model.posteriors.base import Draw, Posterior, PosteriorHead
from vae_rd.model.priors.base import Prior, PriorHead
from vae_rd.objectives.base import Objective
from vae_rd.objectives.gradients.base import Gradient
from vae_rd.verdicts.kinds import VERDICTS


class Logistic(Posterior):
    """A logistic distribution of each unit, with no closed form anywhere."""

    def __init__(self, mu, log_scale):
        self.mu, self.log_scale = mu, log_scale
        super().__init__(mu, log_scale)

    def from_noise(self, eps):
        u = (torch.special.log_ndtr(eps), torch.special.log_ndtr(-eps))
        return Draw(self.mu + self.log_scale.exp() * (u[0] - u[1]))

    def log_prob(self, value):
        t = (value - self.mu) / self.log_scale.exp()
        return (-t - 2 * nn.functional.softplus(-t) - self.log_scale).sum(-1)


class LogisticHead(PosteriorHead):
    def __init__(self, features, latent_dim):
        super().__init__()
        self.head = nn.Linear(features, 2 * latent_dim)

    def forward(self, context):
        return Logistic(*self.head(context).chunk(2, -1))


class Laplace(Prior):
    def __init__(self, scale):
        self.scale = scale
        super().__init__(event_shape=scale.shape, validate_args=False)

    def log_prob(self, value):
        return (-(value.abs() / self.scale) - (2 * self.scale).log()).sum(-1)

    def sample(self, sample_shape=(), *, generator):
        shape = (*sample_shape, *self.event_shape)
        sides = torch.rand(2, *shape, generator=generator, dtype=self.scale.dtype, device=generator.device)
        return self.scale * (sides[0].log() - sides[1].log()).to(self.scale)


class LaplacePrior(PriorHead):
    def __init__(self, latent_dim):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, context=None):
        return Laplace(self.log_scale.exp())


class Probit(ImageDistribution):
    def __init__(self, score):
        self.score = score
        super().__init__(score)

    @property
    def mean(self):
        return torch.special.ndtr(self.score)

    def log_prob(self, value):
        return torch.special.log_ndtr((2 * value - 1) * self.score).flatten(-3).sum(-1)

    def sample(self, sample_shape=()):
        return torch.bernoulli(self.mean.expand(*sample_shape, *self.score.shape))


class ProbitLikelihood(Likelihood):
    supports = ("binary",)

    def forward(self, context):
        return Probit(context)


class SquaredRate(Objective):
    """D + R^2, with how many steps it has seen in a buffer and in a column of history."""

    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, terms, step, *, noise):
        return (terms.distortion + terms.rate.square()).mean(0)

    def after_step(self, terms):
        self.steps += 1

    def logged(self):
        return {"steps_seen": self.steps}

    def weight(self, step):
        return 1.0

    def slope(self):
        return None

    def is_annealing(self, step):
        return False

    def score(self, means):
        return means["distortion"] + means["rate"] ** 2


class Halved(Gradient):
    """Half the plain gradient, which Adam does not notice."""

    def objective_problem(self, objective):
        return None

    def surrogate(self, objective, terms, loss, step, *, noise):
        return 0.5 * loss


def tanh_encoder(shape, widths, activation):
    pixels = shape[0] * shape[1] * shape[2]
    return EncoderTrunk(nn.Flatten(), nn.Linear(pixels, 8), nn.Tanh(), features=8)


def tanh_decoder(shape, widths, latent_dim, activation):
    pixels = shape[0] * shape[1] * shape[2]
    return nn.Sequential(nn.Linear(latent_dim, 8), nn.Tanh(), nn.Linear(8, pixels), nn.Unflatten(1, shape))


def stripes():
    """All 4 x 4 images whose rows are equal."""
    rows = torch.tensor([[(i >> b) & 1 for b in range(4)] for i in range(16)], dtype=torch.uint8)
    return Source("stripes", {"train": rows[:, None, None].expand(16, 1, 4, 4).contiguous()}, 2, population=True)


def norm(run, settings):
    """The mean squared length of E z."""
    examples = Examples(run, settings, "norm")

    def measure(part, x):
        z = run.model.terms(x, run.model.noise(1, x, examples.noise(x, "norm", part))).z[0]
        return {"norm": z.square().sum(-1).detach().double()}

    values = examples.measure(measure)["norm"]
    return entry("norm", settings, examples.mean(values, 0 * values), bound=None, source="|z|^2")


def draw(runs, view):
    figure = Figure()
    rows = runs[runs["split"] == view.split]
    figure.add_subplot().scatter(rows["rate"], rows["distortion"])
    return figure


def numbers(runs, view):
    return {"": pd.DataFrame({"rate": runs["rate"]})}


tables.add("data", "stripes", lambda c: stripes())
tables.add("encoder", "tanh", tables.Trunk(tanh_encoder, tanh_decoder))
tables.add("decoder", "tanh", tables.Trunk(tanh_encoder, tanh_decoder))
tables.add("posterior", "logistic", lambda c, card, trunk: LogisticHead(trunk.features, c.latent_dim))
tables.add("prior", "laplace", lambda c, card, encoder: LaplacePrior(c.latent_dim))
tables.add("likelihood", "probit", lambda c, card: ProbitLikelihood())
tables.add("objective", "squared_rate", lambda c, card: SquaredRate())
tables.add("gradient", "halved", Halved)
ESTIMATES["norm"] = EstimateFlag("mean of |z|^2", ("examples", "seed"))
KINDS["norm"] = Kind((norm,))
VERDICTS["busy"] = lambda evidence: {"busy": evidence.metrics["test"]["rate"]["value"] > 0.5}
FIGURES["scatter"] = FigureKind("D over R", lambda: SimpleNamespace(draw=draw, numbers=numbers))

if __name__ == "__main__":
    commands = {"fit": fit.main, "evaluate": evaluate.main, "sweep": sweep.main, "analysis": analysis}
    for name, *arguments in json.loads(sys.argv[1]):
        if code := commands[name](arguments):
            sys.exit(f"{name} {arguments}: exit code {code}")
