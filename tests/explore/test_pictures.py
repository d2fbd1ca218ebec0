"""Pictures and latents of a model: what stands in them, whatever the families, and that looking changes nothing."""

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.experiment import build
from vae_rd.explore.media.files import forget_pictures, read_index, write_pictures
from vae_rd.explore.media.latents import latents
from vae_rd.explore.media.pictures import COLUMNS, REACH, STEPS, pictures, shown_examples
from vae_rd.training.media import evaluated

KINDS = ["reconstructions", "samples", "traversals"]


def source(channels: int = 1, *, levels: int | None = 16, labelled: bool = True) -> Source:
    """300 images of 4 x 5 in an order by their label, which is the first pixel."""
    noise = np.random.default_rng(0)
    labels = np.sort(noise.integers(0, 4, 300))
    images = noise.integers(0, levels or 2, (300, channels, 4, 5))
    images[:, 0, 0, 0] = labels
    pixels = torch.as_tensor(images, dtype=torch.uint8 if levels else torch.float32) * (1 if levels else 3)
    known = {key: {"kind": labels} for key in ("train", "val", "test")}
    return Source("own", dict.fromkeys(known, pixels), levels=levels, labels=known if labelled else {})


def fitted(data: DataSet, **flags):
    """A network as it is before training, which pictures do not tell from one after it."""
    settings = {"hidden": [8], "latent_dim": 3, "batch_size": 64, **flags}
    torch.manual_seed(0)
    return build.build_model(FitConfig(**settings), data.card).eval()


@pytest.fixture
def data():
    return DataSet(source(), binarization="threshold")


FAMILIES = [
    ({}, {}),
    ({}, {"posterior": "full"}),
    ({}, {"posterior": "iaf"}),
    ({}, {"posterior": "deterministic", "beta": 0.0}),
    ({}, {"posterior": "categorical", "prior": "categorical"}),
    ({}, {"prior": "vamp", "components": 5}),
    ({"levels": 16}, {"likelihood": "beta_binomial"}),
    ({"levels": 16, "channels": 3}, {"likelihood": "logistic_mixture"}),
    ({"levels": None}, {"likelihood": "gaussian"}),
    ({"levels": 16, "channels": 3}, {"likelihood": "laplace"}),
]


@pytest.mark.parametrize(("of_data", "flags"), FAMILIES, ids=str)
def test_every_family_has_its_pictures_and_latents(of_data, flags, tmp_path):
    own = DataSet(source(**of_data), binarization="none" if of_data else "threshold")
    model, shown = fitted(own, **flags), shown_examples(own)
    paths = write_pictures(tmp_path, pictures(model, shown), shown, epoch=7)
    assert list(paths) == KINDS
    entries = read_index(tmp_path)
    for entry in entries:
        page = imread(tmp_path / "media" / entry["file"])
        scale, (height, width) = 7, (4, 5)
        assert page.shape[:2] == (
            scale * (entry["lines"] * (height + 1) - 1),
            scale * (entry["columns"] * (width + 1) - 1),
        )
    found, n = latents(model, own), 300
    assert found["z"].shape == found["prior"].shape == (n, 3)
    assert ("mu" in found) == (flags.get("posterior") != "iaf")
    assert ("log_var" in found) == (flags.get("posterior") not in ("iaf", "deterministic"))
    assert (found["labels/kind"] == own.labels["val"]["kind"][found["index"]]).all()


def test_a_reconstruction_is_the_mean_of_p_at_a_draw_of_q_below_its_example(data):
    model, shown = fitted(data), shown_examples(data)
    picture = next(pictures(model, shown))
    index = torch.tensor(picture.facts["examples"])
    x = data.evaluation_chunk("val", 0)[index]
    assert (picture.images[:COLUMNS] == x[:, 0].numpy()).all()
    assert picture.facts["labels"]["kind"] == data.labels["val"]["kind"][index.numpy()].tolist()
    assert len(set(picture.facts["labels"]["kind"])) > 1  # Though the split is in order.
    with torch.no_grad():  # Means of p over many draws have the picture among them: within their extremes.
        z = model.encoder(x).from_noise(torch.randn(2000, COLUMNS, 3)).z
        means = model.decoder(z).mean[:, :, 0]
    drawn = torch.as_tensor(picture.images[COLUMNS:])
    assert bool(((drawn > means.amin(0) - 0.02) & (drawn < means.amax(0) + 0.02)).all())


