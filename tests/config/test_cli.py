"""The command line: every accepted form arrives typed, and every refusal is one line naming flag and remedy."""

import subprocess
import sys
import time

import pytest

from vae_rd.config.cli import help_text, parse
from vae_rd.config.fields import FIELDS, FitConfig, choices, to_dict, to_yaml
from vae_rd.config.names import run_name
from vae_rd.errors import InputError


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["--beta", "4"], "beta", 4.0),
        (["--beta=4"], "beta", 4.0),
        (["--beta", "1e-3"], "beta", 1e-3),
        (["--hidden", "[512, 256]"], "hidden", [512, 256]),
        (["--hidden=[32, 64]"], "hidden", [32, 64]),
        (["--hidden", "None"], "hidden", None),
        (["--n_train", "null"], "n_train", None),
        (["--n_train=100"], "n_train", 100),
        (["--overwrite"], "overwrite", True),
        (["--overwrite", "--beta", "2"], "overwrite", True),
        (["--overwrite=True"], "overwrite", True),
        (["--overwrite=false"], "overwrite", False),
        (["--name", "007"], "name", "007"),
        (["--wandb", "off"], "wandb", "off"),
        (["--wandb_project", "null"], "wandb_project", "null"),
        (["--grad_clip", "5"], "grad_clip", 5.0),
        (["--beta", "1", "--beta", "3"], "beta", 3.0),
    ],
)
def test_accepted_forms(argv, field, value):
    found = getattr(parse(argv).config, field)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--bta", "4"], r"unknown flag --bta; did you mean --beta\?"),
        (["--zzz", "4"], r"unknown flag --zzz; see --help"),
        (["beta", "4"], r"unexpected 'beta': every value follows its flag, as in --beta 4$"),
        (["--hidden", "512", "256"], r"unexpected '256': a list is one word in quotes, as in --hidden '\[512, 256\]'$"),
        (["--hidden", "[512,", "256]"], r"unexpected '256\]': a list is one word in quotes"),
        (["--print_config=false"], r"^--print_config: takes no value; leave =false out$"),
        (["--BETA", "4"], r"unknown flag --BETA; did you mean --beta\?"),
        (["--beta"], r"^--beta: give a number$"),
        (["--name", "--seed", "3"], r"^--name: give text or null$"),
        (["--config"], r"^--config: name a YAML file$"),
        (["--hidden", "[[1]]"], r"--hidden \[\[1\]\]: give"),
        (["--hidden", "{a: 1}"], r"--hidden \{'a': 1\}: give a list"),
        (["--hidden", "[true]"], r"--hidden"),
        (["--seed", "9" * 400], r"--seed 9+: "),
        (["--seed", str(2**63)], r"the most it can be is 9223372036854775807"),
        (["--latent_dim", str(10**20)], r"--latent_dim 10+: the most it can be is 2147483647"),
        (["--prior", "mixture", "--components", str(10**20)], r"--components 10+: the most"),
        (["--samples", str(10**20)], r"--samples 10+: the most"),
        (["--hidden", f"[{10**20}]"], r"--hidden \[10+\]: give one positive width .*, each at most 2147483647"),
        (["--config", "a\0b"], r"not a YAML file"),
        (["--name", "n" * 300], r"up to 200 letters"),
        (["--name", "é"], r"up to 200 letters"),
        (["--data", "???"], r"--data \?\?\?: choose one of"),
        (["--run_dir", "${oc.env:HOME}"], r"values refer to nothing outside themselves"),
        (["--n_train", "1"], r"the least it can be is 2"),
        (["--beta", "-1"], r"--beta -1.0: the least it can be is 0"),
        (["--beta=-1"], r"--beta -1.0: the least"),
        (["--beta", "nan"], r"--beta nan: give a finite number"),
        (["--beta", "inf"], r"--beta inf: give a finite number"),
        (["--beta", "four"], r"--beta four: give a number"),
        (["--latent_dim", "16.5"], r"--latent_dim 16.5: give a whole number"),
        (["--seed", "1.8446744073709552e19"], r"--seed 1.84\S+: give a whole number"),
        (["--latent_dim", "0"], r"--latent_dim 0: the least it can be is 1"),
        (["--likelihood_scale", "1e-200"], r"--likelihood_scale 1e-200: the least"),
        (["--lr", "0"], r"--lr 0.0: it must be greater than 0"),
        (["--data", "cifar"], r"--data cifar: choose one of sprites, scenes, digits, mnist"),
        (["--hidden", "512"], r"--hidden 512: give a list such as \[512, 256\] or null"),
        (["--hidden", "[]"], r"--hidden \[\]: give one positive width per layer"),
        (["--hidden", "[8, 0]"], r"--hidden \[8, 0\]: give one positive width"),
        (["--hidden", "[8, a]"], r"--hidden \[8, 'a'\]: give a list"),
        (["--overwrite", "maybe"], r"--overwrite maybe: give true or false"),
        (["--name", "../elsewhere"], r"--name '../elsewhere': use up to 200 letters"),
        (["--name", ".."], r"--name '..': use up to 200 letters"),
        (["--data", "npz"], r"--data npz needs --data_file"),
        (["--binarization", "static", "--dequantize", "uniform"], r"--dequantize: binarised pixels"),
        (["--resume", "auto", "--overwrite"], r"choose one"),
        (["--devices", "3"], r"--batch_size 128: is over all processes and does not divide by --devices 3"),
        (["--config", "missing.yaml"], r"--config missing.yaml: cannot be read"),
        (["--levels", "1"], r"--levels 1: the least it can be is 2"),
        (["--levels", "65537"], r"--levels 65537: the most it can be is 65536"),
        (["--file_rules", "3"], r"--file_rules 3: choose one of 1, 2"),
    ],
)
def test_refusals_are_one_line(argv, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as refusal:
        parse(argv)
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_flags_win_over_files_and_later_files_over_earlier(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("beta: 2\nlatent_dim: 3\nlr: 1e-4\n")
    second.write_text("beta: 5\nhidden: [7]\nn_train: null\n")
    config = parse(["--beta", "9", "--config", str(first), "--config", str(second)]).config
    assert (config.beta, config.latent_dim, config.lr, config.hidden) == (9.0, 3, 1e-4, [7])
    assert parse(["--config", str(first), "--config", str(second)]).config.beta == 5.0


@pytest.mark.parametrize(
    ("stated", "flag", "objective"),
    [
        ("objective: beta\n", "--target_rate=4", "target_rate"),  # The default, which is a choice all the same.
        ("objective: beta\n", "--target_rate=5", "target_rate"),
        ("objective: iwae\n", "--beta=1", "beta"),
        ("objective: capacity\n", "--target_rate=4", "capacity"),
        ("objective: geco\n", "--target_distortion=9", "geco"),
        ("objective: free_bits\n", "--beta=4", "free_bits"),
        (to_yaml(FitConfig()), "--target_rate=4", "target_rate"),
        (to_yaml(FitConfig(objective="free_bits")), "--beta=4", "free_bits"),
        (to_yaml(FitConfig()), "--target_distortion=null", "beta"),
        (to_yaml(FitConfig()), "--target_rate=4 --objective=beta", "beta"),
    ],
)
def test_a_flag_chooses_an_objective_over_a_file_whose_objective_does_not_read_it(stated, flag, objective, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(stated)
    assert parse(["--config", str(file), *flag.split()]).config.objective == objective


def test_the_place_of_a_dataset_of_hugging_face_wins_as_a_flag_does(tmp_path):
    file = tmp_path / "a.yaml"
    for below in ("data_file: own.npz\n", "data: hf:other\n", "data: npz\ndata_file: own.npz\n"):
        file.write_text(below)
        config = parse(["--config", str(file), "--data", "hf:ylecun/mnist"]).config
        assert (config.data, config.data_file) == ("hf", "ylecun/mnist")
    file.write_text("data: hf:other\n")
    config = parse(["--data", "sprites", "--config", str(file)]).config
    assert (config.data, config.data_file) == ("sprites", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latent_dims: 3\n", r"unknown key latent_dims; did you mean --latent_dim\?"),
        ("- a\n- b\n", r"not a YAML file of flat"),
        ("a: [\n", r"not a YAML file of flat"),
        ("just words\n", r"not a YAML file of flat"),
        ("beta: {a: 1}\n", r"--beta \{'a': 1\}: give a number"),
        ("config: other.yaml\n", r"unknown key config"),
        ("0\n", r"not a YAML file of flat"),
        ("[" * 5000, r"not a YAML file of flat"),
        ("hidden: &a [*a]\n", r"--hidden"),
    ],
)
def test_bad_config_files_are_refused_in_one_line(text, message, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as refusal:
        parse(["--config", str(file)])
    assert "\n" not in str(refusal.value)


def test_printed_config_reads_back_equal(tmp_path):
    argv = ["--beta", "0.5", "--hidden", "[8, 9]", "--name", "007", "--grad_clip", "null"]
    file = tmp_path / "config.yaml"
    file.write_text(str(parse([*argv, "--print_config"]).message))
    assert parse(["--config", str(file)]).config == parse(argv).config
    assert to_yaml(FitConfig())


def test_every_flag_has_help_with_default_choices_and_meaning():
    text = " ".join(help_text().split())
    for name, field in FIELDS.items():
        assert f"--{name} " in text
        assert field.metadata["meaning"].split(" [")[0] in text
        for word in choices(name):
            assert word in text
    assert "(default 0)" in text
    assert "(default false)" in text


def test_what_a_requeued_agent_run_carries_is_ignored(monkeypatch):
    extra = ["--_wandb={'a': 1}", "--train/loss=3.5", "--train/multiplier=2", "--epoch=2", "--beta=4"]
    with pytest.raises(InputError, match="unknown flag --_wandb"):
        parse(extra)
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    assert parse(extra).config.beta == 4.0


def test_run_name_is_a_function_of_what_affects_the_numbers():
    base = FitConfig(beta=4.0)
    for same in ({"run_dir": "x"}, {"wandb": "off"}, {"resume": "auto"}, {"accelerator": "cpu"}, {"data_dir": "d"}):
        assert run_name(FitConfig(beta=4.0, **same)) == run_name(base)
    for other in ({"lr": 2e-3}, {"seed": 1}, {"max_epochs": 7}, {"hidden": [8]}, {"data_seed": 1}):
        assert run_name(FitConfig(beta=4.0, **other)) != run_name(base)
    assert run_name(FitConfig(name="mine")) == "mine"
    assert to_dict(base)["beta"] == 4.0


def test_what_is_recorded_of_a_config_does_not_change_with_it():
    config = FitConfig(hidden=[8])
    recorded = to_dict(config)
    config.hidden.append(9)
    config.gaussian_eigenvalues.clear()
    assert (recorded["hidden"], len(recorded["gaussian_eigenvalues"])) == ([8], 6)


def test_help_is_fast_and_imports_no_torch():
    script = (
        "import sys, vae_rd.fit as f; c = f.main(['--help']); print('torch' in sys.modules, 'wandb' in sys.modules, c)"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert time.monotonic() - began < 1.0
    assert done.stdout.splitlines()[-1] == "False False 0"
