"""Folders of image files of one's own."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vae_rd.data import pictures
from vae_rd.data.files import image_folder

from walk.steps import LEVELS, Call, Step, each, fitted, limited, step, written

FOLDER = fitted("--data=image_folder", "--data_file=own", "--likelihood=gaussian")
DEEP = (LEVELS.astype(np.uint16) << 8) + 77
SEE_THROUGH = np.dstack([LEVELS[0], LEVELS[0], LEVELS[0], LEVELS[1]])


def drawn(*at: str, n: int = 24, mode: str = "L") -> Call:
    """n grey images in each of these folders."""

    def draw() -> None:
        for folder in at or ("",):
            Path("own", folder).mkdir(parents=True, exist_ok=True)
            for i in range(n):
                Image.fromarray(LEVELS[i]).convert(mode).save(Path("own", folder, f"{i:02}.png"))

    return draw


def picture(array: Any, name: str = "own/x.png", **settings: Any) -> Call:
    def draw() -> None:
        Image.fromarray(array, **settings).save(name)

    return draw


def moved(source: str, target: str) -> Call:
    return lambda: Path("own", source).rename(Path("own", target))


def removed(name: str) -> Call:
    return lambda: Path("own", name).unlink()


def linked(target: str) -> Call:
    return lambda: Path("own/x.png").symlink_to(Path(target).absolute())


def rgb16() -> None:
    """A PNG of 16 bits a channel, which Pillow does not write."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(4 * 6) for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    Path("own/x.png").write_bytes(content)


def with_one(extra: Call) -> Call:
    return each(drawn(), extra)


GREY = picture(LEVELS[30])
WITHOUT = each(removed("x.png"), FOLDER)
FILES = [
    step(
        "give a folder that can be",
        lambda: image_folder(Path("own")),
        each(drawn(), lambda: image_folder(Path("own"))),
    ),
    step("no such folder; give its path from", FOLDER, each(drawn(), FOLDER)),
    step("no image file below this folder; give", FOLDER, each(drawn(), FOLDER), before=written("own/x.txt", "")),
    step(
        "neither a file nor a link to one; remove it", FOLDER, WITHOUT, before=with_one(lambda: os.mkfifo("own/x.png"))
    ),
    step(
        "copy the file into the folder",
        FOLDER,
        each(removed("x.png"), GREY, FOLDER),
        before=with_one(each(drawn(), picture(LEVELS[30], "out.png"), linked("out.png"))),
    ),
    step(
        "mend or remove it", FOLDER, WITHOUT, each(GREY, FOLDER), before=with_one(written("own/x.png", b"\x89PNG cut"))
    ),
    step("give smaller ones", FOLDER, each(GREY, FOLDER), before=with_one(picture(np.zeros((4097, 4096), np.uint8)))),
    step(
        "save it with 8 bits",
        FOLDER,
        each(picture(np.dstack([LEVELS[0]] * 3)), FOLDER),
        before=each(drawn(mode="RGB"), rgb16),
    ),
    step(
        "convert it to 1-bit, grey (L) or RGB",
        FOLDER,
        each(removed("x.tif"), GREY, FOLDER),
        before=with_one(lambda: Image.fromarray(LEVELS[30]).convert("CMYK").save("own/x.tif")),
    ),
    step(
        "paste it onto a background, and save that as grey (L) or RGB",
        FOLDER,
        each(lambda: Image.open("own/x.png").convert("L").save("own/x.png"), FOLDER),
        before=with_one(picture(SEE_THROUGH)),
    ),
    step("give images of one size and mode", FOLDER, each(GREY, FOLDER), before=with_one(picture(LEVELS[0][:3]))),
    step("give images of one size and mode", FOLDER, each(GREY, FOLDER), before=with_one(picture(DEEP[0]))),
    step(
        "give fewer images, or smaller ones",
        limited(pictures, "MAX_BYTES", 400, FOLDER),
        each(removed("25.png"), limited(pictures, "MAX_BYTES", 400, FOLDER)),
        before=drawn(n=26),
    ),
    step("give at least 20", FOLDER, each(drawn(n=20), FOLDER), before=drawn(n=19)),
]
SPLITS = [
    step(
        "move these into one of the splits, or rename the folders",
        FOLDER,
        each(moved("cats", "train"), FOLDER),
        each(moved("test", "dogs"), FOLDER),
        before=drawn("test", "cats"),
    ),
    step(
        "add a folder train, or give one of them itself as --data_file",
        FOLDER,
        each(drawn("train"), FOLDER),
        fitted("--data=image_folder", "--data_file=own/test", "--likelihood=gaussian"),
        before=drawn("test", "val"),
    ),
    step(
        "put their images into one",
        FOLDER,
        each(
            lambda: [path.rename(f"own/train/b{path.name}") for path in Path("own/training").iterdir()],
            lambda: Path("own/training").rmdir(),
            FOLDER,
        ),
        before=drawn("train", "training", "test"),
    ),
]
STEPS: list[Step] = [*FILES, *SPLITS]
