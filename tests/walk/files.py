"""npz archives of one's own, and published files."""

import gzip
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vae_rd.data import digits, readers
from vae_rd.data.fetch import RemoteFile, fetch
from vae_rd.data.readers import read_amat, read_idx, read_npz

from walk.steps import BITS, LEVELS, Call, Step, archive, each, fitted, limited, step, without, written

NPZ = ("--data=npz", "--data_file=own.npz", "--likelihood=gaussian")
REAL = np.random.default_rng(1).normal(size=(40, 4, 4)).astype(np.float32)
SIXTHS = np.arange(40 * 16).reshape(40, 4, 4) % 7
N = np.arange(40)
ENDS = LEVELS.copy()  # That a grid is one is told by its ends.
ENDS[0, 0, :2] = 0, 255


def own(says: str, bad: Mapping[str, Any], *good: Mapping[str, Any] | str | Call, flags: str = "") -> Step:
    """An archive that is refused; mended by other arrays, by flags, or as is said."""
    asked = fitted(*NPZ, *flags.split())
    remedies = [
        remedy
        if callable(remedy)
        else fitted(*NPZ, *remedy.split())
        if isinstance(remedy, str)
        else each(archive(**remedy), fitted(*NPZ))
        for remedy in good
    ]
    return step(says, asked, *remedies, before=archive(**bad))


def image(array: Any) -> dict[str, Any]:
    return {"images": array}


def damaged(change: Any) -> Call:
    """The archive with its bytes changed."""

    def damage() -> None:
        archive(images=LEVELS)()
        path = Path("own.npz")
        path.write_bytes(change(path.read_bytes()))

    return damage


def with_member(name: str, content: bytes) -> Call:
    def write() -> None:
        with zipfile.ZipFile("own.npz", "w") as file:
            file.writestr(name, content)

    return write


