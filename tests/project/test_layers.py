"""The map in CONTRIBUTING.md holds: every folder is on it, imports only from below, and is light where it says so."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from helpers.common import ROOT

HEAVY = ("torch", "lightning", "wandb")
FOR_ANALYSIS = tuple(
    f"vae_rd.{name}"
    for name in ("units", "theory", "run.record", "run.files", "run.finding", "verdicts", "errors", "config.options")
)


def the_map() -> dict[str, str]:
    """Folder or module to what its line says, in the order of the list."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^## The map$.*?^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return dict(line.split(maxsplit=1) for line in block.splitlines() if line)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MAP = the_map()
ORDER = list(MAP)
# An `__init__` that only marks a folder as a package has nothing to say.
SOURCES = {
    module_of(path): path
    for package in ("vae_rd", "analysis")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.name != "__init__.py" or path.stat().st_size > 0
}


def layer(module: str) -> str:
    """The line of the map that a module stands in: its own, else that of its folder."""
    parts = module.split(".")
    names = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    found = next(name for name in names if name in MAP)
    assert found != "vae_rd" or module == "vae_rd", f"{module}: not on the map"
    return found


def imported(tree: ast.AST) -> set[str]:
    """The project's modules that the tree imports, anywhere in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the import from the package's root"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {member if member in SOURCES else str(node.module) for member in members}
    return {name for name in names if name.split(".")[0] in ("vae_rd", "analysis")}


def is_for_type_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def tree_of(module: str) -> ast.Module:
    """The module's syntax; a package hands out names from below, which only type checkers import."""
    tree = ast.parse(SOURCES[module].read_text(encoding="utf-8"))
    if SOURCES[module].name == "__init__.py":
        tree.body = [node for node in tree.body if not is_for_type_checkers(node)]
    return tree


def test_the_map_lists_what_is_there():
    assert sorted({layer(module) for module in SOURCES}) == sorted(ORDER)


@pytest.mark.parametrize("module", SOURCES)
def test_imports_come_from_below(module):
    below = set(ORDER[ORDER.index(layer(module)) :])
    above = {name for name in imported(tree_of(module)) if layer(name) not in below}
    assert not above


def test_no_module_imports_itself_by_way_of_others():
    graph = {module: imported(tree_of(module)) & SOURCES.keys() for module in SOURCES}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", [module for module in SOURCES if module.split(".")[0] == "analysis"])
def test_analysis_knows_records_and_no_more(module):
    core = {name for name in imported(tree_of(module)) if name.startswith("vae_rd")}
    assert all(name.startswith(FOR_ANALYSIS) for name in core), core


def test_the_root_is_small():
    entries = [path for path in (ROOT / "vae_rd").iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 25


def test_modules_that_claim_it_import_nothing_heavy():
    light = [module for module in SOURCES if "without torch" in MAP[layer(module)]]
    assert {"vae_rd.config.cli", "analysis.figures.plane"} <= set(light)
    code = f"import sys, vae_rd.fit, {', '.join(light)}; print([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
