"""How many levels numbers are read as: k exactly where the meaning is plain, else a refusal whose remedy is taken."""

import numpy as np
import pytest

from vae_rd.data.levels import first_levels, read_levels
from vae_rd.errors import InputError

K17 = np.random.default_rng(0).integers(0, 17, (50, 4, 4))
K17[0, 0, :2] = 0, 16
K256 = np.random.default_rng(1).integers(0, 256, (50, 4, 4))
K256[0, 0, :2] = 0, 255
SMOOTH = np.random.default_rng(2).random((50, 4, 4))
SMOOTH[0, 0, :2] = 0, 1  # As images that were scaled from end to end.


def read(values, asked=None):
    return read_levels(values, asked=asked, where="own.npz: array images")


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", ">i4", "i8", "u2", ">u2", "u8", "f2", "f4", "f8", ">f8", "f16"])
def test_digits_are_17_levels_in_every_type(kind):
    pixels, levels, said = read(K17.astype(np.longdouble if kind == "f16" else kind))
    assert levels == 17
    assert pixels.dtype == np.uint8
    assert said == "values 0..16 read as 17 levels"
    np.testing.assert_array_equal(pixels, K17)


@pytest.mark.parametrize(
    ("values", "levels", "counts"),
    [
        (K17 % 2 == 1, 2, K17 % 2),
        (K17 % 3, 3, K17 % 3),
        (K256 // 3, 86, K256 // 3),
        (K256 * 4, 1024, K256 * 4),
        (K256 * 16, 4096, K256 * 16),
        (K256 * 257, 65536, K256 * 257),
        ((K256 * 257).astype(np.float32), 65536, K256 * 257),
        (np.minimum(K17, 15) / 15, 16, np.minimum(K17, 15)),
        (K17 / 16, 17, K17),
        (np.maximum(K17, 3) / 16, 17, np.maximum(K17, 3)),
        ((K256 * 16 + 15) / 4095, 4096, K256 * 16 + 15),
        ((K17 / 16).astype(np.float16), 17, K17),
        (K17 / 8 - 1, 17, K17),
        (K17 / 16 - 0.5, 17, K17),
        (K256 / 127.5 - 1, 256, K256),
        ((K256 / np.float32(127.5) - np.float32(1)).astype(np.float32), 256, K256),
        ((K256 / 255).astype(np.float16), 256, K256),
        (K256 / 256, 256, K256),
        (K17 % 2 * 2 - 1, 2, K17 % 2),
        (K17 % 3 - 1.0, 3, K17 % 3),
    ],
)
def test_counts_are_found_in_disguise(values, levels, counts):
    found = read(values)
    assert found.levels == levels
    assert found.pixels.dtype == (np.uint8 if levels <= 256 else np.int16 if levels <= 1 << 15 else np.int32)
    np.testing.assert_array_equal(found.pixels, counts)


@pytest.mark.parametrize(
    "values",
    [SMOOTH, SMOOTH.astype(np.float32), 2 * SMOOTH - 1, SMOOTH.astype(np.float16), K17 * 1e5, K17 * 0.73 + 0.1],
)
def test_real_values_stay_as_they_are(values):
    found = read(values)
    assert (found.levels, found.pixels.dtype) == (None, np.float32)
    np.testing.assert_array_equal(found.pixels, values.astype(np.float32))


@pytest.mark.parametrize(
    ("values", "asked", "counts"),
    [
        (K17, 256, K17),
        (K17, 17, K17),
        (K17 % 2 + 1, 3, K17 % 2 + 1),
        (K17 / 16, 17, K17),
        (K17 / 32, 33, K17),
        (K17 / 8 - 1, 17, K17),
        (K256 * 16, 65536, K256 * 16),
        (K17 % 2, 5, K17 % 2),
        (K17 % 3 - 1.0, 3, K17 % 3),
        (K17 % 3 - 1, 3, K17 % 3),
        (2.0 * (K17 % 2) - 1, 2, K17 % 2),
    ],
)
def test_levels_that_are_said_are_taken(values, asked, counts):
    found = read(values, asked)
    assert found.levels == asked
    np.testing.assert_array_equal(found.pixels, counts)


MENDED = [
    (K17 % 2 + 1, None, "subtract 1", lambda v: read(v - 1), 2),
    (K17 % 2 + 1, None, "or add --levels 3", lambda v: read(v, 3), 3),
    (K17 % 2 + 1, None, "256 for 8-bit images", lambda v: read(v, 256), 256),
    (np.ones((30, 4)), None, "subtract 1", lambda v: read(v - 1), 2),
    (K17 - 3, None, "add 3", lambda v: read(v + 3), 17),
    (K17 - 3.0, None, "add 3", lambda v: read(v + 3), 17),
    (K17 * 10**5, None, "real values as float32", lambda v: read(v.astype(np.float32)), None),
    (K17, 16, "--levels 17 has them all", lambda v: read(v, 17), 17),
    (K17 / 16, 16, "leave out --levels", read, 17),
    (K17 % 3 - 1.0, 5, "leave out --levels", read, 3),
    (SMOOTH, 256, "leave out --levels", read, None),
    (K17 % 2 / 1, 256, "leave out --levels", read, 2),
    (K17 % 2 / 1, 256, "store k as whole numbers", lambda v: read(v.astype(int) * 255), 256),
    (np.where(K17 > 3, np.nan, K17), None, "give finite", lambda v: read(np.nan_to_num(v)), 4),
    (K17 + 1j, None, "give whole or floating-point numbers", lambda v: read(v.real), 17),
    (K17.astype(str), None, "give whole or floating-point numbers", lambda v: read(v.astype(int)), 17),
]


def test_zero_has_no_sign_in_what_is_said():
    assert read(np.where(K17 > 8, 1.0, -0.0)).said == "values 0..1 read as 2 levels"


@pytest.mark.parametrize(("values", "asked", "remedy", "apply", "levels"), MENDED)
def test_a_guess_is_refused_in_one_line_and_its_remedy_is_taken(values, asked, remedy, apply, levels):
    with pytest.raises(InputError) as refused:
        read(values, asked)
    assert remedy in str(refused.value)
    assert "\n" not in str(refused.value)
    assert apply(values).levels == levels


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (K17.astype(np.uint8), 256),
        (K17.astype(float), 256),
        (K17 % 2 == 0, 2),
        (K17 / 16, None),
        (K256 / 127.5 - 1, None),
    ],
)
def test_version_1_of_the_defaults_goes_on_reading_as_it_did(values, levels):
    assert first_levels(values, where="own.npz").levels == levels
