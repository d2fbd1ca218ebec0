"""What the documents say, held against the code: versions, dates, and every command they show."""

import re
import shlex
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from analysis.__main__ import parser
from vae_rd import __version__
from vae_rd.beta import parser as beta_parser
from vae_rd.config.cli import parse
from vae_rd.experiment.options import parser as evaluate_parser
from vae_rd.explore.__main__ import parser as explore_parser
from vae_rd.generate import parser as generate_parser
from vae_rd.launch.options import parse as parse_sweep
from vae_rd.launch.points.plan import plan
from vae_rd.launch.suggestion import parse as parse_suggestion

from helpers.common import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PARSERS = {
    "vae_rd.fit": parse,
    "vae_rd.sweep": lambda words: parse_suggestion(words) if "--suggest" in words else plan(parse_sweep(words)[1]),
    "vae_rd.evaluate": lambda words: evaluate_parser().parse_args(words),
    "vae_rd.generate": lambda words: generate_parser().parse_args(words),
    "vae_rd.explore": lambda words: explore_parser().parse_args(words),
    "vae_rd.beta": lambda words: beta_parser().parse_args(words),
    "analysis": lambda words: parser().parse_args(words),
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def citation():
    return yaml.safe_load(read("CITATION.cff"))


@pytest.fixture(scope="module")
def project():
    return tomllib.loads(read("pyproject.toml"))


def test_one_version_everywhere(citation, project):
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "vae_rd.__version__"}
    assert citation["version"] == __version__


def test_changelog_has_the_release_that_is_cited(citation):
    releases = re.findall(r"^## \[(\d\S*)\] - (\S+)$", read("CHANGELOG.md"), re.MULTILINE)
    assert releases[0] == (citation["version"], str(citation["date-released"]))


def test_one_name_and_one_license(citation, project):
    assert citation["title"].split(":")[0] == project["project"]["name"] == "vae_rd"
    assert citation["license"] == project["project"]["license"] == "Apache-2.0"
    assert read("LICENSE").split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert f"Copyright {citation['date-released'].year} the vae_rd authors" in read("LICENSE")


def test_constraints_pin_every_requirement_within_its_range(project):
    pins = dict(line.split("==") for line in read("constraints.txt").splitlines() if not line.startswith("#"))
    extras = project["project"]["optional-dependencies"]
    listed = map(
        Requirement, [*project["project"]["dependencies"], *(line for lines in extras.values() for line in lines)]
    )
    for requirement in (requirement for requirement in listed if requirement.name != "vae_rd"):
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement.name


def commands_in(text: str) -> list[tuple[str, list[str]]]:
    """Program and arguments of each command of ours on a line, in a recipe or in a loop, whose variable reads as 1."""
    pattern = rf"(?:^|[\s/])python -m ({'|'.join(PARSERS)})\b([^`;|&>\n]*)"
    found = re.findall(pattern, re.sub(r"\$\w+", "1", text.replace("\\\n", " ")), re.MULTILINE)
    return [(program, shlex.split(words, comments=True)) for program, words in found]


def test_make_demo_runs_commands_that_parse():
    recipe = subprocess.run(["make", "--dry-run", "demo"], cwd=ROOT, capture_output=True, text=True, check=True)
    commands = commands_in(recipe.stdout)
    assert [program for program, _ in commands] == ["vae_rd.sweep"] + ["analysis"] * 5
    for program, words in commands:
        PARSERS[program](words)


@pytest.mark.parametrize(
    ("target", "installed"),
    [("demo", "-e ."), ("test", "-e '.[dev]'"), ("test-slow", "-e '.[dev]'"), ("lint", "-e '.[dev]'")],
)
def test_targets_install_what_they_need(target, installed, tmp_path):
    dry_run = ["make", "--dry-run", target, f"VENV={tmp_path / 'none'}"]
    recipe = subprocess.run(dry_run, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = (line for line in recipe.stdout.splitlines() if " -m pip install " in line)
    assert line.endswith(f" {installed}")


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").rglob("*.png")), ids=lambda path: path.name)
def test_a_picture_that_says_how_it_was_made_names_no_folder_of_one_machine(picture):
    words = shlex.split(Image.open(picture).info.get("Description", ""))
    assert not [word for word in words if word.startswith(("/", "~"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_parse(document, monkeypatch):
    monkeypatch.chdir(ROOT)
    for program, words in commands_in(document.read_text(encoding="utf-8")):
        if "--help" not in words:
            PARSERS[program](words)


def test_the_readme_shows_how_to_fit_and_draw():
    shown = {program for program, _ in commands_in(read("README.md"))}
    assert shown == set(PARSERS)


def test_the_sweep_files_of_the_page_are_some(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = re.findall(r"```yaml\n(.*?)```", read("docs/sweeps.md"), re.DOTALL)
    assert len(found) == 2
    for content in found:
        (tmp_path / "mine.yaml").write_text(content)
        PARSERS["vae_rd.sweep"]([str(tmp_path / "mine.yaml")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_command_in_a_document_writes_over_a_file_of_this_repository(document):
    outputs = re.findall(r"\s-o\s+([\w./-]*\w)", document.read_text(encoding="utf-8"))
    assert not [output for output in outputs if (ROOT / output).exists()]


@pytest.mark.parametrize("left", ["lightning_logs/version_0/metrics.csv", "checkpoints/epoch=1.ckpt", "runs/a/x.json"])
def test_git_ignores_what_the_snippets_leave(left, tmp_path):
    (tmp_path / ".gitignore").write_text(read(".gitignore"))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert subprocess.run(["git", "check-ignore", "-q", left], cwd=tmp_path).returncode == 0
