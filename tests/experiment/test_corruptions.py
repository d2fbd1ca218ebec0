"""Damaged files of runs and data sets: refused in one line, or the very numbers of the undamaged ones.

Each case damages one file of a finished run, of an interrupted one, or of a data set, and then does all that can be
done with it. VAE_RD_CORRUPTIONS sets the number of cases; `benchmarks/faults.py --corruptions 200` runs that many.

A record is a text for people to read and to edit, so it has no checksum of its own: a record with a digit changed, or
another run's in its place, is taken at its word. It is only held to be readable or refused, and its run's weights to be
the very ones or refused.
"""

import gzip
import hashlib
import os
import pickle
import random
import shutil
import signal
import struct
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.rows.histories import load_histories
from analysis.rows.runs import load_runs
from vae_rd.config.fields import FitConfig
from vae_rd.data.fetch import RemoteFile, fetch
from vae_rd.data.files import npz
from vae_rd.data.readers import read_amat, read_idx
from vae_rd.errors import InputError, Interrupted
from vae_rd.experiment import build
from vae_rd.experiment.fitting import fit_model
from vae_rd.experiment.loading import load, open_run
from vae_rd.metrics.split import evaluate_split
from vae_rd.run.files import CONFIG_FILE, HISTORY_FILE, RECORD_FILE
from vae_rd.run.folder import KEPT, LAST
from vae_rd.run.record import SPLITS, RunRecord

CASES = int(os.environ.get("VAE_RD_CORRUPTIONS", "40"))
REFUSED = "refused"


