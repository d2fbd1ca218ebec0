"""W&B tracking with the real client, against a server of our own or none: what arrives, and what may go wrong."""

import csv
import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import psutil
import pytest
import wandb
import yaml

from vae_rd import explore_run, fit
from vae_rd.config.fields import FitConfig
from vae_rd.errors import Interrupted
from vae_rd.experiment import fitting, packing, splits
from vae_rd.explore.media.pages import png
from vae_rd.run.finding import find_runs
from vae_rd.run.record import RunRecord
from vae_rd.training import tracking, wandb_runs
from vae_rd.training.tracking import (
    finish_tracking,
    start_tracking,
    summary_of,
    track_afterwards,
    tracking_mode,
    tracking_state,
)
from vae_rd.training.vae import VAEBlocks

from helpers.common import ROOT, TOY
from helpers.wandb_server import API_KEY, ENTITY, ServedRun, WandbServer

W_AND_B_S_OWN = {"_runtime", "_step", "_timestamp"}


@contextmanager
def client_of(home: Path, **environment: str):
    """A user with an empty home folder, in the folder above it, and a client that has not started yet."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("WANDB_", "XDG_"))]:
            patch.delenv(name)
        for name, value in {"HOME": str(home), **environment}.items():
            patch.setenv(name, value)
        home.mkdir()
        patch.chdir(home.parent)
        try:
            yield home
        finally:
            wandb.teardown()


@pytest.fixture
def nobody(tmp_path):
    """A user who has never heard of W&B."""
    with client_of(tmp_path / "home") as home:
        yield home


@pytest.fixture
def server():
    with WandbServer() as running:
        yield running


@pytest.fixture
def user(tmp_path, server):
    """A user who is logged in to the server."""
    with client_of(tmp_path / "home", **server.environment()) as home:
        yield home


@pytest.fixture
def folder(tmp_path):
    """A run folder that a fit has just claimed."""
    made = tmp_path / "runs" / "mine"
    made.mkdir(parents=True)
    return made


def toy(**changes) -> FitConfig:
    settings = {"n_train": 256, "hidden": [8], "latent_dim": 2, "max_epochs": 3, "eval_samples": 2, "name": "mine"}
    return FitConfig(**{**settings, **changes})


def record(**changes) -> RunRecord:
    return RunRecord("mine", "", {}, {}, **changes)


def epochs_of(served: ServedRun) -> list[dict]:
    """The lines of history but for the last, the chart of a finished run."""
    return [line for line in served.history if "rate_distortion_table" not in line]


def holding(text: str, folder: Path) -> list[Path]:
    """The files below a folder that have the text in their content or their path from there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if text in str(path.relative_to(folder)) or text.encode() in path.read_bytes()]


