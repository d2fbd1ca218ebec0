"""What every trunk of the table keeps to, for images of odd sizes and several channels."""

import pytest
import torch
from torch import nn

from vae_rd.experiment import tables
from vae_rd.model.nn.raster import Raster

from helpers.members import gradients, stacked

SHAPE = (2, 7, 5)
ENCODERS = [word for word, row in tables.TRUNKS.items() if row.has("encoder")]
DECODERS = [word for word, row in tables.TRUNKS.items() if row.has("decoder")]
pytestmark = pytest.mark.usefixtures("float64")


def widths(word: str) -> list[int]:
    return [4, 6] if tables.TRUNKS[word].hidden else []


def encoder(word: str) -> nn.Module:
    torch.manual_seed(0)
    return tables.TRUNKS[word].encoder(SHAPE, widths(word), nn.SiLU)


def decoder(word: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    row = tables.TRUNKS[word]
    if row.autoregressive is None:
        return row.decoder(SHAPE, widths(word), 3, nn.SiLU)
    return row.autoregressive(Raster(SHAPE), widths(word), 3, nn.SiLU)


def images() -> torch.Tensor:
    return torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(1))


def codes() -> torch.Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(1))


def given(word: str, part: slice = slice(None)) -> list[torch.Tensor]:
    """What a decoder's trunk takes: z, and before it x where it reads that."""
    return [codes()[part]] if tables.TRUNKS[word].autoregressive is None else [images()[part], codes()[part]]


@pytest.mark.parametrize("word", ENCODERS)
def test_features_are_as_many_as_said_and_in_the_precision_of_the_network(word):
    made = encoder(word)
    assert made(images()).shape == (4, made.features)
    assert made(images()).dtype == torch.float64


@pytest.mark.parametrize("word", DECODERS)
def test_parameters_have_their_shape_and_the_precision_of_the_network(word):
    written = decoder(word)(*given(word))
    assert written.shape == (4, *SHAPE)
    assert written.dtype == torch.float64


@pytest.mark.parametrize("word", ENCODERS)
def test_gradients_reach_every_parameter_of_an_encoder(word):
    if list((made := encoder(word)).parameters()):
        assert gradients(made, made(images()).square().sum()) == []


@pytest.mark.parametrize("word", DECODERS)
def test_gradients_reach_every_parameter_of_a_decoder(word):
    made = decoder(word)
    assert gradients(made, made(*given(word)).square().sum()) == []


@pytest.mark.parametrize("word", ENCODERS)
def test_an_encoder_sees_each_example_alone(word):
    made = encoder(word).eval()
    assert torch.allclose(made(images()[1:3]), made(images())[1:3])


@pytest.mark.parametrize("word", DECODERS)
def test_a_decoder_sees_each_example_alone(word):
    made = decoder(word).eval()
    assert torch.allclose(made(*given(word, slice(1, 3))), made(*given(word))[1:3])


@pytest.mark.parametrize("word", DECODERS)
def test_many_are_one_call_over_stacked_parameters(word):
    decoders = [decoder(word, seed) for seed in range(3)]

    def call(made, *inputs):
        return made(*inputs)

    apart = torch.stack([call(made, *given(word)) for made in decoders])
    assert torch.allclose(stacked(decoders, call, *given(word)), apart)


@pytest.mark.parametrize("shape", [(2, 7), (2, 5, 3, 4)])
@pytest.mark.parametrize("word", ["linear", "mlp", "conv", "resnet"])
def test_sequences_and_volumes_go_in_and_come_out(word, shape):
    row, x = tables.TRUNKS[word], torch.rand(3, *shape)
    inner, outer = row.encoder(shape, widths(word), nn.SiLU), row.decoder(shape, widths(word), 3, nn.SiLU)
    assert inner(x).shape == (3, inner.features)
    made = outer(torch.randn(3, 3))
    assert made.shape == (3, *shape)
    assert gradients(outer, made.square().sum()) == []


def test_a_place_of_a_sequence_is_seen_by_its_neighbours_alone():
    """Of one stage, feature j sees the places 2j - 1 to 2j + 2."""
    conv = tables.TRUNKS["conv"].encoder((1, 9), [1], nn.SiLU)
    seen = torch.autograd.functional.jacobian(lambda x: conv(x).squeeze(0), torch.rand(1, 1, 9)).reshape(5, 9) != 0
    wanted = [[2 * j - 1 <= place <= 2 * j + 2 for place in range(9)] for j in range(5)]
    assert seen.tolist() == wanted
