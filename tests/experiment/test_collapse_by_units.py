"""Posterior collapse of the linear VAE, unit by unit, at beta = l_i / s^2; the verdict names the units that are off."""

import math

import pytest

import vae_rd
from vae_rd.config.cli import parse
from vae_rd.verdicts.collapse import collapse_words

EIGENVALUES, SCALE = (8.0, 3.0, 1.0), 0.5


def fitted(beta: float, runs):
    flags = ["--data=gaussian", f"--gaussian_eigenvalues={list(EIGENVALUES)}", "--encoder=linear", "--decoder=linear"]
    flags += ["--likelihood=gaussian", f"--likelihood_scale={SCALE}", f"--latent_dim={len(EIGENVALUES)}"]
    flags += [f"--beta={beta}", "--val_every=50", "--n_test=2000", "--information_examples=1000", "--wandb=off"]
    return vae_rd.fit_model(parse([*flags, f"--run_dir={runs}"]).config)


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "unit"), [(0.9, 1), (1.1, 1), (0.9, 2)])
def test_a_unit_is_on_below_its_beta_and_off_above(factor, unit, tmp_path):
    """By the defaults, which come from above the collapse; docs/collapse.md has all six."""
    level = factor * EIGENVALUES[unit]  # beta s^2, of which units with a larger eigenvalue are on.
    record = fitted(level / SCALE**2, tmp_path)
    verdict, test = record.verdicts["collapse"], record.metrics["test"]
    rates = test["rate_per_dim"]["value"]
    exact = [max(0.0, 0.5 * math.log(value / level)) for value in EIGENVALUES]
    assert sorted(rates, reverse=True) == pytest.approx(exact, abs=0.02)
    off = [d for d, rate in enumerate(rates) if rate < 0.005]
    assert len(off) == exact.count(0.0)
    assert verdict["units"]["collapsed"] == off
    assert verdict["state"] == ("partially_collapsed" if off else "healthy"), collapse_words(verdict)
    if off:
        named = ", ".join(map(str, off))
        assert collapse_words(verdict).startswith(f"partially collapsed: unit{'s' * (len(off) > 1)} {named} off; ")
