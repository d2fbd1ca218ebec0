"""What every trunk of the table keeps to, for images of odd sizes and several channels."""

import pytest
import torch
from torch import nn

from vae_rd.experiment import tables

from helpers.members import gradients, stacked

SHAPE = (2, 7, 5)
pytestmark = [pytest.mark.usefixtures("float64"), pytest.mark.parametrize("word", tables.TRUNKS)]


def made(word: str, seed: int = 0):
    torch.manual_seed(seed)
    trunk = tables.TRUNKS[word]
    widths = [4, 6] if trunk.hidden else []
    return trunk.encoder(SHAPE, widths, nn.SiLU), trunk.decoder(SHAPE, widths, 3, nn.SiLU)


def images() -> torch.Tensor:
    return torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(1))


def codes() -> torch.Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(1))


def test_shapes_and_precision(word):
    encoder, decoder = made(word)
    features = encoder(images())
    assert features.shape == (4, encoder.features)
    assert features.dtype == decoder(codes()).dtype == torch.float64
    assert decoder(codes()).shape == (4, *SHAPE)


def test_gradients_reach_every_parameter(word):
    encoder, decoder = made(word)
    assert gradients(decoder, decoder(codes()).square().sum()) == []
    if list(encoder.parameters()):
        assert gradients(encoder, encoder(images()).square().sum()) == []


def test_examples_do_not_see_each_other(word):
    encoder, decoder = (network.eval() for network in made(word))
    assert torch.allclose(encoder(images()[1:3]), encoder(images())[1:3])
    assert torch.allclose(decoder(codes()[1:3]), decoder(codes())[1:3])


def test_many_are_one_call_over_stacked_parameters(word):
    decoders = [made(word, seed)[1] for seed in range(3)]

    def call(decoder, z):
        return decoder(z)

    assert torch.allclose(stacked(decoders, call, codes()), torch.stack([call(d, codes()) for d in decoders]))
