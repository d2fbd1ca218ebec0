"""Models of pythae, from a folder or as they are.

Their loss is 0.5 sum SE + KL or sum BCE + KL: p(x|z) is N(x; reconstruction, 1), or Bernoulli pixels of these
probabilities, which x of 0 and 1 alone have. A folder's networks of one's own are pickles, which run code as they are
read; those that pythae builds itself are weights, read as data.

Source: https://github.com/clementchadebec/benchmark_VAE, src/pythae/models/vae/vae_model.py and base/base_model.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, MixtureSameFamily, Normal

from vae_rd.errors import InputError
from vae_rd.foreign.adapters.weights import load_weights
from vae_rd.foreign.measuring import rate_distortion

if TYPE_CHECKING:
    from vae_rd.foreign.result import RateDistortionResult

# Configurations whose model has a diagonal normal q(z|x), and pixels that are independent given z. Flows on z, latents
# on spheres and discs, deterministic codes and losses of features are none.
MODELS = {
    "VAEConfig": "VAE",
    "BetaVAEConfig": "BetaVAE",
    "BetaTCVAEConfig": "BetaTCVAE",
    "DisentangledBetaVAEConfig": "DisentangledBetaVAE",
    "FactorVAEConfig": "FactorVAE",
    "INFOVAE_MMD_Config": "INFOVAE_MMD",
    "IWAEConfig": "IWAE",
    "MIWAEConfig": "MIWAE",
    "PIWAEConfig": "PIWAE",
    "CIWAEConfig": "CIWAE",
    "VAMPConfig": "VAMP",
}


def pythae(
    model: nn.Module | str | Path, loader: Iterable[Any], *, pickled_networks: bool = False, **more: Any
) -> RateDistortionResult:
    """D, R and I of a model of pythae; an mse is read as N(x; ., 1), a bce as Bernoulli, which refuses grey pixels.

    R is against N(0, I), of a VAMP against its mixture. The beta recorded is that of VAE and BetaVAE.

    Args:
        model: of the kinds in `MODELS`, or the folder that its `save` or a trainer's `final_model` made.
        loader: as of `vae_rd.rate_distortion`, `key="data"` for those of pythae's own data sets.
        pickled_networks: whether a folder's networks of one's own may be unpickled, which runs what lies in them.
        more: of `vae_rd.rate_distortion`.

    Raises:
        InputError: for other models, pickled networks, files that are none of pythae's, and as
            `vae_rd.rate_distortion`.
    """
    net = model if isinstance(model, nn.Module) else _opened(Path(model), pickled_networks=pickled_networks)
    config: Any = net.model_config
    _known(config.name, f"a model of {config.name}")

    def encoder(x: Tensor) -> Distribution:
        found = net.encoder(x)  # type: ignore[operator]
        return Independent(Normal(found.embedding, (0.5 * found.log_covariance).exp()), 1)

    def decoder(z: Tensor) -> Distribution:
        mean = net.decoder(z)["reconstruction"].reshape(-1, *config.input_dim)  # type: ignore[operator]
        unit = Normal(mean, 1.0) if config.reconstruction_loss == "mse" else Bernoulli(probs=mean)
        return Independent(unit, len(config.input_dim))

    beta = {"VAEConfig": 1.0, "BetaVAEConfig": getattr(config, "beta", None)}.get(config.name)
    more.setdefault("beta", beta)
    return rate_distortion(loader, encoder=encoder, decoder=decoder, prior=_prior(net), **more)


def _known(name: str, what: str) -> None:
    if name not in MODELS:
        remedy = f"its q(z|x) or p(x|z) is another's; give one of {', '.join(MODELS.values())}"
        raise InputError(f"pythae: {what} is not read here, since {remedy}")


@torch.no_grad()
def _prior(net: Any) -> Distribution | None:
    """The mixture of q(z|pseudo-input) of a VAMP; None for N(0, I)."""
    if net.model_config.name != "VAMPConfig":
        return None
    pseudo = net.pseudo_inputs(net.idle_input.to(next(net.parameters()).device))
    found = net.encoder(pseudo.reshape(-1, *net.model_config.input_dim))
    parts = Independent(Normal(found.embedding, (0.5 * found.log_covariance).exp()), 1)
    return MixtureSameFamily(Categorical(logits=torch.zeros_like(found.embedding[:, 0])), parts)


def _opened(folder: Path, *, pickled_networks: bool) -> Any:
    """The model of a folder: built by pythae from its configuration, and its weights."""
    config = _configuration(folder)
    _known(str(config.get("name")), f"{folder} of {config.get('name')}")
    pickled = [part for part in ("encoder", "decoder") if not config.get(f"uses_default_{part}", True)]
    if pickled and not pickled_networks:
        files = " and ".join(f"{part}.pkl" for part in pickled)
        remedy = "build the model with your networks, take load_weights(model, FOLDER/model.pt, within=...) and give it"
        raise InputError(f"{folder}: {files} would run code; {remedy}, or say pickled_networks=True if you trust it")
    try:
        from pythae import models
    except ImportError:
        raise InputError(f"{folder}: pythae is not installed; pip install pythae") from None
    if pickled:
        return models.AutoModel.load_from_folder(str(folder))
    built = models.auto_model.AutoConfig.from_json_file(str(folder / "model_config.json"))
    net = getattr(models, MODELS[config["name"]])(built)
    return load_weights(net, folder / "model.pt", within="model_state_dict")


def _configuration(folder: Path) -> dict[str, Any]:
    path = folder / "model_config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a folder that pythae saved") from None
    return found if isinstance(found, dict) else {}
