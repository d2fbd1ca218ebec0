"""Models of other libraries and files of weights, refused by the adapters."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from vae_rd import adapters

from helpers.foreign_models import CellLoader, CellModel, CellModule, Codec, KLAutoencoder, PythaeModel
from walk.steps import Call, archive, each, step, written

BITS = (torch.rand(12, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) < 0.5).double()
COLOURS = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
COUNTS = torch.arange(30, dtype=torch.float64).reshape(6, 5) % 7 + 1


def pythae(model: Any = None, **given: Any) -> Call:
    return lambda: adapters.pythae(PythaeModel() if model is None else model, BITS, **given)


def diffusers(model: nn.Module | None = None, **given: Any) -> Call:
    said = {"likelihood": "gaussian", "scale": 0.5} | given
    return lambda: adapters.diffusers(model or KLAutoencoder(), COLOURS, **said)


def compressai(model: nn.Module | None = None) -> Call:
    return lambda: adapters.compressai(model or Codec(), COLOURS, likelihood="gaussian", scale=0.1)


def scvi(model: Any) -> Call:
    """With a stand-in of scvi-tools, which the tests do not need."""

    def made() -> object:
        loaders = SimpleNamespace(AnnDataLoader=CellLoader)
        with patch.dict(sys.modules, {"scvi": SimpleNamespace(dataloaders=loaders), "scvi.dataloaders": loaders}):
            return adapters.scvi(model)

    return made


class Whole(nn.Module):
    """The module of a model whose loss is not by cells."""

    def forward(self, tensors: dict[str, Tensor]) -> tuple[Any, Any, Any]:
        return {}, {}, SimpleNamespace(loss=tensors["X"].sum(), kl_local={})


def folder(**config: Any) -> Call:
    """One that pythae saved, with its default networks unless the configuration says otherwise."""
    said = {"name": "VAEConfig", "uses_default_encoder": True, "uses_default_decoder": True} | config

    def made() -> None:
        written("theirs/model_config.json", json.dumps(said))()
        torch.save({"model_state_dict": PythaeModel().state_dict()}, "theirs/model.pt")

    return made


def opened(**given: Any) -> Call:
    """By a stand-in of pythae."""

    def made() -> object:
        auto = SimpleNamespace(AutoConfig=SimpleNamespace(from_json_file=lambda _: None))
        read = SimpleNamespace(load_from_folder=lambda _: PythaeModel())
        models = SimpleNamespace(auto_model=auto, AutoModel=read, VAE=lambda _: PythaeModel())
        with patch.dict(sys.modules, {"pythae": SimpleNamespace(models=models)}):
            return adapters.pythae("theirs", BITS, **given)

    return made


def without(library: str, call: Call) -> Call:
    """As where a library is not installed."""

    def made() -> object:
        with patch.dict(sys.modules, {library: None}):
            return call()

    return made


def weights(path: str = "net.npz", **given: Any) -> Call:
    return lambda: adapters.load_weights(nn.Linear(2, 1), path, **given)


def torch_file(content: Any, path: str = "net.pt") -> Call:
    return lambda: torch.save(content, path)


STATE = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
GOOD = archive("net.npz", **{name: value.numpy() for name, value in STATE.items()})


def net(**arrays: np.ndarray) -> Call:
    return archive("net.npz", **arrays)


STEPS = [
    step("is not read here, since its q(z|x) or p(x|z) is another's", pythae(PythaeModel("AEConfig")), pythae()),
    step("encoder.pkl and decoder.pkl would run code", opened(), opened(pickled_networks=True), pythae(),
         before=folder(uses_default_encoder=False, uses_default_decoder=False)),
    step("pythae is not installed", without("pythae", lambda: adapters.pythae("theirs", BITS)), opened(),
         before=folder()),
    step("give a folder that pythae saved", opened(), each(folder(), opened())),
    step("the latents of this autoencoder are points", diffusers(KLAutoencoder(deterministic=True)), diffusers()),
    step("likelihood 'l2': this does not say which p(x|z) D is of", diffusers(likelihood="l2"),
         diffusers(likelihood="laplace")),
    step("likelihood None: this does not say which p(x|z) D is of",
         lambda: adapters.diffusers(KLAutoencoder(), COLOURS), diffusers()),
    step("cross-entropy of grey pixels is no likelihood", lambda: adapters.pythae(PythaeModel(), BITS / 2), pythae()),
    step("a gaussian likelihood has one", diffusers(scale=None), diffusers(scale=0.1)),
    step("a likelihood of one's own has its scale in itself", diffusers(likelihood=lambda mean: mean),
         diffusers(likelihood=lambda mean: torch.distributions.Independent(torch.distributions.Laplace(mean, 1.0), 3),
                   scale=None)),
    step("the model returned no x_hat and likelihoods", compressai(KLAutoencoder().down), compressai()),
    step("the model's data is minified", scvi(CellModel(COUNTS, minified="latent_posterior_parameters")),
         scvi(CellModel(COUNTS))),
    step("scvi-tools is not installed", without("scvi", lambda: adapters.scvi(CellModel(COUNTS))),
         scvi(CellModel(COUNTS))),
    step("the module's loss has no kl_local by cells", scvi(CellModel(COUNTS, Whole())),
         scvi(CellModel(COUNTS, CellModule()))),
    step("give a file of weights", weights(), each(GOOD, weights())),
    step("holds more than tensors, so that reading it would run code", weights("net.pt"),
         each(torch_file(STATE), weights("net.pt")), before=torch_file({"weight": Path("ran")})),
    step("no whole file of weights", weights(), each(GOOD, weights()), before=written("net.npz", b"PK")),
    step("not tensors by name; save module.state_dict()", weights("net.pt"),
         each(torch_file(STATE), weights("net.pt")), before=torch_file(torch.ones(2))),
    step("no tensors by name within 'model'", weights("net.pt", within="model"), weights("net.pt", within="net"),
         before=torch_file({"epoch": 1, "net": STATE})),
    step("say within=NAME of those to load", weights("net.pt"), weights("net.pt", within="net"),
         before=torch_file({"epoch": 1, "net": STATE})),
    step("say prefix= where names begin with another's", weights(), weights(prefix="net."),
         before=net(**{"net.weight": np.ones((1, 2)), "net.bias": np.zeros(1)})),
    step("which the module has not", weights(), each(GOOD, weights()),
         before=net(weight=np.ones((1, 2)), bias=np.zeros(1), more=np.zeros(1))),
    step("give the network it was saved from", weights(), each(GOOD, weights()),
         before=net(weight=np.ones((2, 2)), bias=np.zeros(1))),
]  # fmt: skip
