"""A data set handed over as flags, checked against its truth, and fitted for one step to check D and R."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from opening.by_hand import Truth, check_run, check_stored, check_values
from opening.cases import called, ensure
from vae_rd.config.cli import parse
from vae_rd.data.description import described
from vae_rd.experiment import build
from vae_rd.run.folder import check_data_file, check_unread

STEP = ("--max_steps=1", "--batch_size=4", "--latent_dim=2", "--lr=0.05", "--wandb=off", "--name=mine")
LAYERS = (
    ("--encoder=linear", "--decoder=linear"),
    ("--hidden=[4]",),
    ("--encoder=mlp", "--decoder=linear", "--hidden=[3]"),
)


def settings_of(rng: np.random.Generator, truth: Truth) -> list[str]:
    """Flags that change what x is, drawn from those that make sense."""
    asked = [f"--data_seed={rng.integers(3)}"] if not truth.parts or rng.random() < 0.3 else []
    if truth.levels is not None and truth.levels > 2:
        asked += [[], ["--binarization=static"], ["--binarization=dynamic"], ["--dequantize=uniform"], []][
            rng.integers(5)
        ]
    if rng.random() < 0.15:
        asked += ["--n_train=12"]
    return asked


def handed_over(
    fit: Callable[[Sequence[str]], int],
    argv: Sequence[str],
    *,
    truth: Truth | None = None,
    rng: np.random.Generator | None = None,
    is_fitted: bool = True,
) -> None:
    """Give flags to the command, or only to what builds its data; what is taken must be the truth.

    Raises:
        InputError: where it is refused.
    """
    if truth is None or rng is None:
        called(fit, [*argv, *STEP])
        return
    config = parse(argv).config
    check_unread(config)
    check_data_file(config)
    data = build.build_data(config)
    line = described(data)
    ensure("\n" not in line and (truth.levels is None or f"read as {truth.levels} levels" in line), f"it says: {line}")
    ensure(truth.levels is not None or "real values" in line, f"it says: {line}")
    check_stored(data, truth)
    check_values(data)
    if not is_fitted:
        return
    likelihood = "bernoulli" if data.card.support == "binary" else "gaussian"
    scale = [f"--likelihood_scale={rng.choice([0.1, 0.5, 2.0])}"] if likelihood == "gaussian" else []
    layers = LAYERS[rng.integers(len(LAYERS))]
    samples = f"--eval_samples={rng.integers(1, 30)}"
    printed = called(fit, [*argv, *STEP, f"--likelihood={likelihood}", *scale, *layers, samples])
    ensure(printed.startswith(line + "\n"), f"the fit begins with {printed.splitlines()[0]}, not with {line}")
    check_run(Path("runs/mine"), data)
