"""Image files as people have them: other formats, depths, turned, animated, transparent; each decision is said."""

import struct
import zlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from vae_rd.data.files import image_folder
from vae_rd.data.pictures import read_image
from vae_rd.errors import InputError

GREY = np.random.default_rng(0).integers(0, 256, (6, 4)).astype(np.uint8)
GREY[0, :2] = 0, 255


def written(folder, *, n=20, suffix=".png", image=None, name="{:03}", **options):
    for i in range(n):
        (Image.fromarray(GREY) if image is None else image).save(folder / (name.format(i) + suffix), **options)
    return folder


def refusal(file):
    with pytest.raises(InputError) as refused:
        read_image(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".TIF", ".bmp", ".pgm", ".pnm", ".gif"])
def test_lossless_grey_files_are_read_exactly(tmp_path, suffix):
    np.testing.assert_array_equal(read_image(written(tmp_path, n=1, suffix=suffix) / f"000{suffix}").pixels, GREY)


@pytest.mark.parametrize(("suffix", "options"), [(".jfif", {"format": "JPEG"}), (".webp", {"lossless": True})])
def test_other_suffixes_are_read(tmp_path, suffix, options):
    source = image_folder(written(tmp_path, suffix=suffix, image=Image.fromarray(GREY).convert("RGB"), **options))
    assert source.images["train"].shape == (16, 3, 6, 4)


def test_what_is_left_out_is_counted_by_its_suffix(tmp_path):
    written(tmp_path)
    written(tmp_path, suffix=".tif")
    for name in ("a.heic", "b.HEIC", "labels.csv", "README", ".DS_Store"):
        (tmp_path / name).write_text("no image")
    source = image_folder(tmp_path)
    assert sum(len(images) for images in source.images.values()) == 40
    assert source.params["notes"] == ["left out: 1 .csv, 2 .heic, 1 without suffix"]


@pytest.mark.parametrize(("factor", "levels"), [(257, 65536), (4, 1024), (16, 4096)])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_deep_grey_images_keep_their_levels(tmp_path, suffix, factor, levels):
    source = image_folder(written(tmp_path, suffix=suffix, image=Image.fromarray(GREY.astype(np.uint16) * factor)))
    assert source.levels == levels
    np.testing.assert_array_equal(source.images["train"][0, 0].numpy(), GREY.astype(int) * factor)


def test_float_tiffs_are_real_values(tmp_path):
    values = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    source = image_folder(written(tmp_path, suffix=".tif", image=Image.fromarray(values)))
    assert source.levels is None
    np.testing.assert_array_equal(source.images["train"][0, 0].numpy(), values)


def test_deep_colour_is_refused_before_it_is_cut_to_eight_bits(tmp_path):
    rows = b"".join(b"\0" + row.tobytes() for row in np.zeros((6, 4, 3), ">u2"))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 4, 6, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    (tmp_path / "deep.png").write_bytes(content)
    assert "RGB of 16 bits, which would be cut to 8; save it with 8 bits" in refusal(tmp_path / "deep.png")


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    image = Image.fromarray(GREY)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "turned.png", exif=exif)
    picture = read_image(tmp_path / "turned.png")
    turned = {2: GREY[:, ::-1], 3: GREY[::-1, ::-1], 4: GREY[::-1], 5: GREY.T, 6: np.rot90(GREY, -1)}
    turned |= {7: GREY[::-1, ::-1].T, 8: np.rot90(GREY)}
    np.testing.assert_array_equal(picture.pixels, turned[orientation])
    assert picture.notes == ("turned by their EXIF orientation",)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png", turn=False).pixels, GREY)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".tif"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, suffix):
    frames = [Image.fromarray(GREY[::-1].copy())]
    source = image_folder(written(tmp_path, suffix=suffix, save_all=True, append_images=frames))
    np.testing.assert_array_equal(source.images["train"][0, 0].numpy(), GREY)
    assert "20 of several frames or pages, of which the first is taken" in source.params["notes"]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_opaque_alpha_is_left_out(tmp_path, mode):
    Image.fromarray(GREY).convert(mode).save(tmp_path / "a.png")
    picture = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, GREY if mode == "LA" else np.stack([GREY] * 3, -1))
    assert picture.notes == ("of opaque alpha, which is left out",)


def test_transparency_is_refused_and_an_opaque_copy_is_read(tmp_path):
    file = tmp_path / "a.png"
    Image.fromarray(np.dstack([GREY] * 4)).save(file)
    assert "23 of its 24 pixels are transparent; paste it onto a background" in refusal(file)
    see_through = Image.open(file)
    canvas = Image.new("RGB", see_through.size, "white")
    canvas.paste(see_through, mask=see_through.getchannel("A"))
    canvas.save(file)
    assert read_image(file).pixels.shape == (6, 4, 3)


def test_transparency_of_a_palette_is_refused(tmp_path):
    Image.fromarray(GREY).convert("P").save(tmp_path / "a.png", transparency=int(GREY[3, 3]))
    assert "pixels are transparent" in refusal(tmp_path / "a.png")


def test_a_transparent_value_of_a_deep_image_is_refused_where_it_is_there(tmp_path):
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    for value in (0, 1):  # The first is there, the second is not.
        deep.save(tmp_path / f"{value}.png", transparency=value)
    assert "of its 24 pixels are transparent" in refusal(tmp_path / "0.png")
    np.testing.assert_array_equal(read_image(tmp_path / "1.png").pixels, GREY.astype(int) * 257)


def test_palettes_are_looked_up(tmp_path):
    colours = np.dstack([GREY // 64 * 64, GREY // 128 * 128, 255 - GREY // 128 * 128])
    Image.fromarray(colours).quantize(8).save(tmp_path / "a.png")
    picture = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, np.asarray(Image.open(tmp_path / "a.png").convert("RGB")))
    assert picture.notes == ("of a palette, read as RGB",)


def test_masks_in_byte_images_have_their_own_levels_or_those_that_are_said(tmp_path):
    written(tmp_path, image=Image.fromarray(GREY % 3))
    assert image_folder(tmp_path).levels == 3
    assert image_folder(tmp_path, levels=256).levels == 256


def test_folders_named_as_splits_are_the_split(tmp_path):
    for split, n in (("Train", 30), ("val", 4), ("test", 6)):
        for kind in ("cats", "dogs"):
            (tmp_path / split / kind).mkdir(parents=True)
            shade = {"Train": 100, "val": 150, "test": 200}[split] + (kind == "dogs")
            written(tmp_path / split / kind, n=n // 2, image=Image.new("L", (4, 6), shade))
    source = image_folder(tmp_path)
    assert {split: len(images) for split, images in source.images.items()} == {"train": 30, "val": 4, "test": 6}
    assert source.images["test"].unique().tolist() == [200, 201]
    assert source.params["factors"] == {"label": ["cats", "dogs"]}
    first = image_folder(tmp_path, rules="1")
    assert first.params["factors"] == {"label": ["Train", "test", "val"]}
    assert len(first.images["train"]) == 32


def test_version_1_of_the_defaults_read_no_other_suffix_and_turned_nothing(tmp_path):
    exif = Image.fromarray(GREY).getexif()
    exif[0x0112] = 6
    written(tmp_path, exif=exif)
    written(tmp_path, suffix=".tif")
    source = image_folder(tmp_path, rules="1")
    assert Counter(len(images) for images in source.images.values()) == {16: 1, 2: 2}
    np.testing.assert_array_equal(source.images["train"][0, 0].numpy(), GREY)
