"""`python -m vae_rd.fit` as a user meets it: exit codes, one line of error, nothing written on bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vae_rd.fit import main
from vae_rd.verdicts.collapse import collapse_lines

from helpers.common import ROOT, TOY

BAD = {
    "unknown flag": (["--bta", "4"], "unknown flag --bta"),
    "negative beta": (["--beta", "-1"], "--beta -1.0"),
    "beta nan": (["--beta", "nan"], "--beta nan"),
    "unknown data": (["--data", "cifar"], "--data cifar"),
    "grey mismatch": (["--data", "npz", "--data_file", "grey.npz", "--batch_size", "8"], "--likelihood bernoulli"),
    "misspelt key": (["--config", "typo.yaml"], "unknown key latent_dims"),
    "cut short": (["--data", "mnist", "--data_dir", "."], "train-images-idx3-ubyte.gz"),
    "pickled npz": (["--data", "npz", "--data_file", "pickled.npz"], "pickled.npz"),
    "no such file": (["--data", "npz", "--data_file", "none.npz"], "none.npz"),
    "existing run": (["--name", "mine"], "this run exists"),
    "run_dir is a file": (["--run_dir", "typo.yaml"], "nothing can be written in"),
    "run is a file": (["--run_dir", ".", "--name", "typo.yaml", "--overwrite"], "is no folder of its own"),
    "run is a link": (["--run_dir", ".", "--name", "link", "--overwrite"], "is no folder of its own"),
    "resumed record damaged": (["--name", "mine", "--resume", "auto"], "damaged, it lacks"),
    "too large": (["--posterior", "full", "--latent_dim", "2147483647"], "too large for memory"),
    "too wide": (["--latent_dim", "1000000000000"], "the most it can be is 2147483647"),
    "config is a folder": (["--config", "runs"], "--config runs: cannot be read"),
    "batch too large": (["--batch_size", "9999"], "--batch_size 9999"),
}


def make_bad_files(folder: Path) -> None:
    np.savez(folder / "grey.npz", images=np.arange(40 * 16, dtype=np.uint8).reshape(40, 4, 4))
    np.savez(folder / "pickled.npz", images=np.array([{"a": 1}], dtype=object))
    (folder / "typo.yaml").write_text("latent_dims: 3\n")
    (folder / "mnist").mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / "mnist" / f"{name}-ubyte.gz").write_bytes(b"\x1f\x8b\x08\x00cut")
    (folder / "runs" / "mine").mkdir(parents=True)
    record = {"schema_version": 1}
    (folder / "runs" / "mine" / "record.json").write_text(json.dumps(record))
    (folder / "link").symlink_to(folder / "runs", target_is_directory=True)


def listing(folder: Path) -> set[tuple[str, int]]:
    return {(str(p), p.stat().st_mtime_ns) for p in folder.rglob("*") if "__pycache__" not in p.parts}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_exit_2_and_nothing_written(case, tmp_path, monkeypatch, capsys):
    make_bad_files(tmp_path)
    before = listing(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAE_RD_DATA", str(tmp_path))
    arguments, message = BAD[case]
    code = main([*arguments, "--wandb", "off"])
    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert listing(tmp_path) == before


def test_bad_input_from_the_shell(command, tmp_path):
    done = command("vae_rd.fit", "--beta", "-1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --beta -1.0: the least it can be is 0\n"
    assert list(tmp_path.iterdir()) == []


def test_a_fit_prints_its_numbers_and_the_path_of_its_record(command, tmp_path):
    done = command("vae_rd.fit", "--beta", "4", "--max_epochs", "2", *TOY)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    *lines, last = done.stdout.splitlines()
    record = json.loads((tmp_path / last.removeprefix("record: ")).read_text())
    assert collapse_lines(record["verdicts"]["collapse"])[0] in lines
    assert record["command"].startswith("python -m vae_rd.fit --beta 4")
    assert record["status"] == "finished"
    assert f"{record['metrics']['test']['distortion']['value']:.3f}" in done.stdout
    assert "cap ln N" in done.stdout


def test_version_and_print_config(command):
    from vae_rd import __version__

    assert command("vae_rd.fit", "--version").stdout == f"vae_rd {__version__}\n"
    assert "beta: 4.0" in command("vae_rd.fit", "--beta", "4", "--print_config").stdout


def ended(words: list[str], folder: Path, signum: int) -> tuple[int, str]:
    """The exit code and the errors of a fit that gets a signal once it has gone on by an epoch."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "vae_rd.fit", *words], cwd=folder.parent.parent, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    last, deadline = folder / "checkpoints" / "last.ckpt", time.monotonic() + 60
    before = last.stat().st_mtime_ns if last.exists() else 0
    while not last.exists() or last.stat().st_mtime_ns == before:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signum)
    errors = process.communicate(timeout=60)[1]
    return process.returncode, errors


def rows_of(folder: Path) -> int:
    return len((folder / "history.csv").read_text().splitlines()) - 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "endings", [{signal.SIGTERM: 143, signal.SIGINT: 130}, {signal.SIGUSR1: 138, signal.SIGHUP: 129}]
)
def test_signals_end_a_run_cleanly_and_it_goes_on(endings, tmp_path, monkeypatch):
    """By one signal, and going on by another, and then to its end."""
    words, folder = [*TOY, "--max_epochs", "40", "--name", "mine", "--resume", "auto"], tmp_path / "runs" / "mine"
    rows = 0
    for signum, expected in endings.items():
        code, errors = ended(words, folder, signum)
        assert code == expected
        assert errors.count("\n") == 1
        assert "--resume auto" in errors
        assert json.loads((folder / "record.json").read_text())["status"] == "interrupted"
        assert rows < (rows := rows_of(folder)) < 40
    monkeypatch.chdir(tmp_path)
    assert main(words) == 0
    assert rows_of(folder) == 40


@pytest.mark.parametrize("under_agent", [False, True])
def test_sigterm_under_an_agent_ends_by_the_signal_itself(under_agent, command):
    script = "import os, signal, sys; from vae_rd import fit, experiment\n"
    script += "fit._fit = lambda config: os.kill(os.getpid(), signal.SIGTERM)\n"
    script += "sys.exit(fit.main(['--wandb', 'off']))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | ({"WANDB_SWEEP_ID": "abc"} if under_agent else {})
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == (-signal.SIGTERM if under_agent else 143)