GOOD = each(archive(images=LEVELS), fitted(*NPZ))
THREE = np.random.default_rng(0).integers(0, 256, (40, 3, 6, 6)).astype(np.uint8)
ROLES = [
    own("keep images, or the splits", {"images": LEVELS, "train": LEVELS}, {"images": LEVELS}, {"train": LEVELS}),
    own("name the array images, or train", {"pixels": LEVELS}, {"images": LEVELS}, {"train": LEVELS}),
    own(
        "give those of all, or none",
        {"train": LEVELS, "test": LEVELS[:9], "train_labels": N},
        {"train": LEVELS, "test": LEVELS[:9], "train_labels": N, "test_labels": N[:9]},
        {"train": LEVELS, "test": LEVELS[:9]},
    ),
    own("keep one of them", {"train": LEVELS, "x_train": LEVELS}, {"train": LEVELS}, {"x_train": LEVELS}),
    own(
        "give [N, H, W], [N, H, W, C] or vectors [N, D]",
        image(REAL[:, 0, 0]),
        image(REAL),
        image(REAL[:, 0]),
        image(REAL[..., None]),
    ),
    own("looks like [N, C, H, W]; add --layout channels_first", image(THREE), "--layout=channels_first"),
    own(
        "of volumes [N, C, D, H, W] add --layout channels_first", image(REAL[:, None, None]), "--layout=channels_first"
    ),
    own(
        "give [N, C, L], [N, C, H, W], [N, C, D, H, W] or vectors [N, D]",
        image(REAL[:, 0, 0]),
        each(archive(images=REAL), fitted(*NPZ, "--layout=channels_first")),
        each(archive(images=REAL[:, None]), fitted(*NPZ, "--layout=channels_first")),
        each(archive(images=REAL[:, 0]), fitted(*NPZ, "--layout=channels_first")),
        flags="--layout=channels_first",
    ),
    own("images of one size and type", {"train": LEVELS, "test": BITS[:9, :2]}, {"train": LEVELS, "test": LEVELS[:9]}),
    own("images of one size and type", {"train": LEVELS, "test": REAL[:9]}, {"train": LEVELS, "test": LEVELS[:9]}),
    own(
        "give one kind",
        {"train": LEVELS, "test": LEVELS[:9], "train_labels": N, "test_labels": N[:9].astype(str)},
        {"train": LEVELS, "test": LEVELS[:9], "train_labels": N, "test_labels": N[:9]},
    ),
    own(
        "of whole numbers, booleans or text",
        {"images": LEVELS, "labels": N / 2},
        {"images": LEVELS, "labels": N},
        {"images": LEVELS, "labels": N > 3},
        {"images": LEVELS, "labels": N.astype(str)},
        {"images": LEVELS, "labels": np.stack([N, N], 1)},
    ),
    own("give [40] or [40, F]", {"images": LEVELS, "labels": N[1:]}, {"images": LEVELS, "labels": N}),
    own("give at least 20", image(LEVELS[:19]), image(LEVELS[:20])),
    own("give at least 2", {"train": LEVELS, "test": LEVELS[:1]}, {"train": LEVELS, "test": LEVELS[:2]}),
]
VALUES = [
    own("add 3, so that they are counts from 0", image(SIXTHS - 3), image(SIXTHS)),
    own(
        "give counts up to 65535, or real values as float32, scaled to about 1",
        image(SIXTHS * 20000),
        image(SIXTHS),
        image((SIXTHS / 7).astype(np.float32)),
    ),
    own("which --file_rules 1 does not read; leave --file_rules out", image(SIXTHS), "", flags="--file_rules=1"),
    own(
        "give whole or floating-point numbers, or booleans",
        image(LEVELS.astype(str)),
        image(LEVELS),
        image(REAL),
        image(REAL.astype(">f8")),
    ),
    own("give finite float32 numbers", image(np.where(REAL > 1, np.nan, REAL)), image(REAL)),
    own(
        "subtract 2, or add --levels 9 where they are counts from 0, 256 for 8-bit images",
        image(SIXTHS + 2),
        image(SIXTHS),
        "--levels=9",
        "--levels=256",
    ),
    own(
        "leave out --levels, or store k as whole numbers",
        image(BITS.astype(np.float32)),
        "--likelihood=bernoulli",
        flags="--levels=5",
    ),
    own("--levels 7 has them all", image(SIXTHS), "--levels=7", flags="--levels=5"),
    own("leave out --levels", image(REAL), "", flags="--levels=5"),
    own(
        "scale all splits alike",
        {"train": REAL, "test": SIXTHS[:9].astype(np.float32)},
        {"train": REAL, "test": REAL[:9]},
        {"train": SIXTHS, "test": SIXTHS[:9]},
    ),
    own(
        "scale all splits alike, or add --levels 511 if they are",
        {"train": ENDS / 127.5 - 1, "test": ENDS[:9] / 255},
        {"train": ENDS / 127.5 - 1, "test": ENDS[:9] / 127.5 - 1},
        "--levels=511",
    ),
]
CONSTANT = np.concatenate([REAL[:, :3], np.full((40, 1, 4), 0.3, np.float32)], 1)
FEW = {"train": np.concatenate([REAL[:2]] * 20), "val": REAL[:9], "test": REAL[9:]}
OF_ONE = np.broadcast_to(REAL[:, :1, :1], REAL.shape)
ATOMS = np.concatenate([REAL[:20] * [[[0, 1, 1, 1]]] + 0.25 * np.array([1, 0, 0, 0], np.float32), REAL[20:]]).astype(
    np.float32
)
SCALES = [
    own(
        "choose gaussian or gaussian_shared",
        image(CONSTANT),
        "",
        "--likelihood=gaussian_shared",
        flags="--likelihood=gaussian_pixel",
    ),
    own(
        "come back to the same values in many images",
        image(ATOMS),
        "",
        "--likelihood=gaussian_shared",
        flags="--likelihood=gaussian_pixel",
    ),
    own("training images are", FEW, "", flags="--likelihood=gaussian_shared"),
    own("each of its images has one value", image(OF_ONE), "", flags="--likelihood=gaussian_shared"),
]
CUT = written("own.npz", b"PK\3\4")
READING = [
    step("not a whole npz archive", fitted(*NPZ), GOOD, before=CUT),
    step("give its path from", fitted(*NPZ), GOOD),
    step(
        "add --data image_folder, or give the .npz file in it",
        fitted(*NPZ),
        each(lambda: Path("own.npz").rmdir(), GOOD),
        before=lambda: Path("own.npz").mkdir(),
    ),
    step(
        "give the path of a file that can be",
        lambda: read_npz(Path("none"), required=["images"]),
        lambda: read_npz(Path("bits.npz"), required=["images"]),
    ),
    step(
        "give the one that the images are in, or --data npz",
        fitted("--data=image_folder", "--data_file=bits.npz"),
        fitted(),
    ),
    step("write the file with numpy.savez", fitted(*NPZ), GOOD, before=with_member("images.npy", b"none")),
    own(
        "save numbers, or text as .astype(str)",
        {"images": LEVELS, "labels": np.array([{}] * 40)},
        {"images": LEVELS, "labels": N},
        {"images": LEVELS, "labels": N.astype(str)},
    ),
    step(
        "; give a whole file", fitted(*NPZ), GOOD, before=damaged(lambda content: content[:200] + b"?" + content[201:])
    ),
    step(
        "give a file that has them all",
        lambda: read_npz(Path("own.npz"), required=["images"]),
        each(archive(images=BITS), lambda: read_npz(Path("own.npz"), required=["images"])),
        before=archive(other=BITS),
    ),
    step(
        "give fewer images, or smaller ones",
        limited(readers, "MAX_BYTES", 900, fitted(*NPZ)),
        each(archive(images=LEVELS[:20]), limited(readers, "MAX_BYTES", 900, fitted(*NPZ))),
        each(archive(images=LEVELS[:, :2]), limited(readers, "MAX_BYTES", 900, fitted(*NPZ))),
        before=archive(images=np.concatenate([LEVELS, LEVELS])),
    ),
]


def idx(*sizes: int, of: bytes) -> bytes:
    return b"\0\0\x08" + bytes([len(sizes)]) + b"".join(n.to_bytes(4, "big") for n in sizes) + of


