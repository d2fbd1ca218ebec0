"""The table at the end of a fit in other units: what a nat is worth there, and of which D it speaks."""

import math

import pytest

from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS, RunRecord
from vae_rd.run.summary import split_lines
from vae_rd.units import check_units

from helpers.fake_records import mnist_card, mnist_points, write_run

NAT = 1 / (784 * math.log(2))


def columns(line: str) -> list[float]:
    """The numbers of a line of the table."""
    return [float(word) for word in line.split() if word.strip("-.0123456789") == ""]


def record(tmp_path, **card) -> RunRecord:
    points = mnist_points(1.0)
    return RunRecord.read(write_run(tmp_path, card=mnist_card() | card, beta=1.0, points=points))


@pytest.mark.parametrize(("units", "worth"), [("bits", 1 / math.log(2)), ("bits_per_dim", NAT)])
def test_every_number_is_worth_so_much(tmp_path, units, worth):
    found = record(tmp_path)
    heading, line = split_lines(found, ["test"], units=units)
    assert heading.endswith(f"all in {units.replace('_per_', '/')}")
    test, (n, d, _, r, _, total, *_) = found.metrics["test"], columns(line)
    assert n == test["distortion"]["n"]
    assert d == pytest.approx(test["distortion"]["value"] * worth, abs=6e-4)
    assert r == pytest.approx(test["rate"]["value"] * worth, abs=6e-4)
    assert total == pytest.approx(-test["elbo"]["value"] * worth, abs=6e-4)
    assert columns(line)[-1] == pytest.approx(math.log(n) * worth, abs=6e-4)


@pytest.mark.parametrize(
    ("population", "names"),
    [
        ((False, False, False), ["train", "val", "test"]),
        ((False, True, True), ["train", "all"]),
        ((True,) * 3, ["all"]),
    ],
)
def test_splits_that_are_one_population_have_one_line(tmp_path, population, names):
    """But where they were measured one by one, as by earlier versions."""
    found = record(tmp_path, population=dict(zip(SPLITS, population, strict=True)))
    found.metrics |= dict.fromkeys(SPLITS, found.metrics["test"])
    assert [line.split()[0] for line in split_lines(found, SPLITS)[1:]] == names
    found.metrics["val"] = found.metrics["test"] | {"distortion": {**found.metrics["test"]["distortion"], "value": 1.0}}
    assert "val" in [line.split()[0] for line in split_lines(found, SPLITS)[1:]]


def test_of_dequantised_pixels_bits_per_dim_are_of_their_levels(tmp_path):
    dequantised = {
        "params": {"dequantize": "uniform"},
        "levels": 256,
        "pixel_scale": "(k + u) / 256",
        "support": "real",
    }
    found = record(tmp_path, **dequantised)
    (plain, counted), test = (
        (columns(split_lines(found, ["test"], units=u)[1]) for u in ("bits", "bits_per_dim")),
        found,
    )
    assert counted[1] == pytest.approx(plain[1] / 784 + 8, abs=6e-4)
    assert counted[3] == pytest.approx(plain[3] / 784, abs=6e-4)
    assert counted[5] == pytest.approx(-test.metrics["test"]["elbo"]["value"] * NAT + 8, abs=6e-4)
    older = record(tmp_path / "older", **dequantised | {"levels": None})
    assert columns(split_lines(older, ["test"], units="bits_per_dim")[1]) == counted


@pytest.mark.parametrize(
    ("support", "measure", "params", "has"),
    [
        ("binary", None, {}, True),
        ("one_hot", "discrete", {}, True),
        ("grey", "discrete", {}, True),
        ("grey", "differential", {}, False),
        ("grey", None, {}, False),
        ("real", "differential", {}, False),
        ("real", "differential", {"dequantize": "uniform"}, True),
    ],
)
def test_bits_per_dim_are_of_probabilities_or_of_levels_with_noise(support, measure, params, has):
    card = {"name": "some", "support": support, "params": params, "levels": 256, "pixel_scale": None}
    check_units("nats", card, measure)
    check_units("bits", card, measure)
    if has:
        check_units("bits_per_dim", card, measure)
    else:
        with pytest.raises(InputError, match="D of --data some is of a density"):
            check_units("bits_per_dim", card, measure)


def test_a_line_says_of_how_many_examples_among_how_many_the_information_is(tmp_path):
    found = record(tmp_path)
    whole = split_lines(found, ["test"])[1]
    lower = found.metrics["test"]["mutual_information_lower"]
    lower |= {"n": 100, "cap": math.log(1000)}
    assert split_lines(found, ["test"])[1].endswith("  6.908  I of 100 among 1,000")
    lower |= {"n": 5000, "cap": math.log(10_000)}  # All of the split are compared with: exact as before.
    assert split_lines(found, ["test"])[1] == whole
    lower |= {"kind": "empirical"}  # Of the n examples of training it is I itself, below and above.
    assert split_lines(found, ["test"])[1] == f"{whole}  I of these 10,000 examples"
    lower |= {"value": None}
    assert "these" not in split_lines(found, ["test"])[1]