def one_thread(**environment: str) -> dict[str, str]:
    """This process's environment for a subprocess."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}


def wait_for(condition, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)


# Which mode


@pytest.mark.parametrize("mode", ["off", "offline", "online"])
def test_a_mode_that_is_asked_for_is_the_mode(mode, user, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert tracking_mode(FitConfig(wandb=mode)) == mode


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({}, "offline"),
        ({"WANDB_API_KEY": API_KEY}, "online"),
        ({"WANDB_API_KEY": "too short"}, "online"),
        ({"NETRC": "netrc"}, "online"),
        ({"WANDB_SWEEP_ID": "abc"}, "online"),
        ({"WANDB_SWEEP_ID": "abc", "WANDB_MODE": "offline"}, "offline"),
        ({"WANDB_API_KEY": API_KEY, "WANDB_MODE": "dryrun"}, "offline"),
        ({"WANDB_API_KEY": API_KEY, "WANDB_MODE": "disabled"}, "off"),
        ({"WANDB_MODE": "online"}, "online"),
    ],
)
def test_auto_is_online_under_an_agent_or_when_logged_in(environment, mode, nobody, monkeypatch):
    Path("netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {API_KEY}\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert tracking_mode(FitConfig()) == mode


# What arrives


@dataclass(frozen=True)
class OnlineFit:
    """What a fit left in its folder, and what of it arrived."""

    folder: Path
    record: RunRecord
    rows: list[dict[str, str]]
    served: ServedRun


@pytest.fixture(scope="module")
def online(tmp_path_factory):
    top = tmp_path_factory.mktemp("online")
    with WandbServer() as server, client_of(top / "home", **server.environment()):
        fitting.fit_model(toy(beta=100.0))
    folder = top / "runs" / "mine"
    with (folder / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    ((_, served),) = server.runs.items()
    return OnlineFit(folder, RunRecord.read(folder), rows, served)


def test_online_the_run_has_the_record_s_name_and_config(online):
    served = online.served
    assert served.config == online.record.config
    assert (served.name, served.project, served.exit_code) == ("mine", "vae_rd", 0)
    assert online.record.wandb == {"id": served.id, "project": "vae_rd", "entity": ENTITY, "mode": "online"}


def test_online_history_is_that_of_history_csv(online):
    epochs = [{} for _ in online.rows]
    for line in epochs_of(online.served):
        epochs[int(line["epoch"])] |= line
    for line, row in zip(epochs, online.rows, strict=True):
        step, values = int(row.pop("step")), {name: float(value) for name, value in row.items() if value}
        values["train/lr"] = values.pop("lr")  # A requeued run's command carries logged names, and lr is a flag.
        values |= {f"plane/val_{name}": values[f"val/{name}"] for name in ("distortion", "rate")}
        assert line.keys() - W_AND_B_S_OWN - {"trainer/global_step"} == values.keys()
        assert {name: line[name] for name in values} == pytest.approx(values, rel=1e-6)
        assert line["trainer/global_step"] == step


def test_online_the_pictures_of_the_kept_checkpoint_arrive_as_images(online):
    (line,) = [line for line in online.served.history if "media/samples" in line]
    for kind in ("reconstructions", "samples", "traversals"):
        content = (online.folder / "media" / f"{kind}_{online.record.model['kept_epoch']:04d}.png").read_bytes()
        assert line[f"media/{kind}"]["_type"] == "image-file"
        assert online.served.files[line[f"media/{kind}"]["path"]] == content


def test_pictures_join_the_row_of_their_step_and_none_is_sent_twice(user, folder):
    settings = toy(beta=100.0, media_every=1, wandb="online", run_dir=str(folder.parent))
    logger = start_tracking(settings, folder, name="mine", run_id=None)
    calls = []
    logger.run = SimpleNamespace(log=lambda row, **named: calls.append((sorted(row), named)))
    (folder / "a.png").write_bytes(png(np.zeros((2, 2))))
    for step in (4, 8, 4):
        logger.show({"samples": folder / "a.png"}, step=step)
        logger.log_metrics({"epoch": step / 4}, step=step)
    logger.show({"samples": folder / "a.png"}, step=None)
    shown = [named for row, named in calls if row == ["media/samples"]]
    assert shown == [{"step": step, "commit": False} for step in (4, 8, 9)]
    assert [named["step"] for row, named in calls if "epoch" in row] == [4, 8]


def test_online_every_metric_is_drawn_over_the_step_and_d_over_r(online):
    """Of W&B's fields of a definition, 1 is the name, 2 a pattern, 5 the place of its axis in the list, from 1.

    A client before 0.31 sends one for each metric that the pattern fits, in place of the pattern's own.
    """
    defined = online.served.logged_config["_wandb"]["value"]["m"]
    axes = {entry.get("1") or entry["2"]: defined[entry["5"] - 1]["1"] for entry in defined if "5" in entry}
    assert axes.pop("plane/val_distortion") == "plane/val_rate"
    assert set(axes.values()) == {"trainer/global_step"}


def test_online_the_summary_is_of_the_kept_checkpoint(online):
    summary, metrics = online.served.summary, online.record.metrics
    for split in ("train", "val", "test"):
        for name in ("distortion", "rate", "objective", "mutual_information_lower"):
            assert summary[f"{split}/{name}"] == pytest.approx(metrics[split][name]["value"], rel=1e-12)
            assert summary[f"{split}/{name}_stderr"] == pytest.approx(metrics[split][name]["stderr"], rel=1e-12)
        assert [summary[f"{split}/rate_dim_{d}"] for d in (0, 1)] == pytest.approx(
            metrics[split]["rate_per_dim"]["value"], rel=1e-12
        )
    assert summary["collapsed"] is True
    assert not {"test/explained_variance_per_dim", "test/active_units_stderr"} & summary.keys()


def test_online_a_finished_run_is_on_the_chart_that_all_runs_share(online):
    """One key and one query over all runs of a page: W&B then draws the tables of all of them together."""
    panel = online.served.logged_config["_wandb"]["value"]["visualize"]["rate_distortion"]["panel_config"]
    assert (panel["panelDefId"], panel["fieldSettings"]) == ("wandb/scatter/v0", {"x": "rate", "y": "distortion"})
    (query,) = panel["userQuery"]["queryFields"]
    assert query["name"] == "runSets"
    (media,) = [content for name, content in online.served.files.items() if name.startswith("media/table/")]
    table, metrics = json.loads(media), online.record.metrics
    assert table["columns"] == ["split", "rate", "distortion", "beta"]
    assert table["data"] == [
        [s, metrics[s]["rate"]["value"], metrics[s]["distortion"]["value"], 100.0] for s in metrics
    ]
    assert online.served.summary["rate_distortion_table"]["nrows"] == 3


def test_online_record_and_history_are_files_of_the_run(online):
    for name in ("record.json", "history.csv"):
        assert online.served.files[name] == (online.folder / name).read_bytes()
    config = yaml.safe_load((online.folder / "config.yaml").read_text())
    assert config == online.record.config, "W&B has a config.yaml of its own"


def test_online_analysis_sees_one_run(online):
    """W&B keeps a copy of the record, as it was sent, in the run's folder."""
    top = online.folder.parent
    assert list(online.folder.glob("wandb/*/files/record.json"))
    for runs in (top, top / "*", top / "**"):
        assert find_runs(runs) == [online.folder]


