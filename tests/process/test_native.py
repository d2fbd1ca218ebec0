"""How the C libraries below torch are set, unless the user has said how."""

import os
import subprocess
import sys

import pytest

from vae_rd.process.imports import whole_imports
from vae_rd.process.native import SPINS

FAULTS = """
import resource, sys
from vae_rd.process.native import keep_freed_memory
if sys.argv[1:]:
    keep_freed_memory()
for _ in range(10):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = b"x" * 2**26
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*words: str, **environment: str) -> int:
    """New pages of the last of ten blocks of 64 MiB that are made and freed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, *words], env=inherited | environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_what_is_freed_is_used_again_unless_the_user_has_said_how():
    usual = faults()
    if usual < 100:
        pytest.skip("this C library keeps it by itself")
    assert faults("keep") < usual / 10
    assert faults("keep", MALLOC_MMAP_THRESHOLD_=str(2**20)) > usual / 2


@pytest.mark.parametrize(
    ("given", "found"),
    [({}, str(SPINS)), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)],
)
def test_threads_wait_briefly_unless_the_user_has_said_how(given, found, monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # So that it is put back.
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with whole_imports():
        assert os.environ.get("GOMP_SPINCOUNT") == found
