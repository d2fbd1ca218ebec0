"""Whole commands against theory: linear beta-VAEs and the toy channel, fitted by `python -m vae_rd.fit`."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from known_answers.table import Row, bracket, close, limit
from vae_rd.run.record import Json
from vae_rd.theory.gaussian import at_squared_error
from vae_rd.theory.linear_vae import LinearOptimum, optimum

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs"
SIX = [8.0, 4.0, 2.0, 1.0, 0.5, 0.25]
WIDE = [100.0, 1.0, 0.5]
TWENTY = [10.0 * 0.7**i for i in range(20)]
SMALL = [3e-4, 1e-4, 5e-5, 2e-5]
# Spectrum, its name, s^2 and betas. At beta = 90 the largest of `SIX` is below beta s^2.
LINEAR = (
    (SIX, "8, 4, 2, 1, .5, .25", 0.1, (0.03, 0.3, 1.0, 3.0, 10.0, 30.0, 90.0)),
    (WIDE, "100, 1, .5", 0.1, (0.3, 1.0)),
    (TWENTY, "20 from 10 to .01", 0.05, (0.3, 3.0)),
    (SMALL, ".0003, .0001, .00005, .00002", 1e-5, (1.0,)),
)
SECONDS = 30.0  # Of a whole command.
TOY_ENTROPY = 2.8970623


def fit(run_dir: Path, *flags: str, overwrite: bool = True) -> tuple[Json, float]:
    """The record that the command leaves, and its seconds from start to end."""
    command = [sys.executable, "-m", "vae_rd.fit", *flags]
    command += ["--run_dir", str(run_dir), "--wandb", "off", *(["--overwrite", "true"] if overwrite else [])]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    return json.loads(Path(done.stdout.strip().splitlines()[-1].removeprefix("record: ")).read_text()), seconds


def relative(one: Json, other: Json) -> float:
    """Relative difference of the test ELBO of two records, or of D where an autoencoder has no rate."""
    a, b = (elbo_or_distortion(record) for record in (one, other))
    return abs(a - b) / abs(a)


def elbo_or_distortion(record: Json) -> float:
    """-ELBO of the test split, nats; D where the rate is undefined."""
    metrics = record["metrics"]["test"]
    elbo, distortion = (metrics[name]["value"] for name in ("elbo", "distortion"))
    return float(distortion if elbo is None else -elbo)


def interrupted(run_dir: Path, *flags: str, epochs: int) -> Json:
    """The record of a fit that gets SIGTERM after so many epochs and goes on by `--resume auto`."""
    named = [*flags, "--name=interrupted", "--resume=auto"]
    command = [sys.executable, "-m", "vae_rd.fit", *named, f"--run_dir={run_dir}", "--wandb=off"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    history = run_dir / "interrupted" / "history.csv"
    while process.poll() is None and _rows(history) < epochs:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 128 + signal.SIGTERM, "it had ended before the signal came"
    return fit(run_dir, *named, overwrite=False)[0]


def _rows(history: Path) -> int:
    return max(0, len(history.read_text().splitlines()) - 1) if history.is_file() else 0


def linear_rows(run_dir: Path) -> Iterator[Row]:
    """R, squared error, I, active units and seconds of every spectrum and beta."""
    for eigenvalues, name, s2, betas in LINEAR:
        for beta in betas:
            record, seconds = fit(
                run_dir,
                f"--config={CONFIGS / 'gaussian_linear.yaml'}",
                f"--beta={beta}",
                f"--gaussian_eigenvalues={json.dumps(eigenvalues)}",
                f"--likelihood_scale={s2**0.5}",
                f"--latent_dim={len(eigenvalues) + 2}",
                "--n_test=400000",
            )
            exact = optimum(eigenvalues, s2=s2, beta=beta, latent_dim=len(eigenvalues) + 2)
            where = f"linear VAE, l = {name}, beta = {beta:g}"
            yield from _linear(where, record["metrics"]["test"], exact, eigenvalues, s2=s2, beta=beta)
            yield limit(f"{where}: seconds of the command", seconds, most=SECONDS, digits=1)


def _linear(
    where: str, test: Json, exact: LinearOptimum, eigenvalues: list[float], *, s2: float, beta: float
) -> Iterator[Row]:
    share = 0.005 if beta >= 0.3 else 0.03
    rate, distortion = test["rate"], test["distortion"]
    within = max(share * exact.rate, 0.01)
    yield close(f"{where}: R", exact.rate, rate["value"], rate["stderr"], within=within, slack=2)
    error = 2 * s2 * (distortion["value"] - 0.5 * len(eigenvalues) * math.log(2 * math.pi * s2))
    within = max(share * exact.squared_error, 0.001 * sum(eigenvalues))
    digits = 4 if sum(eigenvalues) > 1 else 8
    stderr = 2 * s2 * distortion["stderr"]
    yield close(f"{where}: squared error", exact.squared_error, error, stderr, within=within, slack=2, digits=digits)
    low, high = test["mutual_information_lower"], test["mutual_information_upper"]
    yield bracket(f"{where}: I", exact.rate, (low["value"], low["stderr"]), (high["value"], high["stderr"]))
    if not any(0.9 <= beta * s2 / value <= 1.1 for value in eigenvalues):
        yield close(
            f"{where}: active units", exact.active_units, test["active_units"]["value"], None, within=0, digits=0
        )


def toy_rows(run_dir: Path) -> Iterator[Row]:
    """D + R = H along the whole frontier, by tables for q(z|x) and p(x|z)."""
    for beta in (0.1, 0.9):
        record, _ = fit(run_dir, f"--config={CONFIGS / 'toy_channel.yaml'}", f"--beta={beta}", "--n_test=400000")
        elbo = record["metrics"]["test"]["elbo"]
        where = f"toy channel, 30 states, beta = {beta:g}: D + R"
        yield close(where, TOY_ENTROPY, -elbo["value"], elbo["stderr"], within=0.005, slack=2)


def held_rows(run_dir: Path) -> Iterator[Row]:
    """Rates held where every one costs the same, and a distortion of a Gaussian source."""
    for target in (0.0, 0.25, 0.5):  # Said aloud, the default of beta takes the config's place.
        flags = ("--beta=1", f"--target_rate={target}", "--n_test=400000")
        record, _ = fit(run_dir, f"--config={CONFIGS / 'toy_channel.yaml'}", *flags)
        rate, elbo = record["metrics"]["test"]["rate"], record["metrics"]["test"]["elbo"]
        where = f"toy channel, 30 states, R = {target:g} asked"
        yield close(f"{where}: R", target, rate["value"], rate["stderr"], within=max(0.02 * target, 0.02))
        yield close(f"{where}: D + R", TOY_ENTROPY, -elbo["value"], elbo["stderr"], within=0.001, slack=2)
    yield from _distortion_rows(run_dir, squared_error=1.75, s2=0.1)


def _distortion_rows(run_dir: Path, *, squared_error: float, s2: float) -> Iterator[Row]:
    """R beside Shannon's at the D that came out, and -dD/dR."""
    constant = 0.5 * len(SIX) * math.log(2 * math.pi * s2)
    target = squared_error / (2 * s2) + constant
    flags = (f"--config={CONFIGS / 'gaussian_linear.yaml'}", f"--target_distortion={target}", "--n_test=50000")
    record, _ = fit(run_dir, *flags)
    test, where = record["metrics"]["test"], f"linear VAE, l = {LINEAR[0][1]}, squared error {squared_error:g} asked"
    found = 2 * s2 * (test["distortion"]["value"] - constant)
    exact = at_squared_error(SIX, squared_error=found)
    yield close(f"{where}: squared error", squared_error, found, 2 * s2 * test["distortion"]["stderr"], within=0.02)
    rate = test["rate"]
    yield close(f"{where}: R, and Shannon's at that error", exact.rate, rate["value"], rate["stderr"], within=0.024)
    yield close(f"{where}: -dD/dR", exact.level / s2, record["model"]["achieved_slope"], None, within=0.05)
