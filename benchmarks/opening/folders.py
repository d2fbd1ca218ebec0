"""Generated folders of images: arrays that are known, saved by Pillow in one of many ways, or with a fault."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from opening.by_hand import Truth
from opening.cases import Case
from opening.door import handed_over, settings_of
from vae_rd.fit import main as fit

Array = np.ndarray
Rng = np.random.Generator
ROOT = Path("own")
ARGV = ("--data=image_folder", "--data_file=own")
SPLITS = (
    ("train", "val", "test"),
    ("Train", "Validation", "Test"),
    ("training", "dev", "testing"),
    ("train", "", "test"),
    ("train", "valid", ""),
)
JUNK = ("notes.txt", "Thumbs.db", ".DS_Store", "train.csv", "README", "picture.heic", ".hidden.png")


def grey(rng: Rng, shape: tuple[int, ...], levels: int = 256) -> Array:
    """Images of 0..levels-1, both of which are there."""
    found = rng.integers(0, levels, shape)
    found.reshape(-1)[:3] = 0, 1, levels - 1
    return found.astype("u1" if levels <= 256 else "u2")


def saved(suffix: str, **options: object) -> Callable[[Array, Path], None]:
    """Save one array in this format."""
    return lambda image, path: Image.fromarray(image).save(path.with_suffix(suffix), **options)


def converted(mode: str, suffix: str) -> Callable[[Array, Path], None]:
    """Save one array in a mode that holds the same."""
    return lambda image, path: Image.fromarray(image).convert(mode).save(path.with_suffix(suffix))


def palette(image: Array, path: Path) -> None:
    """Colours by their place in a palette that is not in order."""
    colours, places = np.unique(image.reshape(-1, 3), axis=0, return_inverse=True)
    made = Image.fromarray(places.reshape(image.shape[:2]).astype("u1"), "P")
    made.putpalette(colours.astype("u1").tobytes())
    made.save(path.with_suffix(".png"))


def turned(image: Array, path: Path) -> None:
    """As a camera held to the left or right stores it: pixels turned, and a word that says how to turn them back."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(image)).save(path.with_suffix(".png"), exif=exif)


def animated(image: Array, path: Path) -> None:
    """Two frames, of which the first counts."""
    frames = [Image.fromarray(image), Image.fromarray(255 - image)]
    frames[0].save(path.with_suffix(".tiff"), save_all=True, append_images=frames[1:])


def bits(image: Array, path: Path) -> None:
    """One bit a pixel."""
    Image.fromarray(image.astype(bool)).save(path.with_suffix(".png"))


# What is saved: levels that are drawn, channels, the way, and the levels that must be read.
WAYS: dict[str, tuple[int, bool, Callable[[Array, Path], None], int]] = {
    "grey PNG": (256, False, saved(".png"), 256),
    "grey PNG of 17 levels": (17, False, saved(".png"), 17),
    "black and white in 8 bits": (2, False, saved(".BMP"), 2),
    "1-bit PNG": (2, False, bits, 2),
    "grey PGM": (256, False, saved(".pgm"), 256),
    "grey BMP": (256, False, saved(".bmp"), 256),
    "grey TIFF": (256, False, saved(".tif", compression="tiff_deflate"), 256),
    "16-bit PNG": (65536, False, saved(".png"), 65536),
    "16-bit TIFF of 12 bits": (4096, False, saved(".tiff"), 4096),
    "grey GIF": (256, False, saved(".gif"), 256),
    "opaque LA": (256, False, converted("LA", ".png"), 256),
    "RGB PNG": (256, True, saved(".png"), 256),
    "RGB PPM": (256, True, saved(".ppm"), 256),
    "RGB WebP": (256, True, saved(".webp", lossless=True), 256),
    "opaque RGBA": (256, True, converted("RGBA", ".png"), 256),
    "palette": (256, True, palette, 256),
    "turned by EXIF": (256, False, turned, 256),
    "two frames": (256, False, animated, 256),
}


