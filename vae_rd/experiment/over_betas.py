"""A model of the flags as one of a range of betas, where its parts take ln beta."""

from __future__ import annotations

from vae_rd.config.fields import FitConfig
from vae_rd.errors import InputError
from vae_rd.experiment.recipe import is_linear
from vae_rd.model.coders import Decoder
from vae_rd.model.multirate import MultiRateVAE
from vae_rd.model.vae import VAE
from vae_rd.objectives.base import BetaRange


def over_betas(config: FitConfig, model: VAE, betas: BetaRange) -> MultiRateVAE:
    """The model as one of a range of betas.

    Raises:
        InputError: for parts that do not take ln beta.
    """
    decoder, given = model.decoder, f"--objective {config.objective}: ln beta does not reach"
    if not isinstance(decoder, Decoder):
        raise InputError(f"{given} --decoder {config.decoder}; choose linear, mlp, conv or resnet")
    if config.posterior != "diagonal":
        raise InputError(f"{given} --posterior {config.posterior}; choose diagonal")
    if config.prior == "vamp":
        raise InputError(f"{given} --prior vamp, which is made of q(z|x); choose another")
    if decoder.likelihood.takes_draws or any(True for _ in decoder.likelihood.parameters()):
        raise InputError(
            f"{given} the one scale of --likelihood {config.likelihood}; choose gaussian or gaussian_pixel"
        )
    return MultiRateVAE(model, low=betas.low, high=betas.high, beta=config.beta, is_linear=is_linear(config))
