"""No code comes from data, no path leaves its folder, no key is written down, and nothing is sent unasked."""

import ast
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import wandb
from PIL import Image

from vae_rd.config.cli import parse
from vae_rd.config.fields import FitConfig
from vae_rd.data.files import image_folder, npz
from vae_rd.errors import InputError
from vae_rd.experiment import splits
from vae_rd.experiment.fitting import fit_model
from vae_rd.fit import main
from vae_rd.run.folder import claim

from helpers.common import ROOT

SOURCES = sorted(file for package in ("vae_rd", "analysis") for file in (ROOT / package).rglob("*.py"))
KEY = "0123456789abcdef" * 2 + "fedcba98"
TOY = {"n_train": 256, "hidden": [8], "latent_dim": 2, "eval_samples": 2, "max_steps": 4, "name": "mine"}

FORBIDDEN = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput"}
STARTERS = {f"subprocess.{name}" for name in ("run", "Popen", "call", "check_call", "check_output")}
UNPICKLERS = ("pickle", "marshal", "shelve", "dill", "joblib")
UNPICKLED = ("allow_pickle", False)
ASKED = {"torch.load": ("weights_only", True), "np.load": UNPICKLED, "read_array": UNPICKLED}


def faults(tree: ast.AST) -> Iterator[str]:
    """The calls of a source that run code, or could run code from what they read."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name, options = ast.unparse(call.func), {k.arg: ast.unparse(k.value) for k in call.keywords}
        is_safe = all(options.get(k) == str(v) for end, (k, v) in ASKED.items() if name.endswith(end))
        is_yaml = name.startswith("yaml.") and "load" in name and not name.startswith("yaml.safe_load")
        if name in FORBIDDEN or name.startswith(UNPICKLERS) or is_yaml or not is_safe:
            yield ast.unparse(call)
        if name in STARTERS and not isinstance(call.args[0], ast.List | ast.Name):
            yield f"{ast.unparse(call)}: a command is a list of words"
        if options.get("shell", "False") != "False":
            yield ast.unparse(call)


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_source_runs_code_from_what_it_reads(file):
    assert list(faults(ast.parse(file.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "line",
    [
        *("eval(x)", "pickle.loads(x)", "os.system(x)", "yaml.load(x, yaml.Loader)", "yaml.full_load(x)"),
        *("torch.load(x)", "torch.load(x, weights_only=False)", "np.load(x)", "np.load(x, allow_pickle=True)"),
        *("subprocess.run('ls')", "subprocess.run(['ls'], shell=True)", "subprocess.run(f'ls {x}', shell=False)"),
    ],
)
def test_the_search_finds_what_it_searches_for(line):
    assert list(faults(ast.parse(line)))


@pytest.mark.parametrize("name", ["..", ".", "../up", "/tmp/up", "a/b", "a\\b", "a\nb", "", ".hidden", "a\0b", "~"])
def test_no_name_leads_out_of_the_folder_of_runs(name):
    with pytest.raises(InputError, match="--name") as refused:
        parse(["--name", name])
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["-", "=", "@home", "a..b", "mine.lock"])
def test_an_odd_name_is_a_folder_of_its_own(name, tmp_path):
    config = parse([f"--name={name}", "--run_dir", str(tmp_path)]).config
    assert claim(config).folder.resolve().parent == tmp_path


@pytest.mark.parametrize("text", ["$(touch hit)", "; touch hit", "${oc.env:HOME}"])
def test_no_value_reaches_a_shell(text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = main(["--run_dir", text, "--name", "mine", "--wandb", "off", *flags(TOY)])
    assert not (tmp_path / "hit").exists()
    assert (tmp_path / text / "mine" / "record.json").is_file() == (code == 0)
    capsys.readouterr()


def flags(values: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items() if name != "name"]


def images(folder: Path, names: list[str]) -> Path:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), color=i).save(folder / name, format="PNG")
    return folder


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "\u202egnp", "$(id)", "-rf", "'; --", "é", "a..", "a\udcffb"])
def test_an_image_s_name_is_only_a_name(name, tmp_path):
    folder = images(tmp_path, [f"{name}/{i}.png" for i in range(20)])
    assert image_folder(folder).images["train"].shape == (16, 1, 4, 4)
    (folder / name / "20.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="not a whole") as refused:
        image_folder(folder)
    assert str(refused.value).isprintable()


def test_a_pipe_among_images_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(images(tmp_path, [f"{i}.png" for i in range(20)]) / "pipe.png")
    with pytest.raises(InputError, match=r"pipe\.png: neither a file nor a link to one"):
        image_folder(tmp_path)


def test_members_of_an_archive_are_never_files(tmp_path):
    """Nothing is unpacked, so that a name with .. in it leads nowhere."""
    inside = tmp_path / "inside"
    inside.mkdir()
    arrays = {"images": np.zeros((20, 4, 4), np.uint8), "../up": np.zeros(3), str(tmp_path / "absolute"): np.zeros(3)}
    np.savez(inside / "own.npz", **arrays)
    assert npz(inside / "own.npz").images["train"].shape == (16, 1, 4, 4)
    assert [path.name for path in tmp_path.rglob("*")] == ["inside", "own.npz"]
    (inside / "own.npz").unlink()
    np.savez(inside / "own.npz", **{"a\nb": np.zeros(3)})
    with pytest.raises(InputError, match="it has no array images") as refused:
        npz(inside / "own.npz")
    assert str(refused.value).isprintable()


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A user who is logged in to W&B by a key in the environment, in an empty folder."""
    for name in [name for name in os.environ if name.startswith(("WANDB_", "XDG_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    wandb.teardown()


@pytest.mark.parametrize("ending", ["finished", "failed"])
def test_no_api_key_is_written_down(ending, user, monkeypatch):
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("out of luck")

    if ending == "failed":
        monkeypatch.setattr(splits, "evaluate_split", fail)
        with pytest.raises(RuntimeError):
            fit_model(FitConfig(**TOY, wandb="offline"))
        assert (user / "runs" / "mine" / "error.log").is_file()
    else:
        fit_model(FitConfig(**TOY, wandb="offline"))
    wandb.teardown()
    files = [path for path in user.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes() or KEY in str(path)] == []


def test_with_wandb_off_nothing_is_sent(user, monkeypatch):
    asked: list[object] = []

    def refuse(*address: object, **options: object) -> None:
        asked.append(address)
        raise OSError("no network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert fit_model(FitConfig(**TOY, wandb="off")).status == "finished"
    assert asked == []


def refused_run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line with which a fit is refused."""
    assert main([*arguments, "--wandb", "off", *flags(TOY)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    return shown.err


def test_a_folder_of_runs_that_may_not_be_written_is_refused(tmp_path, monkeypatch, capsys):
    """Root may write anywhere, hence a stand-in for what the system answers another user."""
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    assert f"nothing can be written in {tmp_path}" in refused_run(capsys, "--run_dir", str(tmp_path / "runs"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc takes no files, not even root's")
def test_a_file_system_that_takes_no_files_is_refused(capsys):
    assert "/proc" in refused_run(capsys, "--run_dir", "/proc/runs")


def test_a_path_that_the_system_refuses_is_refused(tmp_path, capsys):
    assert "cannot be used" in refused_run(capsys, "--run_dir", str(tmp_path / ("n" * 300)))
    (tmp_path / "loop").symlink_to("loop")
    assert "loop" in refused_run(capsys, "--run_dir", str(tmp_path / "loop"))
    (tmp_path / "file").touch()
    assert f"nothing can be written in {tmp_path / 'file'}" in refused_run(capsys, "--run_dir", f"{tmp_path}/file/runs")
    (tmp_path / "null.yaml").write_text('run_dir: "a\\0b"\n')
    assert "cannot be used" in refused_run(capsys, "--config", str(tmp_path / "null.yaml"))
