"""What Python hands over is looked at before anything is written: types, then one forward pass of two examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent
from torch.nn.parameter import is_lazy

from vae_rd.config.fields import FitConfig
from vae_rd.config.names import defaults_of
from vae_rd.data.base import DataCard, Source, UnlimitedSource
from vae_rd.data.dataset import DataSet
from vae_rd.data.given import is_data, source_of
from vae_rd.data.wanted import Wanted
from vae_rd.errors import InputError
from vae_rd.experiment import build, tables
from vae_rd.model.likelihoods.base import Likelihood
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.priors.base import Prior
from vae_rd.model.vae import VAE
from vae_rd.process.memory import is_out_of_memory

EXAMPLES = 2
DISCRETE = ("binary", "one_hot")


def check_given(config: object, model: object, data: object) -> None:
    """Refuse what is of another type than `fit_model` takes.

    Raises:
        InputError: naming what was given, and how it becomes what is wanted.
    """
    if not isinstance(config, FitConfig):
        how = "vae_rd.FitConfig(**config)" if isinstance(config, dict) else "vae_rd.FitConfig(beta=4.0)"
        raise InputError(f"config is of type {_type(config)}; give a FitConfig, such as {how}")
    check_network_and_data(model, data)


def check_network_and_data(model: object, data: object) -> None:
    """Refuse what is neither None nor a VAE, and what is neither None nor data.

    Raises:
        InputError: naming what was given, and how it becomes what is wanted.
    """
    if model is not None and not isinstance(model, VAE):
        raise InputError(
            f"model is of type {_type(model)}; give a vae_rd.VAE(encoder, decoder, prior, latent_dim=...), whose parts "
            "return distributions"
        )
    if model is not None and any(is_lazy(p) for p in (*model.parameters(), *model.buffers())):
        raise InputError("model has layers whose sizes are not known yet; call model.encoder and model.decoder once")
    if isinstance(data, Source | UnlimitedSource):
        raise InputError(f"data is a {_type(data)}; give data=vae_rd.DataSet(source)")
    if data is not None and not isinstance(data, DataSet) and not is_data(data):
        raise InputError(
            f"data is of type {_type(data)}; give an array, a Dataset, a DataLoader, a dict of such by split, or "
            "vae_rd.DataSet(vae_rd.Source(name, "
            '{"train": pixels, "val": pixels, "test": pixels}, levels=None)), pixels [N, C, H, W]'
        )


def data_set_of(data: Any, config: FitConfig) -> DataSet | None:
    """What was given as the flags ask for it; a DataSet, or nothing, as it is.

    Raises:
        InputError: for data that could be read in two ways, or that the flags do not fit.
    """
    if data is None or isinstance(data, DataSet):
        return data
    return build.data_set(source_of(data, data_seed=config.data_seed), config)


def check_agreement(config: FitConfig, card: DataCard, *, model: VAE | None, data: DataSet | None) -> None:
    """Refuse a field of the config that says something else than what was given from Python, and would not be read.

    Raises:
        InputError: naming the field.
    """
    for name, given in (*_facts_of_model(config, model, card), *_facts_of_data(data)):
        stated, default = getattr(config, name), defaults_of(config.defaults_version)[name]
        if stated not in (default, given):
            raise InputError(f"{name}={stated!r} of the config is not read: what was given has {given!r}; leave it out")


def _facts_of_model(config: FitConfig, model: VAE | None, card: DataCard) -> Iterator[tuple[str, Any]]:
    if model is None:
        return
    yield "latent_dim", model.latent_dim
    own, named = getattr(model.decoder, "likelihood", None), tables.LIKELIHOODS[config.likelihood]
    if isinstance(own, Likelihood):
        same = type(own) is type(named(config, card))
        yield "likelihood", config.likelihood if same else type(own).__qualname__


def _facts_of_data(data: DataSet | None) -> Iterator[tuple[str, Any]]:
    if data is None:
        return
    yield from (("n_train", data.card.n["train"]), ("n_test", data.card.n["test"]))
    for name in ("data_seed", "binarization", "dequantize"):
        yield name, data.card.params.get(name, Wanted._field_defaults[name])
    yield "target", "x" if data.card.target is None else "label"


def check_model(model: VAE, data: DataSet) -> None:
    """Refuse one's own network that does not do what a VAE does, by two training examples in eval and in train mode.

    The network, torch's random stream and its buffers are afterwards as before.

    Raises:
        InputError: naming the part, what it gave and what is wanted.
    """
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = {name: module.training for name, module in model.named_modules()}
    trained = [p for p in model.parameters() if p.requires_grad and p.is_floating_point()]
    if not trained:
        raise InputError("model has no parameter to train; give modules as attributes, with requires_grad")
    x = data.evaluation_chunk("train", 0)[:EXAMPLES].to(trained[0].device)
    if torch.get_default_dtype() == torch.float64:  # Lightning makes the network double, too, but not before.
        x = x.to(trained[0].dtype)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for training in (False, True):
                _check_pass(model.train(training), x, data.card)
    finally:
        model.load_state_dict(state)
        for name, module in model.named_modules():
            module.training = modes[name]


def _check_pass(model: VAE, x: Tensor, card: DataCard) -> None:
    d, mode = model.latent_dim, "train" if model.training else "eval"
    q = _called(model.encoder, x, what=f"encoder(x) in {mode} mode, x {_shape(x)}")
    _check_kind("encoder(x)", q, Posterior, "a vae_rd.Posterior, such as vae_rd.DiagonalNormal(mu, log_var)")
    _check_shape("encoder(x): event shape of q(z|x)", q.event_shape, (d,), "[latent_dim]")
    _check_shape("encoder(x): batch shape of q(z|x)", q.batch_shape, (len(x),), "[B]")
    if q.noise_dim != model.noise_dim:
        raise InputError(
            f"q(z|x) takes {q.noise_dim} numbers of noise, the model gives {model.noise_dim}; "
            f"give VAE(..., noise_dim={q.noise_dim})"
        )
    m = _called(model.prior, what="prior()")
    _check_kind("prior()", m, Prior, "a vae_rd.Prior, as vae_rd.StandardNormalPrior(latent_dim) does")
    _check_shape("prior(): event shape of m(z)", m.event_shape, (d,), "[latent_dim]")
    eps = model.noise(1, x, torch.Generator().manual_seed(0))
    with _blamed(f"q(z|x).from_noise(eps), eps {_shape(eps)}"):
        z = q.from_noise(eps).z
    _check_shape("q(z|x).from_noise(eps): z", z.shape, (1, len(x), d), "[S, B, latent_dim]")
    p = _called(model.decoder, z, what=f"decoder(z) in {mode} mode, z {_shape(z)}")
    _check_kind("decoder(z)", p, Distribution, "a distribution over [C, H, W], as vae_rd.Decoder(net, likelihood) does")
    _check_shape("decoder(z): event shape of p(x|z)", p.event_shape, tuple(x.shape[1:]), "[C, H, W]")
    _check_shape("decoder(z): batch shape of p(x|z)", p.batch_shape, tuple(z.shape[:-1]), "[S, B]")
    _check_support(model.decoder, p, x, card)
    for name, log_prob, value in (("p(x|z)", p.log_prob, x), ("m(z)", m.log_prob, z), ("q(z|x)", q.log_prob, z)):
        with _blamed(f"log_prob of {name} at {_shape(value)}"):
            values = log_prob(value)
        _check_shape(f"log_prob of {name}", values.shape, tuple(z.shape[:-1]), "[S, B]")
    if not model.training:
        _check_alone(model, x, z, q.log_prob(z), p.log_prob(x))


def _check_alone(model: VAE, x: Tensor, z: Tensor, log_qz: Tensor, log_px: Tensor) -> None:
    """A network that looks at the whole batch has no q(z|x): its numbers would be those of the evaluation's chunks."""
    alone = {
        "encoder(x)": (model.encoder(x[:1]).log_prob(z[:, :1]), log_qz[:, :1]),
        "decoder(z)": (model.decoder(z[:, :1]).log_prob(x[:1]), log_px[:, :1]),
    }
    for part, (one, of_two) in alone.items():
        if not torch.allclose(one, of_two, rtol=1e-3, atol=1e-3, equal_nan=True):
            raise InputError(f"{part} of an example depends on the others in its batch, in eval mode; take each alone")


