"""Threads and notebooks: fits at the same time, and Ctrl-C during the first import."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import vae_rd
from vae_rd.config.fields import FitConfig
from vae_rd.experiment.loading import open_run, precision_of
from vae_rd.run.folder import folder_of
from vae_rd.run.record import RunRecord

from helpers.common import ROOT


def of(name: str, precision: str, toy, **changes) -> FitConfig:
    return toy(name=f"{name}-{precision}", precision=precision, max_epochs=4, **changes)


@pytest.mark.slow
def test_fits_of_two_threads_and_precisions_are_those_of_one(toy, capsys):
    alone = {p: vae_rd.fit_model(of("alone", p, toy)) for p in ("32", "64")}
    streams = sys.stdout, sys.stderr
    with ThreadPoolExecutor(4) as pool:
        configs = [of(name, p, toy) for name in ("a", "b") for p in ("32", "64")]
        together = list(pool.map(vae_rd.fit_model, configs))
    for config, record in zip(configs, together, strict=True):
        assert record.metrics == alone[config.precision].metrics
        state = torch.load(folder_of(config) / "checkpoints/kept.ckpt", weights_only=True)["state_dict"]
        dtypes = {value.dtype for value in state.values() if value.is_floating_point()}
        assert dtypes == {torch.float64 if config.precision == "64" else torch.float32}
    assert torch.get_default_dtype() == torch.float32
    assert (sys.stdout, sys.stderr) == streams
    assert capsys.readouterr().err.count("waiting for another thread of this process") == 3


def test_runs_are_opened_in_their_own_precision_while_another_is_at_work(toy):
    configs = [of("run", p, toy) for p in ("32", "64")]
    for config in configs:
        vae_rd.fit_model(config)
    ready, opened = threading.Barrier(2), []

    def open_it() -> None:
        ready.wait()
        opened.append(open_run(folder_of(configs[1])))

    thread = threading.Thread(target=open_it)
    thread.start()
    with precision_of(configs[0]):
        ready.wait()
        for _ in range(100):
            assert torch.zeros(1).dtype == torch.float32
            assert not opened
        open_run(folder_of(configs[0]))  # In the thread that is inside already.
    thread.join(60)
    assert {p.dtype for p in opened[0].model.parameters()} == {torch.float64}
    assert torch.get_default_dtype() == torch.float32


def test_two_threads_that_ask_for_the_same_run_get_one(toy):
    config = of("same", "32", toy, resume="auto")
    with ThreadPoolExecutor(2) as pool:
        records = list(pool.map(vae_rd.fit_model, [config, config]))
    assert records[0].metrics == records[1].metrics
    assert RunRecord.read(folder_of(config)).status == "finished"


def test_an_error_lets_the_next_thread_in(toy):
    with pytest.raises(ZeroDivisionError), precision_of(of("x", "64", toy)):
        raise ZeroDivisionError
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(vae_rd.fit_model, of("y", "32", toy)).result(60).status == "finished"


INTERRUPTED = """
import signal, sys, threading
import vae_rd

class During:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy.linalg" and During in map(type, sys.meta_path):
            sys.meta_path.remove(during)
            signal.raise_signal(signal.{signum})

during = During()
sys.meta_path.insert(0, during)
try:
    vae_rd.fit_model
except KeyboardInterrupt:
    print("interrupted")
import torch
print(torch.zeros(2).numpy().tolist(), vae_rd.fit_model.__name__, signal.getsignal(signal.SIGINT).__name__)
"""


@pytest.mark.slow
@pytest.mark.parametrize("signum", ["SIGINT", "SIGTERM"])
def test_ctrl_c_during_a_notebook_s_first_import_waits_for_its_end(signum):
    """Half of NumPy can't be imported a second time; SIGTERM ends the process, as it does elsewhere in a notebook."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(signum=signum)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if signum == "SIGTERM":
        assert done.returncode == -signal.SIGTERM
        return
    assert done.stdout.splitlines() == ["interrupted", "[0.0, 0.0] fit_model default_int_handler"], done.stderr
    assert done.stderr == ""


@pytest.mark.slow
def test_a_name_asked_for_in_another_thread_is_imported_as_well():
    """Where Python takes no signals, there is nothing to wait for."""
    script = "import threading, vae_rd; found = []\n"
    script += (
        "thread = threading.Thread(target=lambda: found.append(vae_rd.FitConfig)); thread.start(); thread.join()\n"
    )
    script += "print(found[0].__name__)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("FitConfig\n", "")