def test_online_nothing_lies_outside_the_run_folder_and_no_secret_in_it(online):
    top = online.folder.parent.parent
    assert {path.name for path in top.iterdir()} == {"home", "runs"}
    assert holding("wandb", top / "home") == []
    assert holding(API_KEY, top) == []
    assert API_KEY not in json.dumps(online.served.logged_config) + str(online.served.files)
    links = [path for path in online.folder.rglob("*") if path.is_symlink()]
    assert all(link.resolve().is_relative_to(online.folder / "wandb") for link in links), "W&B's logs, to each other"


def test_online_prints_one_line(user, server, folder, capfd):
    logger = start_tracking(toy(), folder, name="mine", run_id=None)
    logger.log_metrics({"val/rate": 1.0}, step=3)
    finish_tracking(logger, record(status="finished"), folder)
    ((run_id, _),) = server.runs.items()
    assert capfd.readouterr() == (f"W&B: {server.url}/{ENTITY}/vae_rd/runs/{run_id}\n", "")


def test_offline_asks_no_server_and_keeps_no_secret(user, server, folder, capfd):
    logger = start_tracking(toy(wandb="offline"), folder, name="mine", run_id=None)
    logger.log_metrics({"val/rate": 1.0}, step=3)
    finish_tracking(logger, record(status="finished"), folder)
    state = tracking_state(logger)
    assert (state["mode"], state["project"], state["entity"]) == ("offline", "vae_rd", ENTITY)
    assert holding(state["id"], folder / "wandb")
    assert not {"WANDB_CACHE_DIR", "WANDB_ERROR_REPORTING"} & os.environ.keys(), "they were for W&B's own process"
    assert server.backend.requests == []
    assert capfd.readouterr() == ("", "")
    assert {path.name for path in Path().iterdir()} == {"home", "runs"}
    assert holding("wandb", user) == []
    assert holding(API_KEY, Path()) == []


