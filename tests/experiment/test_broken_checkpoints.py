"""Checkpoints that are damaged, misplaced, hostile or cut short: refused in one line, or the one before them serves."""

import csv
import errno
import pickle
import random
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from vae_rd import fit_model
from vae_rd.config.fields import FitConfig
from vae_rd.data.module import TensorDataModule
from vae_rd.errors import InputError
from vae_rd.experiment import build, experiment, splits
from vae_rd.experiment.preparing import prepare
from vae_rd.experiment.trainer import build_trainer
from vae_rd.fit import main
from vae_rd.run.checkpoints import read_checkpoint, whole_checkpoint
from vae_rd.run.folder import CHECKPOINTS, KEPT, LAST
from vae_rd.run.record import RunRecord
from vae_rd.training.diagnosis import CollapseMonitor
from vae_rd.training.keeper import PREVIOUS, StagedCheckpointIO
from vae_rd.training.notes import TrainingNotes
from vae_rd.verdicts.notes import TrainingFacts

EPOCHS, STEPS = 5, 4
SIZES = {"n_train": 256, "hidden": [8], "latent_dim": 2, "batch_size": 64, "lr": 1e-2, "wandb": "off"}


def train(folder: Path, *, epochs: int, resume: Path | None = None, **changes) -> None:
    """The fit of an experiment without its evaluation, stopped after some of EPOCHS epochs."""
    config = FitConfig(**{**SIZES, "max_epochs": epochs, **changes})
    prepared = prepare(config, None, None)
    module = build.build_module(config, prepared.model, prepared.data.card, steps=EPOCHS * STEPS)
    (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    examples = config.batch_size * prepared.data.card.steps_per_epoch(config.batch_size)
    monitor = CollapseMonitor(prepared.data, examples=examples, seed=config.seed)
    notes = TrainingNotes(TrainingFacts(module.objective.slope(), is_sample=True, values=256), said=[])
    trainer = build_trainer(config, folder, logger=None, callbacks=[monitor, notes])
    trainer.strategy.checkpoint_io = StagedCheckpointIO()  # Names the run by its folder alone.
    batches = TensorDataModule(prepared.data, batch_size=config.batch_size, seed=config.seed)
    trainer.fit(module, batches, ckpt_path=resume)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Runs of equal settings, `whole` trained to its end and `part` over three epochs; do not write to them."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("runs")
    train(root / "whole", epochs=EPOCHS)
    train(root / "part", epochs=3)
    return root


@pytest.fixture
def part(runs, tmp_path) -> Path:
    return shutil.copytree(runs / "part", tmp_path / "part")


def assert_same_run(folder: Path, other: Path) -> None:
    assert (folder / "history.csv").read_text() == (other / "history.csv").read_text()
    for file in (KEPT, LAST):
        ours, theirs = (torch.load(f / file, weights_only=True) for f in (folder, other))
        assert ours["epoch"] == theirs["epoch"]
        assert all(torch.equal(ours["state_dict"][name], theirs["state_dict"][name]) for name in theirs["state_dict"])
        assert states(ours) == states(theirs)


def states(checkpoint: dict) -> dict:
    """Of the callbacks that `train` has as well as a fit."""
    return {name: state for name, state in checkpoint.get("callbacks", {}).items() if name != "TrainingNotes"}


def damaged(content: bytes, chance: random.Random, kind: str) -> bytes:
    place = chance.randrange(len(content))
    if kind == "cut":
        return content[:place]
    flipped = bytearray(content)
    flipped[place] ^= 1 << chance.randrange(8)
    return bytes(flipped)


@pytest.mark.parametrize("kind", ["cut", "flipped bit"])
@pytest.mark.parametrize("file", [KEPT, LAST])
def test_damage_anywhere_is_refused_or_harmless(part, kind, file):
    """A flipped bit is harmless between the archive's members; in a weight, torch.load takes it without a word."""
    path, chance, unseen, refusals = part / file, random.Random(7), 0, []
    content, truth = path.read_bytes(), read_checkpoint(path)["state_dict"]
    for _ in range(100):
        path.write_bytes(damaged(content, chance, kind))
        try:
            read = read_checkpoint(path)["state_dict"]
            assert all(torch.equal(read[name], value) for name, value in truth.items())
        except InputError as error:
            refusals.append(str(error))
            unseen += is_read_by_torch(path)
    assert all(said.startswith(f"{path}: damaged, no checkpoint can be read; ") for said in refusals)
    assert not any("\n" in said for said in refusals)
    assert (unseen > 20) == (kind == "flipped bit")


def is_read_by_torch(path: Path) -> bool:
    try:
        torch.load(path, weights_only=True)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("damage", ["emptied", "missing", "cut", "flipped", "foreign", "kept in its place"])
def test_going_on_from_the_epoch_before_gives_the_bits_of_an_undamaged_run(part, runs, damage, capsys):
    """Epoch 2 is trained again, and the checkpoint kept then, the best so far, is written again and not trusted."""
    last, content = part / LAST, (part / LAST).read_bytes()
    last.unlink()
    if damage == "kept in its place":
        shutil.copy(part / KEPT, last)
    elif damage == "foreign":
        shutil.copy(runs / "whole" / LAST, last)
    elif damage != "missing":
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        last.write_bytes({"emptied": b"", "cut": content[:middle], "flipped": flipped}[damage])
    assert torch.load(part / KEPT, weights_only=True)["epoch"] == 2
    start = whole_checkpoint(part)
    said = capsys.readouterr().err
    assert start == part / PREVIOUS
    assert torch.load(start, weights_only=True)["epoch"] == 1
    assert said.startswith(f"{last}: ")
    assert said.endswith("; going on from the epoch before\n")
    assert said.count("\n") == 1
    train(part, epochs=EPOCHS, resume=start)
    assert_same_run(part, runs / "whole")
    assert whole_checkpoint(part) == last
    assert torch.load(part / PREVIOUS, weights_only=True)["epoch"] == EPOCHS - 2


def test_a_whole_last_checkpoint_is_taken_without_a_word(part, runs, capsys):
    assert whole_checkpoint(part) == part / LAST
    (part / "history.csv").write_text("damaged")
    train(part, epochs=EPOCHS, resume=part / LAST)
    assert capsys.readouterr().err == ""
    assert_same_run(part, runs / "whole")
    (part / "history.csv").write_text("damaged")
    train(part, epochs=EPOCHS, resume=part / LAST)
    assert_same_run(part, runs / "whole")


def test_what_was_kept_in_an_epoch_to_come_does_not_outlive_a_change(part):
    """Trained again without moving, epoch 2 is no better than epoch 1, and yet replaces what history does not know."""
    (part / LAST).write_bytes(b"")
    train(part, epochs=EPOCHS, resume=whole_checkpoint(part), lr=1e-30)
    kept, state = torch.load(part / KEPT, weights_only=True), read_checkpoint(part / LAST)["callbacks"]
    with (part / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    best = state["CheckpointKeeper"]["best"]
    assert state["CheckpointKeeper"]["kept_epoch"] == kept["epoch"] == 2
    assert float(rows[kept["epoch"]]["val/objective"]) == best == min(float(row["val/objective"]) for row in rows[2:])
    assert [int(row["epoch"]) for row in rows] == list(range(EPOCHS))


def test_nothing_whole_is_refused_in_one_line(part):
    for file in (LAST, PREVIOUS):
        (part / file).write_bytes(b"")
    with pytest.raises(InputError, match=r"last.previous.ckpt: damaged, no checkpoint can be read; [^\n]*$"):
        whole_checkpoint(part)
    (part / PREVIOUS).unlink()
    with pytest.raises(InputError, match=r"last.ckpt: damaged, no checkpoint can be read; [^\n]*$"):
        whole_checkpoint(part)


def test_a_folder_in_place_of_the_last_checkpoint_is_refused(part):
    """No file could take its place at the end of the epoch."""
    (part / LAST).unlink()
    (part / LAST).mkdir()
    with pytest.raises(InputError, match=r"last.ckpt: damaged, no checkpoint can be read; [^\n]*$"):
        whole_checkpoint(part)


@pytest.mark.parametrize("damage", ["emptied", "missing", "last in its place"])
def test_a_run_whose_kept_checkpoint_is_no_good_is_not_gone_on_with(part, damage):
    """No later epoch might be as good, and the end of the run would be too late to say so."""
    if damage == "last in its place":
        shutil.copy(part / LAST, part / KEPT)
    elif damage == "emptied":
        (part / KEPT).write_bytes(b"")
    else:
        (part / KEPT).unlink()
    with pytest.raises(InputError, match=r"kept\.ckpt: "):
        whole_checkpoint(part)


def test_a_checkpoint_of_another_run_is_refused(part, runs):
    shutil.copy(runs / "whole" / KEPT, part / KEPT)
    with pytest.raises(InputError, match="of the run whole, not of part"):
        read_checkpoint(part / KEPT, owners=("part",))
    with pytest.raises(InputError, match="of the run whole, not of part"):
        whole_checkpoint(part)


def test_a_whole_run_survives_a_damaged_last_checkpoint(tmp_path, monkeypatch, capsys):
    def config(name: str, **changes) -> FitConfig:
        return FitConfig(
            **{**SIZES, "max_epochs": 3, "eval_samples": 2, "run_dir": str(tmp_path), "name": name}, **changes
        )

    def fail(*arguments, **settings):
        raise RuntimeError("not yet")

    whole = fit_model(config("whole"))
    with monkeypatch.context() as patch:
        patch.setattr(splits, "evaluate_split", fail)
        with pytest.raises(RuntimeError):
            fit_model(config("mine"))
    (tmp_path / "mine" / LAST).write_bytes(damaged((tmp_path / "mine" / LAST).read_bytes(), random.Random(0), "cut"))
    capsys.readouterr()
    again = fit_model(config("mine", resume="auto"))
    assert "damaged, no checkpoint can be read; going on from the epoch before" in capsys.readouterr().err
    assert again.metrics == whole.metrics
    assert_same_run(tmp_path / "mine", tmp_path / "whole")


def test_a_checkpoint_of_another_run_of_the_same_name_is_refused_where_runs_say_more(part):
    content = read_checkpoint(part / LAST)
    StagedCheckpointIO("part, seed 1").save_checkpoint(content, part / LAST)
    assert whole_checkpoint(part) == part / PREVIOUS
    with pytest.raises(InputError, match="of the run part, not of part, seed 1"):
        whole_checkpoint(part, owners=("part, seed 1",))


class Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("form", ["pickle", "archive", "among weights"])
def test_no_code_in_a_checkpoint_is_run(part, tmp_path, form):
    mark, path = tmp_path / "mark", part / LAST
    if form == "pickle":
        path.write_bytes(pickle.dumps(Hostile(mark)))
    else:
        torch.save({**read_checkpoint(path), "more": Hostile(mark)} if form == "among weights" else Hostile(mark), path)
    with pytest.raises(InputError, match=r"damaged, no checkpoint can be read; [^\n]*$"):
        read_checkpoint(path)
    with pytest.raises(InputError):
        StagedCheckpointIO().load_checkpoint(path, weights_only=False)
    assert not mark.exists()
    torch.load(path, weights_only=False) if form != "pickle" else pickle.loads(path.read_bytes())  # noqa: S301
    assert mark.exists()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("is_last_damaged", [False, True])
@pytest.mark.parametrize("moment", [1, 2])
def test_a_kill_between_two_moves_leaves_a_whole_checkpoint(part, monkeypatch, moment, is_last_damaged, capsys):
    if is_last_damaged:
        (part / LAST).write_bytes(b"")
    start, moves, move = whole_checkpoint(part), [], Path.replace

    def killed(path, target):
        moves.append(path)
        if len(moves) == moment:
            raise Killed
        return move(path, target)

    writer = StagedCheckpointIO()
    content = writer.load_checkpoint(start)
    monkeypatch.setattr(Path, "replace", killed)
    if (moment, is_last_damaged) == (2, True):  # A damaged one is not put aside, so there is one move.
        writer.save_checkpoint(content, part / LAST)
    else:
        with pytest.raises(Killed):
            writer.save_checkpoint(content, part / LAST)
    whole = [path for path in (part / LAST, part / PREVIOUS) if path.exists() and path.stat().st_size > 0]
    assert whole_checkpoint(part) == whole[0]
    assert torch.load(part / PREVIOUS, weights_only=True)["epoch"] >= 1


@contextmanager
def files_of_at_most(size: int):
    """A write beyond `size` bytes of a file fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_full_disk_leaves_the_checkpoints_that_were_there(part, share):
    before = {path.name: path.read_bytes() for path in (part / CHECKPOINTS).iterdir()}
    content, room = read_checkpoint(part / LAST), int(share * len(before["last.ckpt"]))
    with files_of_at_most(room), pytest.raises(OSError, match="File too large; what was saved before is whole") as stop:
        StagedCheckpointIO().save_checkpoint(content, part / LAST)
    assert stop.value.errno == errno.EFBIG
    assert "\n" not in str(stop.value)
    assert {path.name: path.read_bytes() for path in (part / CHECKPOINTS).iterdir()} == before


def test_a_fit_on_a_full_disk_ends_in_one_line_and_goes_on_where_there_is_room(tmp_path, runs, monkeypatch, capsys):
    flags = [f"--{name}={value}" for name, value in {**SIZES, "max_epochs": EPOCHS, "eval_samples": 2}.items()]
    flags += [f"--run_dir={tmp_path}", "--name=whole", "--resume=auto"]
    build_whole, room = experiment.build_trainer, (runs / "whole" / LAST).stat().st_size // 2

    def with_full_disk(*args, **kwargs):
        trainer = build_whole(*args, **kwargs)
        save = trainer.save_checkpoint

        def saved(path, weights_only=False):
            with files_of_at_most(room if trainer.current_epoch == 3 else resource.RLIM_INFINITY):
                save(path, weights_only=weights_only)

        trainer.save_checkpoint = saved
        return trainer

    with monkeypatch.context() as patch:
        patch.setattr(experiment, "build_trainer", with_full_disk)
        assert main(flags) == 1
    said = capsys.readouterr().err
    assert said.startswith("failed: OSError: [Errno 27] File too large; what was saved before is whole: ")
    assert said.count("\n") == 1
    assert RunRecord.read(tmp_path / "whole").status == "failed"
    assert list(tmp_path.rglob("*.tmp")) == []
    assert main(flags) == 0
    assert_same_run(tmp_path / "whole", runs / "whole")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_no_space_left_is_said(tmp_path, monkeypatch):
    opened = Path.open
    full = lambda path, *mode: opened(Path("/dev/full") if path.suffix == ".tmp" else path, *mode)  # noqa: E731
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left on device; what was saved before is whole") as stop:
        StagedCheckpointIO().save_checkpoint({"state_dict": {"a": torch.zeros(10**5)}}, tmp_path / "last.ckpt")
    assert stop.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_a_last_checkpoint_holds_all_that_training_depends_on(part):
    content = read_checkpoint(part / LAST)
    assert content["global_step"] == 3 * STEPS
    assert content["epoch"] == 2
    names = [name for name, _ in prepare(FitConfig(**SIZES), None, None).model.named_parameters()]
    (adam,) = content["optimizer_states"]
    assert len(adam["state"]) == len(names)
    assert all({"step", "exp_avg", "exp_avg_sq"} <= state.keys() for state in adam["state"].values())
    assert all(float(state["step"]) == 3 * STEPS for state in adam["state"].values())
    assert content["callbacks"]["HistoryWriter"]["csv"] == (part / "history.csv").read_text()
    assert content["callbacks"]["CheckpointKeeper"] == {
        "best": pytest.approx(kept_objective(part)),
        "stale": 0,
        "kept_epoch": 2,
    }
    assert content["run"] == "part"


def kept_objective(folder: Path) -> float:
    with (folder / "history.csv").open() as stream:
        return min(float(row["val/objective"]) for row in csv.DictReader(stream))