def read(path: str) -> Call:
    return lambda: read_idx(Path(path))


def amat() -> object:
    return read_amat(Path("t.amat"), columns=3)


def remote(content: bytes, *urls: str) -> Call:
    return lambda: fetch(Path("data"), RemoteFile("x.bin", f"md5:{hashlib.md5(content).hexdigest()}", urls))


TABLE = "0 1 1\n"
WHOLE = idx(3, of=b"\7\2\1")
PUBLISHED = [
    step(
        "give the original file",
        read("t.idx"),
        each(written("t.idx", WHOLE), read("t.idx")),
        before=written("t.idx", b"no"),
    ),
    step("cut short", read("t.idx"), each(written("t.idx", WHOLE), read("t.idx")), before=written("t.idx", WHOLE[:-1])),
    step(
        "give the original",
        read("t.gz"),
        each(written("t.gz", gzip.compress(WHOLE)), read("t.gz")),
        before=written("t.gz", gzip.compress(WHOLE)[:-9]),
    ),
    step("give the original", amat, each(written("t.amat", TABLE), amat)),
    step("give the original file", amat, each(written("t.amat", TABLE), amat), before=written("t.amat", "0 1")),
    step("give the original", amat, each(written("t.amat", TABLE), amat), before=written("t.amat", "0 1 2\n")),
    step("put the file with md5:", remote(b"a"), each(written("data/x.bin", b"a"), remote(b"a"))),
    step(
        "put the original there",
        remote(b"a"),
        each(written("data/x.bin", b"a"), remote(b"a")),
        before=written("data/x.bin", b"b"),
    ),
    step(
        "remove it to have it downloaded again",
        remote(b"a", "http://127.0.0.1:9/x.bin"),
        each(
            lambda: Path("data/x.bin").unlink(), written("data/x.bin", b"a"), remote(b"a", "http://127.0.0.1:9/x.bin")
        ),
        before=written("data/x.bin", b"b"),
    ),
    step(
        "cannot be read (Is a directory); make it readable, or remove it",
        remote(b"a"),
        each(lambda: Path("data/x.bin").rmdir(), written("data/x.bin", b"a"), remote(b"a")),
        before=lambda: Path("data/x.bin").mkdir(parents=True),
    ),
]
HANDWRITING = fitted("--data=digits", "--binarization=threshold")
INSTALLED = [  # Within scikit-learn's folder.
    step("pip install scikit-learn", without("sklearn", HANDWRITING), HANDWRITING),
    step("install scikit-learn again", limited(digits, "FILE", "none.csv.gz", HANDWRITING), HANDWRITING),
    step("install scikit-learn again", limited(digits, "SHA256", "0" * 64, HANDWRITING), HANDWRITING),
]
NPY = ("--data=npy", "--likelihood=gaussian")


def arrays(**named: Any) -> Call:
    """A folder of .npy files."""

    def write() -> None:
        Path("shards").mkdir(exist_ok=True)
        for name, array in named.items():
            np.save(f"shards/{name}.npy", array)

    return write


def streamed(*flags: str) -> Call:
    return fitted(*NPY, "--data_file=shards", *flags)


def stored(says: str, bad: Any, *good: Any, flags: str = "") -> Step:
    """A folder of one array that is refused, mended by another one."""
    remedies = [each(arrays(a=array), streamed()) for array in good]
    return step(says, streamed(*flags.split()), *remedies, before=arrays(a=bad))


STREAMS = [
    step(
        "give one that numpy.save has written arrays into",
        streamed(),
        each(arrays(a=LEVELS), streamed()),
        before=lambda: Path("shards").mkdir(),
    ),
    step(
        "not a whole .npy array",
        streamed(),
        each(arrays(a=LEVELS), streamed()),
        before=written("shards/a.npy", b"no"),
    ),
    stored("holds no plain array of numbers", LEVELS.astype(str), LEVELS),
    stored("the array is [40, 3, 6, 6], which looks like", THREE, THREE.transpose(0, 2, 3, 1)),
    stored("holds NaN or infinite values", np.where(REAL > 1, np.nan, REAL), REAL),
    step(
        "store whole numbers",
        streamed("--levels=5"),
        streamed(),
        each(arrays(a=LEVELS % 5), streamed("--levels=5")),
        before=arrays(a=REAL),
    ),
    step(
        "give arrays of one shape and type",
        streamed(),
        each(arrays(b=LEVELS), streamed()),
        before=arrays(a=LEVELS, b=REAL),
    ),
    step(
        "choose dynamic or threshold",
        fitted("--data=npy", "--data_file=shards", "--binarization=static"),
        fitted("--data=npy", "--data_file=shards", "--binarization=dynamic"),
        fitted("--data=npy", "--data_file=shards", "--binarization=threshold"),
        before=arrays(a=LEVELS),
    ),
    step("give at most as many, or leave it out", streamed("--n_train=99"), streamed(), before=arrays(a=LEVELS)),
]
STEPS = [*ROLES, *STREAMS, *VALUES, *SCALES, *READING, *PUBLISHED, *INSTALLED]
