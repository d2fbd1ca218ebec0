"""The map in CONTRIBUTING.md holds: every module is on it, imports only from above, and is light where it says so."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

HEAVY = ("torch", "lightning", "wandb")
FOR_ANALYSIS = ("vae_rd.units", "vae_rd.theory", "vae_rd.records", "vae_rd.errors")


def the_map() -> dict[str, str]:
    """Module to the heading it stands under, in the order of the list; a package is its `__init__`."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^## The map$.*?^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    heading, modules = "", {}
    for line in filter(None, block.splitlines()):
        if line.startswith("#"):
            heading = line
        else:
            name = line.split()[0]
            modules[qualified(name)] = heading
    return modules


def qualified(name: str) -> str:
    whole = name if name.startswith("analysis.") else f"vae_rd.{name}"
    return whole.removesuffix(".__init__")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MAP = the_map()
ORDER = list(MAP)
# An `__init__` that only marks a folder as a package has nothing to say and is not on the map.
SOURCES = {
    module_of(path): path
    for package in ("vae_rd", "analysis")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.name != "__init__.py" or path.stat().st_size > 0
}


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


def test_the_map_lists_each_module_once():
    assert sorted(ORDER) == sorted(SOURCES)


@pytest.mark.parametrize("module", SOURCES)
def test_imports_come_from_above(module):
    above = set(ORDER[: ORDER.index(module)])
    assert imported(tree_of(module)) <= above


@pytest.mark.parametrize("module", [module for module in SOURCES if module.split(".")[0] == "analysis"])
def test_analysis_knows_records_and_no_more(module):
    core = {name for name in imported(tree_of(module)) if name.startswith("vae_rd")}
    assert all(name.startswith(FOR_ANALYSIS) for name in core), core


def test_modules_that_claim_it_import_nothing_heavy():
    light = [module for module in ORDER if "without torch" in MAP[module]]
    assert {"vae_rd.cli", "analysis.figures"} <= set(light)
    code = f"import sys, vae_rd.fit, {', '.join(light)}; print([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