class Attack:
    """Unpickling this would create a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.trace), "w")


def truncate(path: Path, other: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def flip(path: Path, other: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def swap(path: Path, other: Path, rng: random.Random) -> None:
    path.write_bytes(other.read_bytes())


def to_pickle(path: Path, other: Path, rng: random.Random) -> None:
    path.write_bytes(pickle.dumps(Attack(path.with_name("trace"))))


def empty(path: Path, other: Path, rng: random.Random) -> None:
    path.write_bytes(b"")


def remove(path: Path, other: Path, rng: random.Random) -> None:
    path.unlink()


def to_folder(path: Path, other: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def unreadable(path: Path, other: Path, rng: random.Random) -> None:
    """A link to itself: unlike one without permission, root cannot open it either."""
    path.unlink()
    path.symlink_to(path.name)


DAMAGES = (truncate, flip, swap, to_pickle, empty, remove, to_folder, unreadable)
FILES = {
    "finished": (RECORD_FILE, HISTORY_FILE, CONFIG_FILE, KEPT, LAST, "data.npz"),
    "interrupted": (RECORD_FILE, HISTORY_FILE, CONFIG_FILE, KEPT, LAST, "data.npz"),
    "data set": ("images.gz", "table.amat"),
}
KINDS = [(subject, file, damage) for subject, files in FILES.items() for file, damage in product(files, DAMAGES)]
ORDER = random.Random(4).sample(KINDS, len(KINDS))
DRAWN = [(case, *ORDER[case % len(KINDS)]) for case in range(CASES)]


class Stage(NamedTuple):
    """Runs `finished` and `interrupted`, data and, in `other`, the same made from another seed; and what is true."""

    place: Path
    config: FitConfig
    truth: dict[str, Any]


def make_stage(place: Path, *, seed: int, patch: pytest.MonkeyPatch) -> FitConfig:
    place.mkdir()
    rng = np.random.default_rng(seed)
    np.savez(place / "data.npz", images=rng.integers(0, 2, (60, 4, 4), np.uint8))
    header = b"\0\0\x08\x03" + struct.pack(">3I", 20, 4, 4)
    (place / "images.gz").write_bytes(gzip.compress(header + rng.integers(0, 256, (20, 4, 4), np.uint8).tobytes()))
    rows = [" ".join(map(str, row)) + " \n" for row in rng.integers(0, 2, (20, 16))]
    (place / "table.amat").write_text("".join(row.replace(" \n", "\n") for row in rows))
    toy = {"hidden": [8], "latent_dim": 2, "batch_size": 12, "max_epochs": 3, "eval_samples": 2, "lr": 1e-2}
    config = FitConfig(
        **toy, data="npz", data_file="data.npz", run_dir="runs", name="finished", wandb="off", seed=seed, resume="auto"
    )
    patch.chdir(place)
    fit_model(config)
    with patch.context() as armed:
        interrupt(armed, after=9)
        with pytest.raises(Interrupted):
            fit_model(replace(config, name="interrupted"))
    return config


def interrupt(patch: pytest.MonkeyPatch, *, after: int) -> None:
    """Let a signal come in the third of three epochs."""
    build_module, steps = build.build_module, iter(range(1, 100))

    def with_signal(*args: Any, after_step: Callable[[], None], **kwargs: Any) -> Any:
        def raise_then_check() -> None:
            if next(steps) == after:
                signal.raise_signal(signal.SIGTERM)
            after_step()

        return build_module(*args, after_step=raise_then_check, **kwargs)

    patch.setattr(build, "build_module", with_signal)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("corruptions")
    with pytest.MonkeyPatch.context() as patch:
        make_stage(root / "other", seed=1, patch=patch)
        config = make_stage(root / "mine", seed=0, patch=patch)
        shutil.copytree(root / "mine", root / "copy")
        patch.chdir(root / "copy")
        truth = {subject: found(subject, config) for subject in FILES}
        assert not any(REFUSED in numbers.values() for numbers in truth.values())
        return Stage(root, config, truth)


def answer(question: Callable[[], Any]) -> Any:
    """What a question is answered with: a value, or REFUSED for an InputError of one line; no other error is caught."""
    try:
        return question()
    except InputError as refusal:
        line = str(refusal)
    assert line.isprintable()
    return REFUSED


def metrics(record: RunRecord) -> dict[str, Any]:
    return {f"{s}/{name}": entry["value"] for s in SPLITS for name, entry in record.metrics[s].items()}


def reevaluated(folder: Path) -> dict[str, Any]:
    """D, R and the rest on every split, measured anew."""
    run = open_run(folder)
    record = RunRecord("", "", {}, {})
    for split in SPLITS:
        record.metrics[split] = evaluate_split(
            run.model, run.data, split, slope=run.slope, seed=run.config.seed, samples=run.config.eval_samples
        )
    return metrics(record)


def found(subject: str, config: FitConfig) -> dict[str, Any]:
    """All that can be asked of a subject in the working directory, with its answer."""
    folder = Path("runs") / subject
    if subject == "data set":
        return {
            "idx": answer(lambda: read_idx(published("images.gz")).tolist()),
            "amat": answer(lambda: read_amat(published("table.amat"), columns=16).tolist()),
        }
    asked = {"resumed": answer(lambda: metrics(fit_model(replace(config, name=subject))))}
    if subject == "interrupted":
        return asked | {"history": asked["resumed"] and (answer(lambda: text_of(folder / HISTORY_FILE)))}
    return asked | {
        "weights": answer(lambda: {name: value.tolist() for name, value in load(folder).state_dict().items()}),
        "again": answer(lambda: reevaluated(folder)),
        "rows": answer(lambda: plain(load_runs(folder))),
        "epochs": answer(lambda: plain(load_histories(load_runs(folder)))),
    }


def published(name: str) -> Path:
    """A data file as data sets read it, by the checksum of what was published."""
    digest = hashlib.sha256((Path("../mine") / name).read_bytes()).hexdigest()
    return fetch(Path(), RemoteFile(name, f"sha256:{digest}"))


def plain(frame: pd.DataFrame) -> str:
    return frame.to_csv(float_format="%.17g")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else REFUSED


def silently_wrong(stage: Stage, subject: str, file: str, damage: Callable[..., None]) -> list[str]:
    """The questions that were answered with something else than the truth or a refusal."""
    answers = found(subject, stage.config)
    if subject == "interrupted" and answers["resumed"] == REFUSED:
        answers["history"] = REFUSED
    believed = {"resumed", "again", "rows", "epochs"} if file == RECORD_FILE and damage in (flip, swap) else set()
    return [
        question
        for question, value in answers.items()
        if value != REFUSED and question not in believed and value != stage.truth[subject][question]
    ]


@pytest.mark.filterwarnings("ignore::analysis.rows.finding.RunWarning")
@pytest.mark.parametrize(("case", "subject", "file", "damage"), DRAWN)
def test_damage_is_refused_or_changes_no_number(stage, tmp_path, monkeypatch, case, subject, file, damage):
    place = stage.place / f"case{case}"
    shutil.copytree(stage.place / "mine", place)
    monkeypatch.chdir(place)
    is_of_run = subject != "data set" and file != "data.npz"
    path = Path("runs") / subject / file if is_of_run else Path(file)
    damage(path, stage.place / "other" / path, random.Random(case))
    try:
        assert silently_wrong(stage, subject, file, damage) == []
        assert not list(place.rglob("trace"))
    finally:
        shutil.rmtree(place)


def test_no_flipped_bit_of_the_weights_is_taken_for_a_weight(stage, monkeypatch):
    monkeypatch.chdir(stage.place / "mine")
    folder = Path("runs/finished")
    whole, weights = (folder / KEPT).read_bytes(), load(folder).decoder.state_dict()
    start = whole.index(next(iter(weights.values())).numpy().tobytes())
    try:
        for bit in range(32):
            content = bytearray(whole)
            content[start + bit // 8] ^= 1 << bit % 8
            (folder / KEPT).write_bytes(content)
            assert answer(lambda: load(folder)) == REFUSED
    finally:
        (folder / KEPT).write_bytes(whole)


def test_an_npz_header_with_a_changed_digit_gives_no_fewer_images(tmp_path):
    """(2000, 4, 4) in place of (6000, 4, 4): numpy stops before the end, where the archive's sum would be compared."""
    np.savez(tmp_path / "data.npz", images=np.zeros((6000, 4, 4), np.uint8))
    content = (tmp_path / "data.npz").read_bytes()
    (tmp_path / "data.npz").write_bytes(content.replace(b"(6000,", b"(2000,"))
    assert answer(lambda: npz(tmp_path / "data.npz")) == REFUSED
