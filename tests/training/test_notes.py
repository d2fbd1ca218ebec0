"""Notes of real fits: each line that docs/training.md quotes, by the command above it there; once, and lasting."""

import re
import shlex
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import vae_rd
from vae_rd import fit
from vae_rd.errors import Interrupted
from vae_rd.run.record import RunRecord
from vae_rd.training.notes import TrainingNotes
from vae_rd.training.tracking import summary_of
from vae_rd.verdicts.notes import TrainingFacts
from vae_rd.verdicts.training import AT_END, EACH_EPOCH

from helpers.common import ROOT, TOY

PAGE = (ROOT / "docs/training.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"```sh\npython -m vae_rd\.fit (.*?)\n```\n```text\n(.*?)\n```", PAGE, re.DOTALL)
HEAVY = "noisy_sprites"  # Ten seconds each, of which most are validation.


NUMBER = re.compile(r"(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)")


def is_quoted(line: str, said: str) -> bool:
    """Whether words are the same, and numbers within a fifth or one in the last digit: machines round differently."""
    return len(parts := NUMBER.split(line)) == len(others := NUMBER.split(said)) and all(
        float(other) == pytest.approx(float(part), rel=0.2, abs=last_digit(part)) if place % 2 else part == other
        for place, (part, other) in enumerate(zip(parts, others, strict=True))
    )


def last_digit(number: str) -> float:
    """What one in it is worth."""
    return 10.0 ** Decimal(number).as_tuple().exponent


def notes_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("note: ")]


@pytest.mark.parametrize(
    ("flags", "lines"),
    [pytest.param(*case, marks=[pytest.mark.slow] if HEAVY in case[0] else []) for case in QUOTED],
    ids=lambda value: shlex.split(value)[-1] if value.startswith("--") else "",
)
def test_a_fit_says_what_the_page_quotes(flags, lines, tmp_path, capsys):
    assert fit.main([*shlex.split(flags), "--wandb=off", f"--run_dir={tmp_path}", "--name=run"]) == 0
    said = notes_in(capsys.readouterr().out)
    for line in lines.splitlines():
        assert any(is_quoted(line, other) for other in said), (line, said)
    record = RunRecord.read(tmp_path / "run")
    assert said == [f"note: epoch {note['epoch'] + 1}: {note['text']}" for note in record.verdicts["training"]]
    kinds = [note["kind"] for note in record.verdicts["training"]]
    assert len(set(kinds)) == len(kinds), "each kind once"
    summary = summary_of(record)
    assert [summary[f"note/{kind}"] for kind in kinds] == [note["text"] for note in record.verdicts["training"]]


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("epoch 4: R falls by 2.20 ± 0.07 to -1.1", True),
        ("epoch 3: R falls by 2.60 ± 0.07 to -1.1", False),
        ("epoch 3: R falls by 2.20 ± 0.07 to 1.1", False),
        ("epoch 3: D falls by 2.20 ± 0.07 to -1.1", False),
        ("epoch 3: R falls by 2.20 ± 0.07", False),
    ],
)
def test_a_number_is_held_to_a_fifth_or_one_in_its_last_digit(said, same):
    assert is_quoted("epoch 3: R falls by 2.00 ± 0.06 to -1.2", said) is same


def test_the_page_has_every_kind():
    kinds = {judge.__name__ for judge in (*EACH_EPOCH, *AT_END)}
    headings = re.findall("^## (.*)$", PAGE, re.MULTILINE)
    assert kinds == {word for heading in headings for word in re.findall("`(.*?)`", heading)}
    assert len(QUOTED) == 7


def test_a_resumed_run_says_nothing_twice_and_ends_with_the_same_notes(toy, interrupt, capsys):
    whole = toy(beta=100.0, max_epochs=6, name="whole")
    notes = vae_rd.fit_model(whole).verdicts["training"]
    assert notes_in(capsys.readouterr().out)[0].startswith("note: epoch 3: R is ")
    parts = toy(beta=100.0, max_epochs=6, name="parts", resume="auto")
    interrupt(4 * 4 + 2, signal.SIGTERM)
    with pytest.raises(Interrupted):
        vae_rd.fit_model(parts)
    before = notes_in(capsys.readouterr().out)
    stopped = RunRecord.read(Path(parts.run_dir) / "parts")
    assert [note["kind"] for note in stopped.verdicts["training"]] == ["rate_lost"]
    interrupt(0, signal.SIGTERM)
    assert vae_rd.fit_model(parts).verdicts["training"] == notes
    assert not set(before) & set(notes_in(capsys.readouterr().out))


def test_rows_come_back_from_the_text_of_a_checkpoint_and_from_the_list_of_an_earlier_one():
    rows = [{"epoch": 0, "step": 14, "annealing": 1, "val/rate": 1 / 3}, {"epoch": 1, "step": 28, "annealing": 0}]
    state = {"rows": rows, "said": [], "before": None, "best": None}
    for _ in range(2):
        notes = TrainingNotes(TrainingFacts(1.0, is_sample=True, values=1), said=[])
        notes.load_state_dict(state)
        assert notes.rows == rows
        state = notes.state_dict()
    assert isinstance(state["rows"], str)


def test_where_output_is_piped_there_is_a_line_an_epoch_and_one_a_measurement(toy, capsys):
    vae_rd.fit_model(toy(max_epochs=12, val_every=2))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("epoch", "evaluating"))]
    assert [line.split("  ")[0] for line in lines[:12]] == [f"epoch {epoch}/12" for epoch in range(1, 13)]
    assert [" val D " in f" {line}" for line in lines[:12]] == [False, True] * 6
    parts = [("train split", "256"), ("whole population", "3,584")]  # Of which validation and test are.
    assert lines[12:] == [f"evaluating the {part} ({n} examples) ..." for part, n in parts]


@pytest.mark.slow
def test_it_is_there_at_once(tmp_path):
    """Not when a buffer is full, nor at the end."""
    words = [sys.executable, "-m", "vae_rd.fit", *TOY, "--max_epochs=100000"]
    environment = {"PATH": "", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            before = [process.stdout.readline() for _ in range(2)]
            assert [line.partition(":")[0] for line in before] == ["sprites", "forecast"]
            assert process.stdout.readline().startswith("epoch 1/100000  val D ")
            assert process.poll() is None
        finally:
            process.terminate()