def test_each_reconstruction_is_of_the_example_above_it(data):
    model = fitted(data, posterior="deterministic", beta=0.0)  # z is a function of x, so that no noise is in the way.
    picture = next(pictures(model, shown_examples(data)))
    with torch.no_grad():
        x = data.evaluation_chunk("val", 0)[torch.tensor(picture.facts["examples"])]
        means = model.decoder(model.encoder(x).mean[None]).mean[0, :, 0].numpy()
    assert np.abs(np.diff(means, axis=0)).max() > 1e-3
    assert np.allclose(picture.images[COLUMNS:], means, atol=1e-6)


def test_a_traversal_moves_one_unit_and_starts_with_those_of_the_largest_rate(data):
    model, shown = fitted(data), shown_examples(data)
    picture = list(pictures(model, shown))[2]
    values = np.array(picture.facts["values"])
    assert values.shape == (3, STEPS)
    with torch.no_grad():
        q = model.encoder(shown.x)
        rates = 0.5 * (q.mean.square() + q.variance - 1 - q.variance.log()).mean(0)
        spread = (q.variance.mean(0) + q.mean.var(0)).sqrt()  # Of the aggregate, by the law of total variance.
    units = picture.facts["units"]
    assert units == rates.argsort(descending=True).tolist()
    reach = (values[:, -1] - values[:, 0]) / 2 / REACH
    assert np.allclose(reach, spread[units].numpy(), rtol=4 / np.sqrt(2 * len(shown.x)))
    rows = picture.images.reshape(3, STEPS, 4, 5)
    assert (np.abs(np.diff(rows, axis=1)).max((1, 2, 3)) > 0).all()
    assert np.allclose(np.diff(values, axis=1), np.diff(values, axis=1)[:, :1])


def test_the_latents_are_draws_of_q_and_of_the_prior():
    own = DataSet(source(labelled=False), binarization="threshold")
    found = latents(fitted(own), own)
    assert not any(name.startswith("labels") for name in found)
    standard = (found["z"] - found["mu"]) / np.exp(found["log_var"] / 2)
    for normal in (standard, found["prior"]):
        assert np.abs(normal.mean(0)).max() < 4 / np.sqrt(300)
        assert np.abs(normal.var(0) - 1).max() < 4 * np.sqrt(2 / 300)


def test_values_of_x_beyond_0_and_1_are_shown_between_their_extremes():
    shown = shown_examples(DataSet(source(levels=None)))
    assert shown.range == (0.0, 9.0)  # Three times the largest label.


@pytest.mark.parametrize(
    "config", [{"data": "gaussian"}, {"data": "toy_channel"}, {"data": "digits", "target": "label"}]
)
def test_what_is_no_image_has_no_pictures(config):
    assert (
        shown_examples(build.build_data(FitConfig(binarization="dynamic" if "target" in config else "none", **config)))
        is None
    )


def test_images_drawn_value_by_value_are_few_and_as_the_network_draws_them(data):
    model, shown = fitted(data, decoder="made"), shown_examples(data)
    reconstructions, samples = pictures(model, shown)
    assert (len(reconstructions.images), len(samples.images)) == (2 * COLUMNS, COLUMNS)
    assert set(np.unique(samples.images)) == {0.0, 1.0}
    assert samples.facts["of"] == "x ~ p(x|z), z ~ m(z)"


@pytest.mark.parametrize("flags", [{}, {"decoder": "made"}])
def test_looking_changes_nothing_and_shows_the_same_again(data, flags, tmp_path):
    model, shown = fitted(data, **flags).train(), shown_examples(data)
    model.decoder.eval()
    state, stream = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    seen = []
    for _ in range(2):
        with evaluated(model):
            assert not any(module.training for module in model.modules())
            paths = write_pictures(tmp_path, pictures(model, shown), shown, epoch=1)
            seen.append([path.read_bytes() for path in paths.values()])
    assert seen[0] == seen[1]
    assert (model.encoder.training, model.decoder.training) == (True, False)
    assert torch.equal(torch.get_rng_state(), stream)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_an_epoch_that_is_shown_again_or_trained_again_has_one_entry_or_none(data, tmp_path):
    model, shown = fitted(data), shown_examples(data)
    for epoch in (0, 2, 4, 2):
        write_pictures(tmp_path, pictures(model, shown), shown, epoch=epoch)
    assert [(e["epoch"], e["kind"]) for e in read_index(tmp_path)] == [(e, kind) for e in (0, 2, 4) for kind in KINDS]
    forget_pictures(tmp_path, since=2)
    assert [entry["epoch"] for entry in read_index(tmp_path)] == [0, 0, 0]
    assert sorted(path.name for path in (tmp_path / "media").iterdir()) == sorted(
        ["index.json", *(f"{kind}_0000.png" for kind in KINDS)]
    )
