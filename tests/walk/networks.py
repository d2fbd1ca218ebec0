"""Networks of one's own, given from Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.distributions import Beta, Independent, Laplace, Normal
from torch.utils.data import DataLoader, TensorDataset

import vae_rd
from vae_rd import (
    VAE,
    BernoulliLikelihood,
    DataSet,
    Decoder,
    DiagonalNormal,
    DiagonalPosterior,
    Encoder,
    FitConfig,
    LazyDistribution,
    Source,
    StandardNormalPrior,
)
from vae_rd.experiment import tables
from vae_rd.model.likelihoods.gaussian import GaussianLikelihood
from vae_rd.model.multirate import MultiRateVAE
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.posteriors.categorical import CategoricalLatent
from vae_rd.model.posteriors.deterministic import PointPosterior
from vae_rd.model.priors.normal import StandardNormal
from vae_rd.model.terms import DrawnTerms, Group
from vae_rd.objectives.beta import BetaObjective
from vae_rd.objectives.capacity import CapacityObjective
from vae_rd.objectives.discrepancy import Discrepancy
from vae_rd.objectives.gradients.landed import Sticking
from vae_rd.objectives.gradients.score_function import ScoreFunction
from vae_rd.objectives.multirate import MultiRateObjective
from vae_rd.objectives.penalised import PenalisedObjective
from vae_rd.run.record import SPLITS

from helpers.own import OwnEncoder, own_vae
from walk.steps import BITS, Call, Step, fitted, flags, step, without

X = {
    "bits": torch.from_numpy(BITS[:, None]),
    "real": torch.randn(40, 1, 4, 4, generator=torch.Generator().manual_seed(0)),
}


SEQUENCES = ("--data=npz", "--data_file=bits.npz", "--layout=channels_first")
WHITE = "--data=gaussian --likelihood=gaussian --max_steps=1"


class Given(LazyDistribution):
    """A part that returns whatever `make` makes of its context."""

    def __init__(self, make: Callable[[Any], object]) -> None:
        super().__init__()
        self.make = make
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, context: Tensor | None = None) -> object:
        return self.make(context)


def data(kind: str = "bits") -> DataSet:
    return DataSet(Source("mine", dict.fromkeys(SPLITS, X[kind]), levels=2 if kind == "bits" else None))


def fits(model: Callable[[], object] = own_vae, data: Callable[[], object] = data, **fields: object) -> Call:
    settings = {"max_steps": 1, "batch_size": 8, "eval_samples": 2, "wandb": "off"} | fields
    return lambda: vae_rd.fit_model(FitConfig(**settings), model=model(), data=data())


def real() -> DataSet:
    return data("real")


def gaussian() -> VAE:
    return own_vae(likelihood=GaussianLikelihood(1.0))


def parts(**changes: Any) -> Callable[[], VAE]:
    """One's own VAE with other parts, or settings."""

    def make() -> VAE:
        model = own_vae()
        given = {"encoder": model.encoder, "decoder": model.decoder, "prior": model.prior, "latent_dim": 2} | changes
        return VAE(given.pop("encoder"), given.pop("decoder"), given.pop("prior"), **given)

    return make


def lazy(*, called: bool) -> Callable[[], VAE]:
    def make() -> VAE:
        model = own_vae()
        model.encoder.net[1] = nn.LazyLinear(8)
        if called:
            model.encoder(torch.zeros(2, 1, 4, 4))
        return model

    return make


