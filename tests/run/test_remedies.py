"""What a refusal over a run's files advises ends it: the remedy is applied, and neither it nor another is met."""

import pytest

import vae_rd
from vae_rd import evaluate, fit
from vae_rd.config.names import run_name
from vae_rd.run.folder import folder_of

from walk.runs import DAMAGE

AGAIN = "fit the run again with --overwrite"


@pytest.fixture
def run(toy, tmp_path):
    """The flags of a finished run, and its folder."""
    config = toy(max_epochs=1, name="mine")
    vae_rd.fit_model(config)
    flags = ["--n_train=256", "--hidden=[8]", "--latent_dim=2", "--batch_size=64", "--max_epochs=1", "--wandb=off"]
    assert run_name(config) == "mine"
    return [*flags, "--eval_samples=2", "--lr=1e-2", f"--run_dir={config.run_dir}", "--name=mine"], folder_of(config)


@pytest.mark.slow
@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_run_is_measured_again_once_it_is_fitted_again_as_advised(run, case, capsys):
    """--resume auto would meet the same line, or say that the run is finished."""
    flags, folder = run
    DAMAGE[case](folder)
    capsys.readouterr()
    assert evaluate.main([str(folder)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(AGAIN)
    assert fit.main([*flags, "--overwrite"]) == 0
    assert evaluate.main([str(folder)]) == 0