def test_offline_the_client_starts_with_the_first_row(user, folder):
    logger = start_tracking(toy(wandb="offline"), folder, name="mine", run_id=None)
    known = tracking_state(logger)
    assert not (folder / "wandb").exists()
    logger.log_metrics({"val/rate": 1.0}, step=3)
    (made,) = (folder / "wandb").glob("offline-run-*")
    assert made.name.endswith(known["id"])
    finish_tracking(logger, record(status="finished"), folder)
    assert tracking_state(logger) == known


def test_offline_a_run_goes_on_under_its_id(user, folder):
    logger = start_tracking(toy(wandb="offline"), folder, name="mine", run_id="abc12345")
    finish_tracking(logger, record(status="finished"), folder)
    assert tracking_state(logger)["id"] == "abc12345"
    assert list((folder / "wandb").glob("offline-run-*-abc12345"))


@pytest.mark.slow
def test_who_is_not_logged_in_waits_for_no_client(nobody, tmp_path):
    script = "import sys; from pathlib import Path; from vae_rd.config.fields import FitConfig\n"
    script += "from vae_rd.training.tracking import start_tracking\n"
    script += "logger = start_tracking(FitConfig(), Path('.'), name='mine', run_id=None)\n"
    script += "assert logger.experiment.offline and logger.experiment.id\n"
    script += "sys.exit('wandb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], env=one_thread(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("place", ["NETRC", "~/.netrc", "~/_netrc"])
def test_a_key_is_found_by_a_process_that_has_not_imported_the_client(place, nobody, tmp_path):
    file = Path("netrc") if place == "NETRC" else nobody / place[2:]
    file.write_text(f"machine api.wandb.ai\n  login user\n  password {API_KEY}\n")
    environment = one_thread(**({"NETRC": str(file)} if place == "NETRC" else {}))
    script = "from vae_rd.config.fields import FitConfig; from vae_rd.training.wandb_runs import tracking_mode\n"
    script += "print(tracking_mode(FitConfig()))"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("online\n", "")


def test_a_run_that_goes_on_has_its_record_beside_its_numbers(user, server, monkeypatch):
    """What `analysis` needs to place what the run has logged so far: its data and flags."""
    seen = []

    def look(*arguments, **options):
        ((_, served),) = server.runs.items()
        deadline = time.monotonic() + 20
        while "record.json" not in served.files and time.monotonic() < deadline:
            time.sleep(0.02)
        seen.append(json.loads(served.files["record.json"]))
        raise RuntimeError("seen enough")

    monkeypatch.setattr(splits, "evaluate_split", look)
    with pytest.raises(RuntimeError):
        fitting.fit_model(toy(max_steps=1))
    assert [record["status"] for record in seen] == ["running"]
    assert seen[0]["data"]["name"] == "sprites"


