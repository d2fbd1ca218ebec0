"""YAML: what a file says twice, or in a number that is not what it looks like, is refused with its line."""

import pytest
import yaml

from vae_rd.config.yaml_text import read_yaml
from vae_rd.errors import InputError


def read(text: str):
    return read_yaml(text, where="x.yaml", otherwise="not YAML")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("beta: 1\nlr: 2\nbeta: 3\n", 3, "beta is given here and in line 1; leave one of them out"),
        ('beta: 1\n"beta": 3\n', 2, "beta is given here and in line 1"),
        ("p:\n  beta: {values: [1], values: [4]}\n", 2, "values is given here and in line 2"),
        ("p:\n  - {a: 1}\n  - {a: 1, b: 2,\n     a: 3}\n", 4, "a is given here and in line 3"),
        ("p: &p {a: 1}\nq: {<<: *p, b: 1, b: 2}\n", 2, "b is given here and in line 2"),
        ("? beta\n: 1\n? beta\n: 2\n", 3, "beta is given here and in line 1"),
        ("seed: 010\n", 1, "YAML reads 010 as a number of base 8; write it in base 10"),
        ("seeds: [1,\n 1:30]\n", 2, "YAML reads 1:30 as a number of base 60"),
        ("beta: 1\n---\nbeta: 2\n", 2, "not YAML (but found another document)"),
        ("a: *nobody\n", 1, "not YAML (found undefined alias 'nobody')"),
    ],
)
def test_a_refusal_names_the_line(text, line, message):
    with pytest.raises(InputError) as refused:
        read(text)
    assert str(refused.value).startswith(f"x.yaml, line {line}: {message}")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n",
        "a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, x: 3}\nd: {<<: [*a, *b]}\ne: *b\n",
        "a: &a {x: 1}\nb: &b {y: 2}\nc: {<<: *a, <<: *b}\n",
        "a: {x: 1}\nb: {x: 1}\n",
        "seed: 0x10\nbig: 1_000\nzero: 0\nless: -0\nhalf: 0.5\nname: '010'\nday: 2026-01-01\n",
        "",
        "- [1, 2]\n- !!set {a, b}\n",
    ],
)
def test_everything_else_is_what_pyyaml_reads(text):
    assert read(text) == yaml.safe_load(text)


def test_no_object_comes_from_a_file():
    with pytest.raises(InputError, match="could not determine a constructor"):
        read("a: !!python/object/apply:os.system [id]\n")