def _called(part: nn.Module, *arguments: Tensor, what: str) -> Any:
    with _blamed(what):
        return part(*arguments)


def _check_kind(what: str, given: object, kind: type, wanted: str) -> None:
    if not isinstance(given, kind):
        raise InputError(f"{what} returns a {_type(given)}; return {wanted}")


@contextmanager
def _blamed(what: str) -> Iterator[None]:
    """What one's own code raises becomes one line; Python's traceback has its cause above."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise InputError(f"{what}: memory is too short for two examples; give a smaller network") from error
        reason = (str(error).splitlines() or ["no message"])[0]
        raise InputError(f"{what}: {type(error).__name__}: {reason}; mend the network") from error


def _check_shape(what: str, found: torch.Size, wanted: tuple[int, ...], legend: str) -> None:
    if tuple(found) != wanted:
        raise InputError(f"{what} is {list(found)}, wanted {legend} = {list(wanted)}")


def _check_support(decoder: nn.Module, p: Distribution, x: Tensor, card: DataCard) -> None:
    """A density at values of probabilities, or the other way round, is no distortion, and H - D no bound."""
    likelihood = getattr(decoder, "likelihood", None)
    if isinstance(likelihood, Likelihood):
        if not likelihood.scores(card.kinds):
            raise InputError(
                f"{type(likelihood).__name__} is for {' or '.join(likelihood.supports)} x; that of {card.name} is "
                f"{card.support}: give another likelihood, or data of that kind"
            )
        return
    support, family = _known(lambda: p.support), _type(p.base_dist if isinstance(p, Independent) else p)
    if support is None:
        return
    if support.is_discrete != (card.support in DISCRETE):
        kinds = {True: "probabilities of whole numbers", False: "a density"}
        raise InputError(
            f"decoder(z): {family} has {kinds[support.is_discrete]}, and x of {card.name} is {card.support}; "
            "give a distribution of such values"
        )
    if not bool(support.check(x).all()):
        raise InputError(f"decoder(z): {family} has no density at some x of {card.name}; give one that covers them")


def _known(ask: Callable[[], Any]) -> Any:
    """What a distribution says of itself, or None: not every one says it."""
    with suppress(NotImplementedError, AttributeError):
        return ask()
    return None


def _shape(values: Tensor) -> str:
    return str(list(values.shape))


def _type(given: object) -> str:
    return type(given).__qualname__
