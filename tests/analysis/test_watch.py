"""`--watch`: what changes is drawn, what runs is shown by its last validation, and the end is that of the runs."""

from __future__ import annotations

import json
import shutil

import pytest
from matplotlib.legend import Legend

from analysis import load_runs
from analysis.__main__ import main
from analysis.figures.plane import draw
from analysis.rows.running import load_running
from analysis.view import View
from analysis.watch import watch
from vae_rd.errors import InputError
from vae_rd.run.finding import find_runs

from helpers.fake_records import sprites_sweep


@pytest.fixture(autouse=True)
def at_work(monkeypatch):
    """As if a process held the lock of each run that is said to be running."""
    monkeypatch.setattr("vae_rd.run.record.holder_of", lambda folder: "pid 1")


def edit(folder, **changes):
    path = folder / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def until_validation(folder, epoch):
    """A history that goes as far as this epoch alone; its D and R there."""
    lines = (folder / "history.csv").read_text().splitlines()[: epoch + 2]
    (folder / "history.csv").write_text("\n".join(lines) + "\n")
    cells = dict(zip(lines[0].split(","), lines[-1].split(","), strict=True))
    return float(cells["val/rate"]), float(cells["val/distortion"])


def test_a_folder_that_gains_a_run_is_drawn_again_until_all_runs_have_ended(tmp_path, monkeypatch, capsys):
    first, second, third = sprites_sweep(tmp_path / "made", betas=[1.0, 2.0, 4.0])
    sweep, out = tmp_path / "runs", tmp_path / "plane.svg"
    shutil.copytree(first, sweep / first.name)
    shutil.copytree(second, sweep / second.name)
    edit(sweep / second.name, status="running", metrics={})
    changes = [
        lambda: None,
        lambda: shutil.copytree(third, sweep / third.name),
        lambda: edit(sweep / second.name, **json.loads((second / "record.json").read_text())),
    ]
    looks = iter(changes)
    monkeypatch.setattr("analysis.watch.time.sleep", lambda seconds: next(looks)())
    assert main(["plane", str(sweep), "-o", str(out), "--watch"]) == 0
    drawn = capsys.readouterr().out.splitlines()
    assert len(drawn) == 3  # At the start and after each change, and not where nothing changed.
    assert all(line.startswith(str(out)) for line in drawn)
    assert sum(line.count(",") for line in (tmp_path / "plane.csv").read_text().splitlines()[:1]) > 0
    assert {line.split(",")[0] for line in (tmp_path / "plane.csv").read_text().splitlines()[1:]} == {
        first.name, second.name, third.name,
    }  # fmt: skip
    assert "--watch" not in json.loads((tmp_path / "plane.json").read_text())["argv"]


def test_a_running_run_stands_at_its_last_validation_and_says_so(tmp_path):
    _, second = sprites_sweep(tmp_path, betas=[1.0, 2.0])
    place = until_validation(second, 9)
    edit(second, status="running", metrics={})
    running = load_running(find_runs(tmp_path))
    assert running[["run", "epoch", "rate", "distortion"]].to_numpy().tolist() == [[second.name, 9, *place]]
    with pytest.warns(UserWarning, match="not finished"):
        runs = load_runs(tmp_path)
    figure = draw(runs, View(more={"running": running}))
    top = figure.axes[0]
    (cross,) = [line for line in top.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == pytest.approx(place)
    assert top.get_ylim()[0] < place[1] < top.get_ylim()[1]
    assert r"$\beta$ 2, epoch 9" in [text.get_text() for text in top.texts]
    texts = [text.get_text() for legend in figure.findobj(Legend) for text in legend.get_texts()]
    assert "running: last validation" in texts


def test_a_run_without_a_validation_yet_is_waited_for(tmp_path, monkeypatch):
    (folder,) = sprites_sweep(tmp_path, betas=[1.0])
    edit(folder, status="running", metrics={})
    (folder / "history.csv").unlink()
    assert load_running([folder]).empty
    said = []

    def refused(_):
        raise InputError("none of the runs is finished")

    def finish(_):
        edit(folder, status="failed")

    monkeypatch.setattr("analysis.watch.time.sleep", finish)
    with pytest.raises(InputError, match="none of the runs is finished"):
        watch(refused, lambda: [folder], said.append)
    assert said == ["waiting: none of the runs is finished"]


def test_runs_that_cannot_be_told_for_a_while_end_no_watch_that_has_begun(tmp_path):
    (folder,) = sprites_sweep(tmp_path, betas=[1.0])
    edit(folder, status="running")
    said, answers = [], iter([[folder], InputError("no answer"), [folder]])

    def find():
        answer = next(answers)
        if isinstance(answer, InputError):
            edit(folder, status="finished")
            raise answer
        return answer

    watch(lambda folders: folders, find, said.append, seconds=0.0)
    assert said == [str(folder), "waiting: no answer", str(folder)]
    with pytest.raises(InputError, match="gone"):
        watch(lambda folders: folders, lambda: (_ for _ in ()).throw(InputError("gone")), said.append)


def test_an_interrupt_ends_it_with_its_code_and_leaves_the_figure(tmp_path, monkeypatch, capsys):
    _, second = sprites_sweep(tmp_path / "runs", betas=[1.0, 2.0])
    edit(second, status="running", metrics={})

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("analysis.watch.time.sleep", interrupt)
    out = tmp_path / "plane.svg"
    assert main(["plane", str(tmp_path / "runs"), "-o", str(out), "--watch"]) == 130
    assert out.is_file()
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted; the figure is of the last change that was seen"


def test_a_run_whose_process_is_gone_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("vae_rd.run.record.holder_of", lambda folder: "")
    _, second = sprites_sweep(tmp_path / "runs", betas=[1.0, 2.0])
    edit(second, status="running", metrics={})
    assert load_running([second]).empty
    assert main(["plane", str(tmp_path / "runs"), "-o", str(tmp_path / "plane.svg"), "--watch"]) == 0


def test_a_kill_is_a_change_and_what_cannot_be_drawn_after_it_is_said(tmp_path, monkeypatch):
    first, second = sprites_sweep(tmp_path, betas=[1.0, 2.0])
    for folder in (first, second):
        edit(folder, status="running", metrics={})
    alive, said = {first: "pid 1", second: "pid 2"}, []
    monkeypatch.setattr("vae_rd.run.record.holder_of", lambda folder: alive.get(folder, ""))
    monkeypatch.setattr("analysis.watch.time.sleep", lambda seconds: alive.popitem())

    def draw(folders):
        if not alive:
            raise InputError("none of the runs is finished")
        return list(alive)

    with pytest.raises(InputError, match="none of the runs is finished"):
        watch(draw, lambda: [first, second], said.append)
    assert said == [f"{first}, {second}", str(first)]
