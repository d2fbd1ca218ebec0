"""docs/data.md: its blocks run, its commands say the lines beside them, and images become what it says."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vae_rd.config.cli import parse
from vae_rd.data.description import described
from vae_rd.data.pictures import read_image
from vae_rd.errors import InputError
from vae_rd.experiment.build import build_data, steps_of

from helpers.common import ROOT

TEXT = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
LINES = re.findall(r"^\| `(--data .*?)` \| (.*?) \|$", TEXT, re.MULTILINE)
EXTRA = ("parquet", "hf:")  # What datasets and pyarrow are for.


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The page's blocks, one after another, in one folder."""
    folder, names = tmp_path_factory.mktemp("page"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in BLOCKS:
            if "import datasets" in block:
                try:
                    import datasets  # noqa: F401
                except ImportError:
                    continue
            exec(block, names)
    return folder


@pytest.mark.parametrize(("command", "line"), LINES, ids=[command for command, _ in LINES])
def test_a_command_says_the_line_beside_it_and_can_train(command, line, made, monkeypatch):
    if any(word in command for word in EXTRA):
        pytest.importorskip("datasets")
    monkeypatch.chdir(made)
    config = parse(command.split()).config
    data = build_data(config)
    assert described(data) == line
    assert steps_of(config, data.card) > 0, "a batch is no more than the training split"


def test_the_page_has_every_way_in():
    assert len(BLOCKS) == 4
    assert {command.split()[1].split(":")[0] for command, _ in LINES} == {
        "npz", "npy", "image_folder", "csv", "parquet", "hf",
    }  # fmt: skip


GREY = np.random.default_rng(0).integers(0, 256, (6, 4)).astype(np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 4, 3)).astype(np.uint8)
ALPHA = np.full((6, 4, 1), 255, np.uint8)
TURNED = Image.Exif()
TURNED[0x0112] = 6
PALETTE = Image.fromarray(COLOUR).quantize(5)
KINDS = {
    "grey, 8 bits": (Image.fromarray(GREY), {}, GREY),
    "grey, 16 bits": (Image.fromarray(GREY.astype(np.uint16) * 257), {}, GREY.astype(np.uint16) * 257),
    "black and white, 1 bit": (Image.fromarray(GREY > 99), {}, GREY > 99),
    "colour (RGB)": (Image.fromarray(COLOUR), {}, COLOUR),
    "of a palette (GIF, PNG)": (PALETTE, {}, np.asarray(PALETTE.convert("RGB"))),
    "with alpha, all opaque": (Image.fromarray(np.dstack([COLOUR, ALPHA])), {}, COLOUR),
    "turned by its EXIF orientation, as phones do": (Image.fromarray(GREY), {"exif": TURNED}, np.rot90(GREY, -1)),
    "of several frames": (
        Image.fromarray(COLOUR),
        {"save_all": True, "append_images": [Image.fromarray(255 - COLOUR)]},
        COLOUR,
    ),
    "with pixels that one can see through": (Image.fromarray(np.dstack([COLOUR, ALPHA - 1])), {}, "paste it onto"),
    "CMYK, LAB, ...": (Image.fromarray(GREY).convert("CMYK"), {}, "convert it to"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_becomes_what_the_page_says(kind, tmp_path):
    image, settings, wanted = KINDS[kind]
    assert f"| {kind} |" in TEXT
    file = Path(tmp_path, "a.tif" if image.mode == "CMYK" else "a.png")
    image.save(file, **settings)
    if isinstance(wanted, str):
        with pytest.raises(InputError, match=wanted):
            read_image(file)
        return
    found = read_image(file).pixels
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == wanted.dtype
