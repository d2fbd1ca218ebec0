"""What a refusal over a run's files advises ends it: the remedy is applied, and neither it nor another is met."""

import json
from pathlib import Path

import pytest

import vae_rd
from vae_rd import evaluate, fit
from vae_rd.config.names import run_name
from vae_rd.run.folder import KEPT, folder_of

AGAIN = "fit the run again with --overwrite"


@pytest.fixture
def run(toy, tmp_path):
    """The flags of a finished run, and its folder."""
    config = toy(max_epochs=1, name="mine")
    vae_rd.fit_model(config)
    flags = ["--n_train=256", "--hidden=[8]", "--latent_dim=2", "--batch_size=64", "--max_epochs=1", "--wandb=off"]
    assert run_name(config) == "mine"
    return [*flags, "--eval_samples=2", "--lr=1e-2", f"--run_dir={config.run_dir}", "--name=mine"], folder_of(config)


def changed(**fields):
    def change(folder: Path) -> None:
        content = json.loads((folder / "record.json").read_text()) | fields
        kept = {name: value for name, value in content.items() if value is not Ellipsis}
        (folder / "record.json").write_text(json.dumps(kept))

    return change


DAMAGE = {
    "no JSON": lambda folder: (folder / "record.json").write_text("{"),
    "another schema": changed(schema_version=99),
    "a field is missing": changed(metrics=...),
    "a field of another type": changed(seconds="long"),
    "another kept checkpoint": lambda folder: (folder / KEPT).write_bytes(b"another"),
    "no kept checkpoint": lambda folder: (folder / KEPT).unlink(),
    "no kept checkpoint, and a record that knows of none": lambda folder: [
        (folder / KEPT).unlink(),
        changed(files={})(folder),
    ],
    "a damaged one, and a record that knows of none": lambda folder: [
        (folder / KEPT).write_bytes(b"another"),
        changed(files={})(folder),
    ],
}


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
