"""Generated command lines and config files: a config that reads back equal, or one line of refusal, and nothing else.

Half of the cases are of either kind. VAE_RD_FUZZ_CASES sets their number, here 100 that never change;
`benchmarks/faults.py --cases 1000` draws new ones.
"""

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vae_rd.config.cli import from_mapping, parse
from vae_rd.config.fields import FIELDS, FitConfig, choices, is_optional, to_dict, to_yaml, value_type
from vae_rd.errors import InputError
from vae_rd.experiment.build import build_data, build_model, steps_of

CASES = int(os.environ.get("VAE_RD_FUZZ_CASES", "0"))
FUZZ = settings(
    max_examples=(CASES or 100) // 2,
    derandomize=not CASES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
WITHOUT_FILES = ("sprites", "scenes", "digits", "gaussian", "sphere", "toy_channel", "noisy_sprites")

_NUMBERS = [
    "",
    " ",
    "-",
    "--",
    "---",
    "=",
    "=4",
    "null",
    "None",
    "~",
    "true",
    "nan",
    ".nan",
    "-inf",
    "1e999",
    "1e-400",
    "0x1F",
]
_WORDS = ["1_000", "٤", "9" * 400, "-0", "+4", "4.", "007", "1e3", "???", "${beta}", "[${latent_dim}]", "['${beta}']"]
_LISTS = [
    "${oc.env:HOME}",
    "[???]",
    "{a: 1}",
    "[[1]]",
    "[1, [2]]",
    "[true]",
    "[1.0]",
    "[.inf]",
    "&a [*a]",
    "!!python/none",
]
_MARKS = ["!!python/object/apply:os.system [id]", "'", '"', '"a', "a\nb", "\r", "\x1b[31m", "\0", "\u2028", "\ud800"]
_PATHS = [
    "..",
    "/",
    "../up",
    "a/b",
    "$(id)",
    "; id",
    "`id`",
    "C:\\",
    "n" * 300,
    "[" * 3000,
    "2026-11-21",
    "0.1.2",
    "1:30",
    "<<: *a",
]
ODD_TEXT = st.sampled_from([*_NUMBERS, *_WORDS, *_LISTS, *_MARKS, *_PATHS])
TEXT = st.one_of(ODD_TEXT, st.text(max_size=12), st.integers().map(str), st.floats().map(str), st.booleans().map(str))


def fitting(name: str) -> st.SearchStrategy[Any]:
    """Values of a field's own type, most of them within its range."""
    if words := choices(name):
        return st.sampled_from(words)
    metadata = FIELDS[name].metadata
    low = next((metadata[key] for key in ("least", "above") if metadata[key] is not None), -10)
    small = st.one_of(st.integers(math.floor(low), math.floor(low) + 9), st.sampled_from([-1, 0, 2**31, 2**63, 10**30]))
    return {
        bool: st.booleans(),
        int: small,
        float: st.one_of(st.floats(low, low + 5), st.floats(), small),
        list: st.lists(st.one_of(st.integers(1, 64), st.floats(0.1, 10)), max_size=4),
        str: st.text("abcXYZ019._-+=@,", min_size=1, max_size=20),
    }[value_type(name)]


def value_of(name: str) -> st.SearchStrategy[Any]:
    """A value of a flag, as YAML holds it: of the right type, of another one, or odd text."""
    nothing = st.none() if is_optional(name) else st.nothing()
    right = st.one_of(fitting(name), nothing)
    wrong = st.one_of(TEXT, st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), st.dates(), st.binary())
    return st.integers(0, 7).flatmap(lambda dice: right if dice else wrong)


FLAG = st.sampled_from(list(FIELDS)).flatmap(lambda name: st.tuples(st.just(name), value_of(name)))
ODD_FLAG = st.tuples(st.one_of(TEXT, st.sampled_from(["bta", "Beta", "beta ", "_wandb", "config", "help"])), TEXT)
SPLIT = {True: lambda name, text: [f"--{name}", text], False: lambda name, text: [f"--{name}={text}"]}