class Large(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.empty(2**50, dtype=torch.uint8).sum()


class Centred(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


def with_layer(layer: type[nn.Module]) -> Callable[[], VAE]:
    """One's own VAE whose encoder begins with another layer."""

    def make() -> VAE:
        model = own_vae()
        model.encoder.net.insert(0, layer())
        return model

    return make


def config(**fields: object) -> Call:
    return lambda: vae_rd.fit_model(fields, model=own_vae(), data=data())


def beta(z: Tensor) -> object:
    return Independent(Beta(torch.ones(*z.shape[:-1], 1, 4, 4), 1.0), 3)


def as_config() -> object:
    return vae_rd.fit_model(FitConfig(max_steps=1, batch_size=8, wandb="off"), model=own_vae(), data=data())


def added(flag: str, word: str, row: str = "mlp") -> Call:
    def add() -> None:
        try:
            tables.add(flag, word, tables.TRUNKS[row])
        finally:
            if flag == "encoder" and word == "mine":
                del tables.TRUNKS["mine"]
                tables.WORDS["encoder"] = tables.WORDS["encoder"][:-1]

    return add


def drawn_distortion(q: Posterior, m: StandardNormal) -> Call:
    """-ln p(x|z) at draws of q(z|x), of a decoder that has no closed form with it, where the encoder is trained."""
    drawn = Group(q.from_noise(torch.randn(1, 3, q.noise_dim)), q, m)
    likelihood = Independent(Laplace(torch.zeros(1, 3, 4), 1.0), 1)
    return lambda: DrawnTerms(x=torch.zeros(3, 4), groups=[drawn], likelihood=likelihood).distortion


def over_betas() -> MultiRateVAE:
    """A VAE of this project's parts, of a range of betas."""
    encoder = Encoder(nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), DiagonalPosterior(4, latent_dim=2))
    decoder = Decoder(nn.Sequential(nn.Linear(2, 16), nn.Unflatten(1, (1, 4, 4))), BernoulliLikelihood())
    return MultiRateVAE(VAE(encoder, decoder, StandardNormalPrior(2), latent_dim=2), low=0.1, high=10.0, beta=1.0)


def autoencoder() -> VAE:
    """Whose z is a function of x."""
    head = PointPosterior(4, latent_dim=2)
    encoder, plain = Encoder(nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), head), own_vae()
    return VAE(encoder, plain.decoder, plain.prior, latent_dim=2)


def trained(precision: str = "32-true", *, make: Callable[[], VAE] = own_vae, batch: int = 20, **settings: Any) -> Call:
    """A VAE under a plain Trainer."""

    def train() -> None:
        quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
        trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", precision=precision, **quiet)
        trainer.fit(vae_rd.VAEModule(make(), **settings), DataLoader(X["bits"].float(), batch_size=batch))

    return train


