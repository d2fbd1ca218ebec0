"""Imports and the end of a command search for no garbage, and a process goes on searching after them as before."""

import gc
import subprocess
import sys
from contextlib import nullcontext

import pytest

from vae_rd.process.imports import whole_imports

from helpers.common import ROOT

AT_THE_END = """
import atexit, gc
from vae_rd.process.command import run_command

atexit.register(lambda: print("at the end", gc.get_freeze_count() > 0))
for _ in range(2):
    run_command(lambda: [], goes_on="")
print("before", gc.get_freeze_count() > 0)
"""


def imports(fault):
    with whole_imports():
        assert not gc.isenabled()
        if fault:
            raise ImportError("half a library")


@pytest.mark.parametrize("searches", [True, False])
@pytest.mark.parametrize("fault", [True, False])
def test_imports_search_for_no_garbage_and_leave_the_search_as_it_was(searches, fault):
    (gc.enable if searches else gc.disable)()
    try:
        with pytest.raises(ImportError) if fault else nullcontext():
            imports(fault)
        assert gc.isenabled() is searches
    finally:
        gc.enable()


def test_a_command_ends_without_a_search_through_what_it_has_imported():
    run = subprocess.run([sys.executable, "-c", AT_THE_END], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split("\n") == ["before False", "at the end True", ""]