@st.composite
def command_lines(draw: Callable[..., Any]) -> list[str]:
    """Up to six flags, seldom an unknown one or a word by itself, some given twice."""
    pairs = draw(st.lists(FLAG, max_size=6))
    if draw(st.integers(0, 9)) == 0:
        pairs.append(draw(ODD_FLAG))
    words = [SPLIT[draw(st.booleans())](name, "null" if value is None else str(value)) for name, value in pairs]
    if draw(st.integers(0, 9)) == 0:
        words.append([draw(TEXT)])
    return [word for part in draw(st.permutations(words)) for word in part]


@st.composite
def config_files(draw: Callable[..., Any]) -> bytes:
    """YAML of known keys and of others, YAML of anything, text that is no YAML, and bytes that are no text."""
    pairs = draw(st.lists(FLAG, max_size=6))
    if draw(st.integers(0, 9)) == 0:
        pairs.append(draw(st.tuples(st.one_of(TEXT, st.integers(), st.none(), st.dates()), TEXT)))
    anything = st.recursive(st.one_of(TEXT, st.floats(), st.none()), lambda c: st.lists(c) | st.dictionaries(TEXT, c))
    kind = draw(st.integers(0, 19))
    if kind == 0:
        return draw(st.binary(max_size=40))
    if kind == 1:
        return draw(TEXT).encode(errors="surrogatepass")
    return yaml.safe_dump(draw(anything) if kind == 2 else dict(pairs)).encode()


def understood(argv: list[str]) -> FitConfig | None:
    """The config of a command line, None where it is refused; anything but an InputError of one line is an error."""
    try:
        return parse(argv).config
    except InputError as refusal:
        check_line(refusal)
        return None


def check_line(refusal: InputError) -> None:
    line = str(refusal)
    assert line.strip()
    assert line.isprintable(), line


def check_reads_back(config: FitConfig, folder: Path) -> None:
    """By Python, where nothing may change, and by `--config` of what `--print_config` shows."""
    assert to_dict(from_mapping(to_dict(config), where="config")) == to_dict(config)
    (folder / "again.yaml").write_text(to_yaml(config), encoding="utf-8")
    assert to_dict(parse([f"--config={folder / 'again.yaml'}"]).config) == to_dict(config)


def check_is_built(config: FitConfig) -> None:
    """Data, model and number of steps: there, or refused in one line; networks small, that memory is no matter."""
    if config.data not in WITHOUT_FILES or config.sphere_dim > 50 or max(config.n_train or 0, config.n_test or 0) > 1e4:
        return
    widths = None if config.hidden is None else [min(width, 32) for width in config.hidden[:3]]
    small = replace(config, hidden=widths or ([8] if config.encoder != "conv" else None), n_test=config.n_test or 100)
    small = replace(small, latent_dim=min(config.latent_dim, 16))
    try:
        data = build_data(small)
        build_model(small, data.card)
        assert steps_of(small, data.card) > 0
    except InputError as refusal:
        check_line(refusal)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@FUZZ
@given(argv=command_lines())
def test_a_command_line_is_a_config_or_one_line(folder, argv):
    if (config := understood(argv)) is not None:
        check_reads_back(config, folder)
        check_is_built(config)


@FUZZ
@given(content=config_files())
def test_a_config_file_is_a_config_or_one_line(folder, content):
    (folder / "given.yaml").write_bytes(content)
    if (config := understood([f"--config={folder / 'given.yaml'}"])) is not None:
        check_reads_back(config, folder)
        check_is_built(config)


@pytest.mark.parametrize("text", ["${beta}", "[${latent_dim}]", "['${latent_dim}']", "[8, '${oc.env:LINES}']", "???"])
def test_no_value_refers_to_anything_outside_itself(text, monkeypatch):
    monkeypatch.setenv("LINES", "50")
    with pytest.raises(InputError, match=r"refer to nothing outside themselves|give a list"):
        parse(["--hidden", text])
