"""The raster's order, whose running scales a decoder that reads x moves, and how it draws."""

import pytest
import torch
from model.test_vae import card

from vae_rd.config.cli import parse
from vae_rd.config.fields import FitConfig
from vae_rd.errors import InputError
from vae_rd.experiment import build
from vae_rd.model.nn.raster import Raster


@pytest.mark.parametrize("word", ["made", "pixelcnn"])
def test_a_network_that_reads_x_is_no_encoder(word):
    with pytest.raises(InputError, match=f"^--encoder {word}: choose one of linear, mlp, conv, resnet$"):
        parse(["--encoder", word])


def test_within_a_pixel_red_comes_before_green_before_blue():
    step = Raster((3, 2, 2)).step
    assert step[:, 0, 0].tolist() == [0, 1, 2]
    assert step[:, 0, 1].tolist() == [3, 4, 5]
    assert step[:, 1, 0].tolist() == [6, 7, 8]


@pytest.mark.parametrize("together", ["value", "pixel", "row"])
def test_a_crop_has_the_values_of_its_step_and_their_parameters(together):
    raster = Raster((3, 2, 2), 2, together)
    for step in range(raster.steps):
        assert (raster.crop(raster.step, step) == step).all()
        assert (raster.crop(raster.parameter_step, step) == step).all()
    assert sum(raster.crop(raster.step, step).numel() for step in range(raster.steps)) == 12


def model(**fields):
    fields = {"decoder": "made", "hidden": [8], "latent_dim": 2, **fields}
    return build.build_model(FitConfig(**fields), card((1, 2, 3), "real" if "likelihood" in fields else "binary"))


def test_a_running_scale_is_that_of_the_values_as_they_were_predicted():
    made, x = model(likelihood="gaussian_optimal").train(), torch.randn(4, 1, 2, 3)
    terms = made.terms(x, made.noise(2, x, torch.Generator()))
    error = (x - terms.likelihood.given(x).mean).square().mean()
    terms.distortion.mean().backward()
    terms.after_step()
    assert made.decoder.likelihood.scale.item() == pytest.approx(error.sqrt().item(), rel=1e-5)


def test_generated_images_depend_on_the_generator_alone():
    made = model().eval()
    images = []
    for stream in (1, 1, 2):
        torch.manual_seed(len(images))
        images.append(made.generate(50, generator=torch.Generator().manual_seed(stream)).x)
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_a_draw_leaves_no_graph():
    made = model()
    assert not made.decoder(torch.zeros(3, 2, requires_grad=True)).sample((2,)).requires_grad
