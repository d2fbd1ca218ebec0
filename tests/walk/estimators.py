"""Estimators, called from Python."""

from collections.abc import Callable

import torch
from torch import Tensor

from vae_rd import FitConfig
from vae_rd.estimators.ais import decoder_distortion, prior_path
from vae_rd.estimators.annealing import Annealing, default_schedule
from vae_rd.estimators.dual import dual_bound
from vae_rd.estimators.gaps import inference_gaps
from vae_rd.estimators.importance import importance
from vae_rd.estimators.particles import SquaredError, particle_bound
from vae_rd.estimators.rate_distortion_curve import rate_distortion_curve
from vae_rd.estimators.rate_split import rate_split
from vae_rd.experiment.build import build_data, build_model
from vae_rd.model.priors.normal import StandardNormal
from vae_rd.model.vae import VAE

from helpers.own import own_vae
from walk.steps import Call, Step, step

X = torch.zeros(3, 1, 4, 4)


def noise() -> torch.Generator:
    return torch.Generator().manual_seed(0)


DISTANCE = SquaredError()


def draw(n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(n, 1, generator=generator)


def bound(
    source: Callable[..., Tensor] = draw, distortion: Callable[..., Tensor] = DISTANCE, **settings: object
) -> Call:
    sizes = {"weight": 1.0, "particles": 9, "steps": 4, "batch": 16, "n_eval": 100} | settings
    return lambda: particle_bound(source, distortion, generator=noise(), **sizes)


def dual(alphabet: Tensor) -> Call:
    sizes = {"particles": 9, "steps": 4, "batch": 16, "n_eval": 100}
    return lambda: dual_bound(draw, SquaredError(), weight=1.0, generator=noise(), alphabet=alphabet, **sizes)


def curve(*b: float, distortion: Callable[[Tensor], Tensor] = lambda z: z.square().sum(-1)) -> Call:
    path = prior_path(StandardNormal(torch.zeros(1).double()), distortion, n=2)
    plan = Annealing(default_schedule([1.0], steps=4), chains=2, leapfrog_steps=1)
    return lambda: rate_distortion_curve(path, b, plan, generator=noise())


def measured(model: VAE, samples: int = 4) -> Call:
    return lambda: importance(model, X, samples=samples, noise=noise())


def gaps(model: VAE, steps: int = 2) -> Call:
    return lambda: inference_gaps(model, X, log_px=torch.zeros(3), noise=noise(), steps=steps, draws=2, samples=2)


def split(**shapes: tuple[int, ...]) -> Call:
    given = {"z": (1, 3, 2), "mu": (3, 2), "sigma": (3, 2), "log_mz": (1, 3, 2)} | shapes
    return lambda: rate_split(**{name: torch.ones(shape) for name, shape in given.items()})


def categorical() -> VAE:
    config = FitConfig(posterior="categorical", prior="categorical", n_train=16, n_test=16)
    return build_model(config, build_data(config).card).eval()


def one_z_for_all() -> object:
    return inference_gaps(
        categorical(), torch.zeros(3, 1, 16, 16), log_px=torch.zeros(3), noise=noise(), steps=2, draws=2, samples=2
    )


STEPS: list[Step] = [
    step("the weight of the distortion must be finite and above 0", bound(weight=0.0), bound()),
    step("at least 2 are needed", bound(particles=1), bound(particles=2)),
    step("it must return finite x as [3, d]", bound(lambda n, g: torch.randn(n, generator=g)), bound()),
    step("it must be [3, 2], all >= 0", bound(distortion=lambda x, y: -SquaredError()(x, y)), bound()),
    step("it must be [K, 1], one row a letter", dual(torch.zeros(4, 2)), dual(torch.linspace(-1, 1, 4)[:, None])),
    step("make it with default_schedule", curve(2.0), curve(1.0)),
    step(
        "check the decoder's weights and x",
        curve(1.0, distortion=lambda z: z.square().sum(-1) * torch.inf),
        curve(1.0),
    ),
    step(
        "need [2 or more], >= 1",
        lambda: Annealing(torch.zeros(1), chains=1, leapfrog_steps=1),
        lambda: Annealing(torch.tensor([0.0, 1.0]), chains=1, leapfrog_steps=1),
    ),
    step(
        "at least one above 0", lambda: default_schedule([0.0], steps=4), lambda: default_schedule([0.0, 1.0], steps=4)
    ),
    step("give positive numbers", lambda: default_schedule([1.0], steps=0), lambda: default_schedule([1.0], steps=1)),
    step("call model.eval() first", measured(own_vae()), measured(own_vae().eval())),
    step("give whole numbers of draws from 1", measured(own_vae().eval(), 0), measured(own_vae().eval(), 1)),
    step(
        "call model.eval() first",
        lambda: decoder_distortion(own_vae(), X),
        lambda: decoder_distortion(own_vae().eval(), X),
    ),
    step("give whole numbers from 1", gaps(own_vae().eval(), 0), gaps(own_vae().eval(), 1)),
    step("give a model with DiagonalNormal ones", one_z_for_all, gaps(own_vae().eval())),
    step("one value a unit, two examples or more", split(log_mz=(1, 3, 1)), split()),
    step(
        "one value a unit, two examples or more", split(z=(1, 1, 2), mu=(1, 2), sigma=(1, 2), log_mz=(1, 1, 2)), split()
    ),
]
