"""Images of one's own: what each kind of array or folder becomes, and every refusal."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from vae_rd.data import pictures
from vae_rd.data.files import image_folder, npz
from vae_rd.errors import InputError

N = 40
LEVELS = np.random.default_rng(0).integers(0, 256, (N, 6, 5)).astype(np.uint8)
LEVELS[:, 0, 0] = np.arange(N)  # Each image says which one it is.
BITS = LEVELS % 2
REAL = np.random.default_rng(1).normal(size=(N, 6, 5))
GREY_TOP = np.arange(256, dtype=np.uint8)[None, :, None].repeat(N, 0)


def saved(folder, **arrays):
    np.savez(folder / "own.npz", **arrays)
    return folder / "own.npz"


def refusal(read, path):
    with pytest.raises(InputError) as refused:
        read(path)
    message = str(refused.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def gathered(source):
    return torch.cat([source.images[split] for split in ("train", "val", "test")])


@pytest.mark.parametrize(
    ("images", "levels", "stored"),
    [
        (BITS, 2, BITS),
        (BITS.astype(bool), 2, BITS),
        (BITS.astype(np.float32), 2, BITS),
        (LEVELS, 256, LEVELS),
        (LEVELS.astype(np.float32), 256, LEVELS),
        (LEVELS.astype(np.float64), 256, LEVELS),
        (LEVELS / np.float32(255), 256, LEVELS),
        (LEVELS.astype(np.float32) * np.float32(1 / 255), 256, LEVELS),
        ((LEVELS / 255).astype(np.float32).astype(np.float64), 256, LEVELS),
        ((LEVELS / 255).astype(">f8"), 256, LEVELS),
        (GREY_TOP / np.float32(255), 256, GREY_TOP),
        (BITS / 255, 256, BITS),
        (REAL, None, REAL.astype(np.float32)),
        (REAL.astype(np.float32), None, REAL.astype(np.float32)),
        (abs(REAL) * 1e-9, None, (abs(REAL) * 1e-9).astype(np.float32)),
        (abs(REAL) * 1e30, None, (abs(REAL) * 1e30).astype(np.float32)),
        (abs(REAL).astype(np.float32) * -1e37, None, abs(REAL).astype(np.float32) * -1e37),
        ((LEVELS + 0.25) / 255.25, None, ((LEVELS + 0.25) / 255.25).astype(np.float32)),
        (LEVELS - 1.5, None, (LEVELS - 1.5).astype(np.float32)),
    ],
)
def test_npz_pixels_are_stored_by_what_they_are(tmp_path, images, levels, stored):
    source = npz(saved(tmp_path, images=images))
    assert source.levels == levels
    assert gathered(source).dtype == (torch.float32 if levels is None else torch.uint8)
    found, expected = gathered(source)[:, 0].numpy(), stored
    order = [np.lexsort(a.reshape(N, -1).T) for a in (found, expected)]
    np.testing.assert_array_equal(found[order[0]], expected[order[1]])


def test_npz_channels_come_first_and_contiguous(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (N, 6, 5, 3)).astype(np.uint8)
    images[:, 0, 0, 2] = np.arange(N)
    source = npz(saved(tmp_path, images=images))
    for split in source.images.values():
        assert split.shape[1:] == (3, 6, 5)
        assert split.is_contiguous()
        np.testing.assert_array_equal(split.permute(0, 2, 3, 1), images[split[:, 2, 0, 0]])


@pytest.mark.parametrize(("n", "expected"), [(20, [16, 2, 2]), (40, [32, 4, 4]), (29, [25, 2, 2])])
def test_random_split_is_80_10_10_of_distinct_images(tmp_path, n, expected):
    source = npz(saved(tmp_path, images=LEVELS[:n]))
    assert [len(source.images[split]) for split in ("train", "val", "test")] == expected
    assert sorted(gathered(source)[:, 0, 0, 0].tolist()) == list(range(n))


def test_random_split_is_a_function_of_data_seed(tmp_path):
    path = saved(tmp_path, images=LEVELS)
    first, again, other = npz(path, data_seed=3), npz(path, data_seed=3), npz(path, data_seed=4)
    assert torch.equal(first.images["test"], again.images["test"])
    assert not torch.equal(first.images["test"], other.images["test"])
    assert first.params["data_seed"] == 3
    assert first.params["sha256_pixels"] == other.params["sha256_pixels"]


@pytest.mark.parametrize(
    "values", [np.arange(N) // 4 * 10, np.array(["cat", "dog"])[np.arange(N) % 2], np.arange(N) % 3 == 0]
)
def test_npz_labels_stay_with_their_images(tmp_path, values):
    source = npz(saved(tmp_path, images=LEVELS, labels=values))
    names = source.params["factors"]["label"]
    assert names == sorted(set(values.tolist()))
    for split, images in source.images.items():
        assert [names[c] for c in source.labels[split]["label"]] == values[images[:, 0, 0, 0]].tolist()
    json.dumps(source.params)


def test_more_classes_than_a_record_should_list_are_not_listed(tmp_path):
    images = np.zeros((300, 2, 2), np.uint8)
    source = npz(saved(tmp_path, images=images, labels=np.arange(300)))
    assert source.params["factors"] == {}
    assert np.unique(np.concatenate([labels["label"] for labels in source.labels.values()])).size == 300


@pytest.mark.parametrize(
    ("images", "fault"),
    [
        (np.zeros(N), "images is [40]; give [N, H, W], [N, H, W, C] or vectors [N, D]"),
        (np.zeros((2,) * 5), "five axes; of volumes [N, C, D, H, W] add --layout channels_first"),
        (np.zeros((2,) * 6), "give [N, H, W], [N, H, W, C] or vectors [N, D]"),
        (np.float32(1), "images is []"),
        (LEVELS[:0], "images is [0, 6, 5]"),
        (np.zeros((N, 0, 5), np.uint8), "images is [40, 0, 5]"),
        (np.zeros((N, 3, 6, 5), np.uint8), "looks like [N, C, H, W]"),
        (LEVELS[:19], "19 images are too few"),
        (REAL.astype(np.complex64), "of complex64"),
        (LEVELS.astype(str), "of <U3"),
        (np.where(REAL > 2, np.nan, REAL), "NaN"),
        (np.where(REAL > 2, -np.inf, REAL), "infinite"),
        (REAL * 1e300, "too large"),
        (LEVELS.astype(object), "cannot be read (Object arrays"),
    ],
)
def test_npz_images_that_are_none_are_refused(tmp_path, images, fault):
    assert fault in refusal(npz, saved(tmp_path, images=images))


@pytest.mark.parametrize(
    "labels", [np.arange(N - 1), np.zeros((N, 2, 2)), np.arange(N) / 2, np.float32(0), np.arange(N).astype("M8[s]")]
)
def test_npz_labels_that_are_none_are_refused(tmp_path, labels):
    assert "give [40] or [40, F] of whole numbers, booleans or text" in refusal(
        npz, saved(tmp_path, images=LEVELS, labels=labels)
    )


def test_npz_of_pickled_labels_is_refused(tmp_path):
    labels = np.array([{"a": 1}] * N, dtype=object)
    assert "labels cannot be read (Object arrays" in refusal(npz, saved(tmp_path, images=LEVELS, labels=labels))


def drawn(folder, arrays, *, suffix=".png", where=lambda i: "", mode=None):
    """Write one image file per array, named so that their order is that of the arrays."""
    for i, array in enumerate(arrays):
        file = folder / where(i) / f"{i:03}{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(array)
        (image if mode is None else image.convert(mode)).save(file)
    return folder


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".pgm", ".PNG"])
def test_image_folder_reads_grey_images_exactly(tmp_path, suffix):
    source = image_folder(drawn(tmp_path, LEVELS, suffix=suffix))
    assert (source.name, source.levels, source.labels["train"]) == ("image_folder", 256, {})
    images = gathered(source)[:, 0]
    np.testing.assert_array_equal(images, LEVELS[images[:, 0, 0]])
    assert torch.equal(gathered(source), gathered_npz(tmp_path))


def gathered_npz(folder):
    """The same images as an npz array, in the order of their paths, fall into the same splits."""
    return gathered(npz(saved(folder, images=LEVELS)))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".ppm"])
def test_image_folder_reads_colour(tmp_path, suffix):
    colour = np.broadcast_to(np.array([200, 100, 50], np.uint8), (N, 8, 8, 3))
    images = gathered(image_folder(drawn(tmp_path, colour, suffix=suffix)))
    assert images.shape == (N, 3, 8, 8)
    assert (images.double().mean((0, 2, 3)) - torch.tensor([200.0, 100.0, 50.0])).abs().max() < 4


@pytest.mark.parametrize("suffix", [".png", ".pbm"])
def test_image_folder_of_one_bit_images_is_binary(tmp_path, suffix):
    source = image_folder(drawn(tmp_path, BITS * 255, suffix=suffix, mode="1"))
    assert source.levels == 2
    assert gathered(source).unique().tolist() == [0, 1]
    assert gathered(source).sum().item() == BITS.sum()


def test_image_folder_labels_are_first_level_subfolders(tmp_path):
    drawn(tmp_path, LEVELS, where=lambda i: ("", "b/deep", "a")[i % 3])
    source = image_folder(tmp_path)
    names = source.params["factors"]["label"]
    assert names == ["", "a", "b"]
    for split, images in source.images.items():
        expected = [("", "b", "a")[i % 3] for i in images[:, 0, 0, 0]]
        assert [names[c] for c in source.labels[split]["label"]] == expected


def test_image_folder_leaves_out_hidden_and_other_files(tmp_path):
    drawn(tmp_path, LEVELS)
    (tmp_path / ".cache").mkdir()
    for name in ("._000.png", ".cache/a.png", "notes.txt"):
        (tmp_path / name).write_text("no image")
    assert len(gathered(image_folder(tmp_path))) == N


def test_image_folder_follows_links_that_stay_inside(tmp_path):
    drawn(tmp_path, LEVELS)
    (tmp_path / "040.png").symlink_to("000.png")
    assert len(gathered(image_folder(tmp_path))) == N + 1


@pytest.mark.parametrize("target", ["../outside/000.png", "../outside", "link.png"])
def test_image_folder_refuses_links_that_leave_it(tmp_path, target):
    drawn(tmp_path / "outside", LEVELS[:1])
    folder = drawn(tmp_path / "inside", LEVELS)
    (folder / "link.png").symlink_to(target)
    message = refusal(image_folder, folder)
    assert message.startswith(f"{folder / 'link.png'}: a symbolic link that leaves")


def see_through(file):
    """Make seven pixels of an image transparent."""
    image = Image.open(file).convert("RGBA")
    alpha = np.full((6, 5), 255, np.uint8)
    alpha.flat[:7] = 100
    image.putalpha(Image.fromarray(alpha))
    image.save(file)


def spoil(folder, kind):
    """Make the image 007 of a good folder into one that must be refused."""
    file = folder / "007.png"
    content = file.read_bytes()
    damaged = {
        "rubbish": b"rubbish",
        "empty": b"",
        "cut": content[:-40],
        "header": content[:30],
        "checksum": content[:50] + bytes([content[50] ^ 0xFF]) + content[51:],
    }
    if kind in damaged:
        file.write_bytes(damaged[kind])
    elif kind == "dangling":
        file.unlink()
        file.symlink_to("absent.png")
    elif kind == "CMYK":
        Image.fromarray(LEVELS[7]).convert("CMYK").save(file, format="JPEG")
    elif kind == "transparent":
        see_through(file)
    elif kind == "size":
        Image.fromarray(LEVELS[7].T.copy()).save(file)
    elif kind == "huge":
        Image.new("L", (5000, 5000)).save(file)
    elif kind == "bomb":
        Image.new("1", (12_000, 12_000)).save(file)
    elif kind == "16 bit":
        Image.fromarray(LEVELS[7].astype(np.uint16) * 200).save(file)
    else:
        Image.fromarray(LEVELS[7]).convert(kind).save(file)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("rubbish", "not a whole PNG, JPEG, BMP, PPM, TIFF, WEBP, GIF image"),
        ("empty", "not a whole"),
        ("cut", "not a whole"),
        ("header", "not a whole"),
        ("checksum", "not a whole"),
        ("dangling", "neither a file nor a link to one"),
        ("size", "6 x 5 grey, but"),
        ("RGB", "5 x 6 RGB, but"),
        ("1", "5 x 6 1-bit, but"),
        ("CMYK", "its mode is CMYK; convert it"),
        ("transparent", "7 of its 30 pixels are transparent; paste it onto a background"),
        ("16 bit", "5 x 6 grey of 16 bits, but"),
        ("huge", "5000 x 5000 pixels; the most is 16777216"),
        ("bomb", "12000 x 12000 pixels"),
    ],
)
def test_image_folder_refuses_and_names_the_odd_file(tmp_path, kind, fault):
    spoil(drawn(tmp_path, LEVELS), kind)
    message = refusal(image_folder, tmp_path)
    assert message.startswith(f"{tmp_path / '007.png'}: ")
    assert fault in message


def test_no_damage_to_an_image_raises_anything_but_an_input_error(tmp_path):
    refused = []
    for suffix in (".png", ".jpg", ".bmp", ".pgm"):
        file = tmp_path / f"000{suffix}"
        Image.fromarray(LEVELS[0]).save(file)
        content = file.read_bytes()
        for i in range(0, len(content), max(1, len(content) // 60)):
            file.write_bytes(content[:i] + bytes([content[i] ^ 0x5A]) + content[i + 1 :])
            try:
                pictures.read_image(file)
            except InputError as error:
                refused.append(str(error))
    assert len(refused) > 50
    assert not any("\n" in message for message in refused)


def test_image_folder_refuses_what_holds_no_image(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no image file below this folder" in refusal(image_folder, tmp_path / "empty")
    assert "No such file" in refusal(image_folder, tmp_path / "absent")
    assert "Not a directory" in refusal(image_folder, saved(tmp_path, images=LEVELS))
    assert "3 images are too few" in refusal(image_folder, drawn(tmp_path, LEVELS[:3]))


def test_image_folder_larger_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_BYTES", LEVELS.nbytes - 1)
    assert "1200 bytes of pixels, more than the 1199" in refusal(image_folder, drawn(tmp_path, LEVELS))