STEPS: list[Step] = [
    step("take single precision; give bf16-mixed", trained("bf16-true"), trained("bf16-mixed")),
    step(
        "takes losses of single examples, and this one couples those of a batch; leave it out",
        trained(objective=CapacityObjective(4.0, weight=10.0), gradient=ScoreFunction()),
        trained(objective=CapacityObjective(4.0, weight=10.0)),
    ),
    step(
        'no factor leads from or to 0; give schedule="linear"',
        lambda: BetaObjective(0.0, warmup=10, start=1.0),
        lambda: BetaObjective(0.0, warmup=10, start=1.0, schedule="linear"),
    ),
    step(
        "has the other draws for a baseline; give samples=2",
        trained(gradient=ScoreFunction()),
        trained(gradient=ScoreFunction(), samples=2),
    ),
    step(
        "takes ln q(z|x), which Point does not have; leave it out",
        trained(objective=BetaObjective(0.0), gradient=Sticking(), make=autoencoder),
        trained(objective=BetaObjective(0.0), make=autoencoder),
    ),
    step(
        "VAEModule: a batch of 1: PenalisedObjective compares the examples of a batch; give 2 or more",
        trained(objective=PenalisedObjective(BetaObjective(1.0), Discrepancy()), batch=1),
        trained(objective=PenalisedObjective(BetaObjective(1.0), Discrepancy()), batch=2),
    ),
    step(
        "is of many betas, and this model takes none; give vae_rd.model.multirate.MultiRateVAE(model, ...)",
        trained(objective=MultiRateObjective(0.1, 10.0, beta=1.0)),
        trained(objective=MultiRateObjective(0.1, 10.0, beta=1.0), make=over_betas),
    ),
    step("give a FitConfig, such as vae_rd.FitConfig(**config)", config(max_steps=1), as_config),
    step("give a vae_rd.VAE(encoder, decoder, prior, latent_dim=...)", fits(lambda: nn.Linear(2, 3)), fits()),
    step("call model.encoder and model.decoder once", fits(lazy(called=False)), fits(lazy(called=True))),
    step(
        "give data=vae_rd.DataSet(source)",
        fits(data=lambda: Source("mine", dict.fromkeys(SPLITS, X["bits"]), levels=2)),
        fits(),
    ),
    step(
        "give an array, a Dataset, a DataLoader, a dict of such by split, or vae_rd.DataSet(vae_rd.Source(name,",
        fits(data=lambda: [X["real"]]),
        fits(gaussian, lambda: X["real"].numpy()),
        fits(gaussian, lambda: TensorDataset(X["real"])),
        fits(gaussian, lambda: DataLoader(TensorDataset(X["real"]))),
        fits(gaussian, lambda: dict.fromkeys(SPLITS, X["real"])),
        fits(gaussian, real),
    ),
    step("of the config is not read: what was given has 2; leave it out", fits(latent_dim=5), fits()),
    step("of the config is not read: what was given has 40; leave it out", fits(n_train=5), fits()),
    step("give modules as attributes, with requires_grad", fits(lambda: own_vae().requires_grad_(False)), fits()),
    step("give VAE(..., noise_dim=2)", fits(parts(noise_dim=5)), fits(parts(noise_dim=2))),
    step(
        "return a vae_rd.Posterior, such as vae_rd.DiagonalNormal(mu, log_var)",
        fits(parts(encoder=Given(lambda x: (x, x)))),
        fits(),
    ),
    step(
        "return a vae_rd.Prior",
        fits(parts(prior=Given(lambda _: Normal(0.0, 1.0)))),
        fits(parts(prior=StandardNormalPrior(2))),
    ),
    step(
        "mend the network",
        fits(parts(encoder=OwnEncoder(99, 4, nn.Tanh))),
        fits(parts(encoder=OwnEncoder(16, 4, nn.Tanh))),
    ),
    step("give a smaller network", fits(with_layer(Large)), fits()),
    step("take each alone", fits(with_layer(Centred)), fits()),
    step("wanted [latent_dim] = [3]", fits(parts(latent_dim=3)), fits(parts(latent_dim=2))),
    step("wanted [C, H, W] = [1, 4, 4]", fits(lambda: own_vae(shape=(1, 2, 8))), fits()),
    step("give another likelihood, or data of that kind", fits(gaussian), fits(), fits(gaussian, real)),
    step("give a distribution of such values", fits(parts(decoder=Given(beta))), fits()),
    step("give one that covers them", fits(parts(decoder=Given(beta)), real), fits(gaussian, real)),
    step("pip install 'vae_rd[flows]'", without("zuko", fitted("--prior=maf")), fitted("--prior=maf")),
    step("and a word that it does not have", added("encoder", "mlp"), added("encoder", "mine")),
    step("give one of data, encoder,", added("beta", "mine"), added("encoder", "mine")),
    step("its row has no encoder; give it one", added("encoder", "made", "made"), added("encoder", "mine")),
    step(
        "choose linear, mlp, conv or resnet",
        fitted(*SEQUENCES, "--decoder=made"),
        *(fitted(*SEQUENCES, f"--decoder={word}") for word in ("linear", "mlp")),
        *(fitted(*SEQUENCES, f"--decoder={word}", "--encoder=conv") for word in ("conv", "resnet")),
    ),
    flags(f"{WHITE} --decoder=made --whiten", "takes in turn; leave it out", f"{WHITE} --decoder=made"),
    step(
        "choose another posterior or likelihood",
        drawn_distortion(CategoricalLatent(torch.zeros(3, 2)), StandardNormal(torch.zeros(2))),
        drawn_distortion(DiagonalNormal(torch.zeros(3, 2), torch.zeros(3, 2)), StandardNormal(torch.zeros(2))),
    ),
]