def test_a_fit_that_fails_closes_its_run(user, server, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(splits, "evaluate_split", fail)
    with pytest.raises(RuntimeError):
        fitting.fit_model(toy(max_steps=1))
    ((_, served),) = server.runs.items()
    assert served.exit_code == 1
    assert json.loads(served.files["record.json"])["error"] == "RuntimeError: out of luck"


def test_resume_goes_on_with_the_same_run(user, server, monkeypatch):
    begin = VAEBlocks.on_train_epoch_start

    def with_signal(module: VAEBlocks) -> None:
        begin(module)
        if module.current_epoch == 2:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(VAEBlocks, "on_train_epoch_start", with_signal)
        with pytest.raises(Interrupted):
            fitting.fit_model(toy(max_epochs=4))
    ((run_id, served),) = server.runs.items()
    assert served.exit_code == 1
    assert {line["epoch"] for line in epochs_of(served)} == {0, 1}

    finished = fitting.fit_model(toy(max_epochs=4, resume="auto"))
    assert list(server.runs) == [run_id] == [finished.wandb["id"]]
    assert served.exit_code == 0
    epochs = [line["epoch"] for line in epochs_of(served)]
    assert (sorted(set(epochs)), sorted(epochs)) == ([0, 1, 2, 3], epochs)
    assert served.summary["test/rate"] == finished.metrics["test"]["rate"]["value"]


def test_a_run_of_the_user_s_own_is_left_alone(user, server, folder):
    own = wandb.init(project="other", dir=folder, settings=wandb.Settings(silent=True))
    logger = start_tracking(toy(), folder, name="mine", run_id=None)
    finish_tracking(logger, record(status="finished"), folder)
    assert (wandb.run, own.id) == (own, own.id)
    own.finish()
    assert sorted(run.project for run in server.runs.values()) == ["other", "vae_rd"]


def test_what_a_run_that_makes_room_is_called_by_again_is_no_flag():
    """A requeued run's command has a key for each name in the summary; those with a slash are left aside."""
    model, notes = {"forecast": {"collapse_beta": 24.9}}, [{"kind": "rate_lost", "text": "R is 0.01 nats"}]
    summary = summary_of(record(status="interrupted", model=model, verdicts={"training": notes}))
    assert summary == {"forecast/collapse_beta": 24.9, "note/rate_lost": "R is 0.01 nats"}


# What may go wrong


@pytest.mark.parametrize("fault", ["silence", "nobody there"])
def test_without_a_server_a_fit_goes_on_offline(fault, user, server, monkeypatch, capfd):
    monkeypatch.setattr(wandb_runs, "INIT_SECONDS", 1.0)
    if fault == "silence":
        server.fault = fault
    else:
        monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    finished = fitting.fit_model(toy(max_steps=1))
    wandb.teardown()
    assert time.monotonic() - began < 8
    shown = capfd.readouterr()
    assert shown.err.startswith("warning: W&B: ")
    assert shown.err.endswith("logging offline, for `wandb sync`\n")
    assert shown.err.count("\n") == 1
    assert "W&B" not in shown.out
    assert (finished.status, finished.wandb["mode"]) == ("finished", "offline")
    assert RunRecord.read(Path("runs/mine")) == finished
    assert list(Path("runs/mine/wandb").glob("offline-run-*"))


@pytest.mark.parametrize("fault", ["error", "silence"])
def test_a_server_that_fails_later_holds_a_run_up_for_a_bounded_time(fault, user, server, folder, monkeypatch, capfd):
    monkeypatch.setattr(wandb_runs, "FINISH_SECONDS", 1.0)
    monkeypatch.setattr(tracking, "CHART_SECONDS", 1.0)
    logger = start_tracking(toy(), folder, name="mine", run_id=None)
    server.fault = fault
    logger.log_metrics({"val/rate": 1.0}, step=3)
    began = time.monotonic()
    finish_tracking(logger, record(status="finished"), folder)
    wandb.teardown()
    assert time.monotonic() - began < 4
    shown = capfd.readouterr()
    assert "`wandb sync" in shown.err
    assert shown.err.count("\n") == 1


def test_a_client_that_dies_takes_no_fit_with_it(user, server, folder, capfd):
    logger = start_tracking(toy(), folder, name="mine", run_id=None)
    for process in psutil.Process().children(recursive=True):
        if process.name() == "wandb-core":
            process.kill()
            process.wait()
    for step in range(3):
        logger.log_metrics({"val/rate": 1.0}, step=step)
    finish_tracking(logger, record(status="finished"), folder)
    shown = capfd.readouterr().err
    assert shown.endswith("; W&B gets no more of this run, its folder has every number\n")
    assert shown.count("\n") == 1
    following = start_tracking(toy(), folder, name="next", run_id=None)
    assert tracking_state(following)["mode"] == "online"
    finish_tracking(following, record(status="finished"), folder)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"WANDB_API_KEY": "short"}, "API key must have 40+ characters"),
        ({"WANDB_BASE_URL": "nonsense"}, "valid URL"),
        ({"WANDB_SERVICE": "3-1-unix-/nowhere"}, "Failed to connect to service"),
    ],
)
def test_a_broken_setup_of_w_and_b_is_a_warning(environment, message, user, folder, monkeypatch, capfd):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    finish_tracking(start_tracking(toy(), folder, name="mine", run_id=None), record(), folder)
    shown = capfd.readouterr()
    assert message in shown.err
    assert all(line.startswith("warning: W&B: ") for line in shown.err.splitlines())