def cases(seed: int, count: int) -> Iterator[Case]:
    """Every third with a fault, each in turn; of the others half are fitted."""
    names, ways = np.random.default_rng([seed, 2]).permutation(list(FAULTS)).tolist(), list(WAYS)
    for number in range(count):
        rng = np.random.default_rng([seed, 2, number])
        if number % 3 == 2:
            name = names[number // 3 % len(names)]
            yield Case(f"folder: {name}", "refused", partial(_faulty, name, rng))
        else:
            yield _plain(rng, ways[(number - number // 3) % len(ways)], is_fitted=number % 3 == 0)


def _faulty(name: str, rng: Rng) -> None:
    ROOT.mkdir()
    argv = FAULTS[name](rng) or []
    handed_over(fit, [*ARGV, "--likelihood=gaussian", *argv])


def _plain(rng: Rng, way: str, *, is_fitted: bool) -> Case:
    drawn, is_colour, write, levels = WAYS[way]
    n, (h, w) = int(rng.integers(36, 50)), (int(side) for side in rng.integers(3, 6, 2))
    images = grey(rng, (n, h, w, 3) if is_colour else (n, h, w), drawn)
    places, parts, classes, how = _placed(rng, images)
    junk = [JUNK[i] for i in rng.permutation(len(JUNK))[: rng.integers(4)]]
    channels = images.transpose(0, 3, 1, 2) if is_colour else images[:, None]
    truth = Truth(channels, levels, parts, classes)
    settings = settings_of(rng, truth)

    def run() -> None:
        for image, place in zip(images, places, strict=True):
            place.parent.mkdir(parents=True, exist_ok=True)
            write(image, place)
        for name in junk:
            (ROOT / name).write_text("x")
        handed_over(fit, [*ARGV, *settings], truth=truth, rng=rng, is_fitted=is_fitted)

    told = " ".join(settings)
    return Case(f"folder: {way} {list(images.shape)}, {how}, beside {junk} {told}", "right", run)


def _placed(rng: Rng, images: Array) -> tuple[list[Path], dict[str, Array], Array | None, str]:
    """Where each image goes, the positions of splits, and labels by folder, which are functions of the image."""
    n = len(images)
    groups = images.reshape(n, -1).sum(-1) % 2 if rng.random() < 0.5 else None
    named = [f"{i:03}" for i in rng.permutation(n)]
    inner = [Path(named[i]) if groups is None else Path(f"class{groups[i]}") / named[i] for i in range(n)]
    classes = None if groups is None else np.array([f"class{g}" for g in groups])
    if rng.random() < 0.4:
        return [ROOT / place for place in inner], {}, classes, "no splits"
    names = SPLITS[rng.integers(len(SPLITS))]
    ends = dict(zip(("train", "val", "test"), ((0, n - 12), (n - 12, n - 5), (n - 5, n)), strict=True))
    if "" in names:
        ends |= {"train": (0, n - 6), "val": (n - 6, n), "test": (n - 6, n)}
    given = {split: name for split, name in zip(ends, names, strict=True) if name}
    parts = {split: np.arange(*ends[split]) for split in given}
    above = {i: given[split] for split, where in parts.items() for i in where}
    is_below = groups is not None and rng.random() < 0.4
    places = [
        ROOT / place.parent / above[i] / place.name if is_below else ROOT / above[i] / place
        for i, place in enumerate(inner)
    ]
    return places, parts, classes, f"{'class/split' if is_below else 'split/class'} {'/'.join(given.values())}"


def filled(rng: Rng, n: int = 24, *, below: str = ".", levels: int = 256, size: tuple[int, int] = (3, 4)) -> list[Path]:
    """Plain grey PNG files."""
    (ROOT / below).mkdir(parents=True, exist_ok=True)
    paths = [ROOT / below / f"{i:02}.png" for i in range(n)]
    for path, image in zip(paths, grey(rng, (n, *size), levels), strict=True):
        Image.fromarray(image).save(path)
    return paths


def one(change: Callable[[Path, Rng], object]) -> Callable[[Rng], None]:
    """Plain files, one of which is changed."""

    def fault(rng: Rng) -> None:
        paths = filled(rng)
        change(paths[rng.integers(len(paths))], rng)

    return fault


def transparent(path: Path, rng: Rng) -> None:
    image = Image.open(path).convert("LA")
    image.putpixel((0, 0), (9, 100))
    image.save(path)


def pipe(path: Path, rng: Rng) -> None:
    path.unlink()
    os.mkfifo(path)


def dark(rng: Rng) -> None:
    """Numbers from 9 to 99: 100 levels, 91 of them, or 256?"""
    for i in range(24):
        Image.fromarray(rng.integers(9, 100, (3, 4)).astype("u1")).save(ROOT / f"{i}.png")


def layout(*names: str) -> Callable[[Rng], None]:
    """Plain files in folders of these names."""
    return lambda rng: [filled(rng, below=name) for name in names] and None


def split_of_one(rng: Rng) -> None:
    """A test split without a standard error."""
    filled(rng, below="train")
    filled(rng, 1, below="test")


FAULTS: dict[str, Callable[[Rng], list[str] | None]] = {
    "two sizes": one(lambda path, rng: Image.new("L", (5, 5)).save(path)),
    "two modes": one(lambda path, rng: Image.new("RGB", (4, 3)).save(path)),
    "two depths": one(lambda path, rng: Image.fromarray(np.zeros((3, 4), "u2")).save(path)),
    "cut short": one(lambda path, rng: path.write_bytes(path.read_bytes()[: int(rng.integers(1, 60))])),
    "text as image": one(lambda path, rng: path.write_text("no image")),
    "empty file": one(lambda path, rng: path.write_bytes(b"")),
    "transparent": one(transparent),
    "CMYK": one(lambda path, rng: Image.new("CMYK", (4, 3)).save(path, "TIFF")),
    "a link that leads nowhere": one(lambda path, rng: path.with_name("z.png").symlink_to("nowhere.png")),
    "a link out": one(lambda path, rng: path.with_name("z").symlink_to("/tmp")),
    "a link to itself": one(lambda path, rng: path.with_name("z.png").symlink_to("z.png")),
    "a pipe": one(pipe),
    "dark from 9 on": dark,
    "no image": lambda rng: (ROOT / "notes.txt").write_text("x") and None,
    "no folder": lambda rng: ROOT.rmdir(),
    "a file": lambda rng: ROOT.rmdir() or (ROOT.write_text("x") and None),
    "too few": lambda rng: filled(rng, int(rng.integers(1, 20))) and None,
    "test alone": layout("test"),
    "train and training": layout("train", "training", "test"),
    "a split beside images": layout("train", "test", "."),
    "a split beside other folders": layout("train", "test", "more"),
    "val and test alone": layout("val", "test"),
    "a split of one": split_of_one,
    "fewer levels than there are": lambda rng: filled(rng) and ["--levels=100"],
    "bits of grey": lambda rng: filled(rng) and ["--likelihood=bernoulli"],
    "dequantised bits": lambda rng: filled(rng, levels=2) and ["--dequantize=uniform"],
}
