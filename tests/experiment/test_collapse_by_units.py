"""Posterior collapse of the linear VAE, unit by unit, at beta = l_i / s^2; the verdict names the units that are off."""

import pytest

import vae_rd
from vae_rd.config.cli import parse
from vae_rd.verdicts.collapse import collapse_words

EIGENVALUES, SCALE = (8.0, 3.0, 1.0), 0.5


def fitted(beta: float, runs, *, from_below: bool):
    flags = ["--data=gaussian", f"--gaussian_eigenvalues={list(EIGENVALUES)}", "--encoder=linear", "--decoder=linear"]
    flags += ["--likelihood=gaussian", f"--likelihood_scale={SCALE}", f"--latent_dim={len(EIGENVALUES)}"]
    flags += [f"--beta={beta}", "--max_epochs=30", "--val_every=30"]
    if from_below:  # By default from above, and a unit just under its beta takes thousands of steps to grow.
        flags += [f"--beta_start={beta / 3}", "--beta_warmup=1000"]
    flags += ["--n_test=2000", "--information_examples=1000", "--wandb=off"]
    return vae_rd.fit_model(parse([*flags, f"--run_dir={runs}"]).config)


@pytest.mark.slow
@pytest.mark.parametrize("unit", range(len(EIGENVALUES)))
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_unit_is_on_below_its_beta_and_off_above(unit, factor, tmp_path):
    level = factor * EIGENVALUES[unit]  # beta s^2, of which units with a larger eigenvalue are on.
    record = fitted(level / SCALE**2, tmp_path, from_below=factor < 1)
    verdict, test = record.verdicts["collapse"], record.metrics["test"]
    rates = test["rate_per_dim"]["value"]
    off = sorted(range(len(rates)), key=lambda d: rates[d])[: sum(value <= level for value in EIGENVALUES)]
    assert all(rates[d] < 0.005 if d in off else rates[d] > 0.02 for d in range(len(rates))), rates
    assert verdict["units"]["collapsed"] == sorted(off)
    state = "healthy" if not off else "collapsed" if len(off) == len(rates) else "partially_collapsed"
    assert verdict["state"] == state, collapse_words(verdict)
    if state == "partially_collapsed":
        named = ", ".join(str(d) for d in sorted(off))
        assert collapse_words(verdict).startswith(f"partially collapsed: unit{'s' * (len(off) > 1)} {named} off; ")