# As a command


def test_off_writes_nothing_and_does_not_import_wandb(nobody, tmp_path):
    script = f"import sys; from vae_rd.fit import main; assert main({[*TOY, '--max_steps=1', '--name=mine']}) == 0\n"
    script += "sys.exit('wandb' in sys.modules)"
    environment = one_thread(WANDB_API_KEY=API_KEY)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert holding("wandb", tmp_path) == [tmp_path / "runs" / "mine" / name for name in ("config.yaml", "record.json")]


@pytest.mark.slow
def test_a_server_that_answers_errors_costs_one_line(user, server, tmp_path):
    script = (
        "import sys; from vae_rd import fit; from vae_rd.training import wandb_runs; wandb_runs.INIT_SECONDS = 1.0\n"
    )
    script += f"sys.exit(fit.main({[*TOY[:-1], '--max_steps=1', '--name=mine']}))"
    server.fault = "error"
    done = subprocess.run([sys.executable, "-c", script], env=one_thread(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("warning: W&B: "), done.stderr
    assert done.stderr.count("\n") == 1, "nor do W&B's reports about itself print anything"
    assert json.loads((tmp_path / "runs/mine/record.json").read_text())["wandb"]["mode"] == "offline"


@pytest.mark.slow
def test_a_terminal_is_never_asked_for_a_key(nobody, tmp_path):
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "vae_rd.fit", *TOY[:-1], "--wandb=online", "--max_steps=1", "--name=mine"]
    done = subprocess.run(
        command, env=one_thread(TERM="xterm"), stdin=end, stdout=subprocess.DEVNULL, stderr=end, timeout=60, check=False
    )
    shown = os.read(terminal, 10_000).decode()
    assert done.returncode == 0
    assert shown.splitlines() == [
        "warning: W&B: No API key configured. Use `wandb login` to log in; logging offline, for `wandb sync`"
    ]
    assert json.loads((tmp_path / "runs/mine/record.json").read_text())["wandb"]["mode"] == "offline"


@pytest.mark.slow
def test_under_an_agent_a_run_is_stopped_and_requeued(user, server, tmp_path, monkeypatch, capfd):
    for name, value in {"WANDB_SWEEP_ID": "abc", "WANDB_RUN_ID": "given"}.items():
        monkeypatch.setenv(name, value)
    arguments = [*TOY[:-1], "--max_epochs=40", "--name=mine", "--resume=auto"]
    command = [sys.executable, "-m", "vae_rd.fit", *arguments]
    process = subprocess.Popen(command, env=one_thread(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for((tmp_path / "runs/mine/checkpoints/last.ckpt").exists, process)
    process.terminate()
    output, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM, errors
    assert (output + errors).lower().count("w&b") == 1, "the line with the address"
    assert "wandb" not in output + errors
    assert (list(server.runs), server.runs["given"].exit_code) == (["given"], 1)

    requeued = ["--_wandb={'cli_version': '0.31.0'}", "--train/loss=1", "--val/rate_dim_0=0.5", "--epoch=3"]
    assert fit.main([*arguments, *requeued]) == 0
    assert capfd.readouterr().err == ""
    assert (list(server.runs), server.runs["given"].exit_code) == (["given"], 0)
    assert {line["epoch"] for line in epochs_of(server.runs["given"])} == set(range(40))


@pytest.mark.slow
def test_members_of_a_pack_are_runs_of_their_own_online(user, server):
    records = packing.fit_packed(
        [toy(beta=beta, name=f"b{beta:g}", max_epochs=2, media_every=0) for beta in (0.1, 1.0, 10.0)]
    )
    served = {run.name: run for run in server.runs.values()}
    assert served.keys() == {"b0.1", "b1", "b10"}
    for record in records:
        own = served[record.name]
        assert (own.id, own.config, own.exit_code) == (record.wandb["id"], record.config, 0)
        assert own.summary["test/rate"] == pytest.approx(record.metrics["test"]["rate"]["value"])
        with (Path("runs") / record.name / "history.csv").open() as stream:
            rows = [(int(row["step"]), float(row["val/rate"])) for row in csv.DictReader(stream)]
        assert [(line["_step"], line["val/rate"]) for line in epochs_of(own) if "val/rate" in line] == rows


# Afterwards


@pytest.mark.slow
def test_pictures_of_explorations_join_the_run_that_was_tracked(tmp_path_factory):
    top = tmp_path_factory.mktemp("explored")
    with WandbServer() as server, client_of(top / "home", **server.environment()):
        fitting.fit_model(toy(beta=100.0))
        explore_run(top / "runs" / "mine", "samples")
    ((_, served),) = server.runs.items()
    (line,) = [line for line in served.history if "explore/samples" in line]
    content = (top / "runs" / "mine" / "explore" / "samples.png").read_bytes()
    assert served.files[line["explore/samples"]["path"]] == content
    assert [line["epoch"] for line in served.history if "epoch" in line] == [0, 1, 2]  # None is sent twice.


@pytest.mark.parametrize(("known", "mode"), [(None, "online"), ({"id": "abc"}, "off")])
def test_a_run_without_w_and_b_sends_no_pictures(known, mode, user, monkeypatch, capsys):
    monkeypatch.setattr(tracking, "run_of", None)  # To call it would be an error.
    record = RunRecord("mine", "", {}, {}, wandb=known)
    track_afterwards(FitConfig(wandb=mode), record, Path(), {"explore/samples": Path("a.png")})
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("known", "place"),
    [
        ({"project": "toys", "entity": "team"}, ("toys", "team")),
        ({"project": "toys", "entity": None}, ("toys", None)),
        ({}, ("mine", None)),
    ],
)
def test_pictures_go_to_where_the_record_says_that_the_run_is(known, place, folder, monkeypatch):
    asked = {}
    wandb_s = SimpleNamespace(init=lambda **named: asked.update(named) or MagicMock(), Settings=dict, Image=str)
    for module in (tracking, wandb_runs):
        monkeypatch.setattr(module, "client", lambda: wandb_s)
    of_agent = record(wandb={"id": "abc", **known})
    track_afterwards(toy(wandb="online", wandb_project="mine"), of_agent, folder, {"explore/samples": Path("a.png")})
    assert (asked["id"], asked["project"], asked["entity"]) == ("abc", *place)


def test_pictures_that_w_and_b_does_not_take_are_a_line_of_warning(user, monkeypatch, capsys):
    def out_of_reach(*given, **named):
        raise ConnectionError("nobody there.")

    monkeypatch.setattr(tracking, "run_of", out_of_reach)
    record = RunRecord("mine", "", {}, {}, wandb={"id": "abc"})
    track_afterwards(FitConfig(wandb="online"), record, Path("runs/mine"), {"explore/samples": Path("a.png")})
    assert capsys.readouterr().err == "warning: W&B: nobody there; its pictures are in runs/mine all the same\n"
