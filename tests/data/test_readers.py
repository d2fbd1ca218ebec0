"""Readers of published formats: exact on whole files, one line on everything else."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest

from vae_rd.data import readers
from vae_rd.data.readers import read_amat, read_idx, read_npz
from vae_rd.errors import InputError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
IDX = b"\0\0\x08\x03" + struct.pack(">3I", 2, 3, 4) + IMAGES.tobytes()
TABLE = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
AMAT = b"0 1 1\n1 0 0\n"


def refusal(read, path, **arguments):
    """The message `read` refuses `path` with, which is one line that begins with the path."""
    with pytest.raises(InputError) as refused:
        read(path, **arguments)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("content", [IDX, gzip.compress(IDX, mtime=0)], ids=["idx", "idx.gz"])
def test_idx_is_read_as_its_header_says(tmp_path, content):
    path = tmp_path / "images"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_idx(path), IMAGES)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "not an idx file"),
        (IDX[:3], "not an idx file"),
        (IDX[:10], "not an idx file"),
        (b"\1" + IDX[1:], "not an idx file"),
        (IDX[:2] + b"\x0d" + IDX[3:], "not an idx file"),
        (IDX[:-1], "cut short: its header promises 24 bytes, 23 follow"),
        (IDX[:4] + b"\xff" * 12 + IDX[16:], "cut short"),
        (IDX + b"\0", "bytes too many"),
        (gzip.compress(IDX[:-1], mtime=0), "cut short"),
        (gzip.compress(IDX, mtime=0)[:-9], "cannot be read"),
        (gzip.compress(IDX, mtime=0)[:5], "cannot be read"),
        (gzip.compress(IDX, mtime=0)[:-8] + b"\0" * 8, "CRC"),
        (gzip.compress(IDX, mtime=0)[:10] + b"\xff" * 20, "cannot be read"),
        (gzip.compress(IDX, mtime=0) + b"rubbish", "cannot be read"),
    ],
)
def test_idx_that_is_not_whole_is_refused(tmp_path, content, fault):
    path = tmp_path / "images"
    path.write_bytes(content)
    assert fault in refusal(read_idx, path)


def test_amat_is_read_as_rows_of_digits(tmp_path):
    path = tmp_path / "table.amat"
    path.write_bytes(AMAT)
    table = read_amat(path, columns=3)
    assert table.dtype == np.uint8
    np.testing.assert_array_equal(table, TABLE)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        AMAT[:-1],
        AMAT[:-2],
        AMAT + b"0",
        AMAT.replace(b"1 1", b"1 2"),
        AMAT.replace(b"1 1", b"1\t1"),
        AMAT.replace(b"1 1\n", b"1 1 "),
        AMAT.replace(b"0 1 1", b"0\n1 1"),
        AMAT.replace(b"\n", b"\r\n"),
        b"version https://\n",
    ],
)
def test_amat_that_is_anything_else_is_refused(tmp_path, content):
    path = tmp_path / "table.amat"
    path.write_bytes(content)
    assert "give the original" in refusal(read_amat, path, columns=3)


def test_npz_gives_the_named_arrays(tmp_path):
    path = tmp_path / "own.npz"
    np.savez_compressed(path, images=IMAGES, labels=TABLE, unused=TABLE)
    arrays = read_npz(path, required=("images",), optional=("labels", "weights"))
    assert list(arrays) == ["images", "labels"]
    np.testing.assert_array_equal(arrays["images"], IMAGES)
    np.testing.assert_array_equal(arrays["labels"], TABLE)


def test_npz_without_a_required_array_says_what_it_holds(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, picture=IMAGES)
    assert "no array images; it holds ['picture']" in refusal(read_npz, path, required=("images",))


class Touch:
    """Unpickling this would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickled_objects_are_refused_and_not_run(tmp_path):
    path, trace = tmp_path / "own.npz", tmp_path / "trace"
    np.savez(path, images=np.array([Touch(trace)], dtype=object))
    assert "images cannot be read (Object arrays cannot be loaded" in refusal(read_npz, path, required=("images",))
    assert not trace.exists()


def npy(header):
    """An npy file of which only the header is there."""
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def archive(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(f"{name}.npy", content)
    return stream.getvalue()


def whole():
    stream = io.BytesIO()
    np.savez(stream, images=IMAGES)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "not a whole npz archive"),
        (b"rubbish" * 100, "not a whole npz archive"),
        (whole()[:-30], "not a whole npz archive"),
        (whole()[:60], "not a whole npz archive"),
        (whole().replace(IMAGES.tobytes(), IMAGES.tobytes()[::-1]), "images cannot be read (Bad CRC-32"),
        (archive(images=b"\0" * 10), "images is not a numpy array"),
        (archive(images=npy("{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}")), "images cannot be read"),
        (archive(images=npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({10**15},)}}")), "cannot be read"),
        (archive(images=npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({10**30},)}}")), "cannot be read"),
        (archive(images=npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-5,)}")), "cannot be read"),
        (archive(images=npy("{'descr': '|u1', 'fortran_order'")), "images cannot be read"),
        (archive(images=npy("__import__('os').getcwd()")), "images cannot be read"),
    ],
)
def test_npz_that_is_not_whole_is_refused(tmp_path, content, fault):
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    assert fault in refusal(read_npz, path, required=("images",))


def test_npz_larger_than_memory_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "own.npz"
    np.savez_compressed(path, images=np.zeros((1000, 1000), np.uint8))
    monkeypatch.setattr(readers, "MAX_BYTES", 1_000_000)
    assert "1000128 bytes unpacked, more than the 1000000" in refusal(read_npz, path, required=("images",))


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_no_damage_to_an_npz_raises_anything_but_an_input_error(tmp_path, damage):
    stream = io.BytesIO()
    np.savez_compressed(stream, images=IMAGES, labels=TABLE)
    content, path, refused = stream.getvalue(), tmp_path / "own.npz", []
    for i in range(len(content)):
        flipped = content[:i] + bytes([content[i] ^ 0x5A]) + content[i + 1 :]
        path.write_bytes(flipped if damage == "flip" else content[:i])
        try:
            read_npz(path, required=("images",), optional=("labels",))
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 200
    assert not any("\n" in message for message in refused)


@pytest.mark.parametrize(
    ("read", "arguments"), [(read_idx, {}), (read_amat, {"columns": 3}), (read_npz, {"required": ("images",)})]
)
def test_missing_file_is_refused(tmp_path, read, arguments):
    assert "No such file" in refusal(read, tmp_path / "absent", **arguments)
