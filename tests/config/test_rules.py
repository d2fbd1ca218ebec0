"""A flag that nothing would read is refused in one line, from flags and from Python, and renames no run."""

import pytest

import vae_rd
from vae_rd.config.cli import parse
from vae_rd.config.fields import FIELDS, FitConfig, choices, value_type
from vae_rd.errors import InputError
from vae_rd.run.folder import check_unread

UNREAD = [
    (["--levels=17"], "--levels belongs to --data npz or npy or .* or parquet, not to --data sprites"),
    (["--data_file=x.npz"], "--data_file belongs to --data npz or npy or .* or parquet, not to --data sprites"),
    (["--likelihood_scale=0.1"], "--likelihood_scale belongs to --likelihood gaussian, not to --likelihood bernoulli"),
    (["--encoder=linear", "--decoder=linear", "--hidden=[64]"], "--hidden: nothing reads it with --encoder linear"),
    (["--data_seed=3"], "--data_seed: nothing reads it with --data sprites --binarization none --dequantize none"),
    (["--data=mnist", "--sphere_dim=3"], "--sphere_dim belongs to --data sphere, not to --data mnist"),
    (["--posterior=categorical", "--prior=categorical", "--samples=4"], "--samples: nothing reads it with --posterior"),
]
NO_WAY = [
    ["--target_rate=5", "--beta_schedule=cosine"],
    ["--objective=capacity", "--beta_schedule=geometric"],
    ["--objective=iwae", "--warmup_unit=percent"],
]
TOGETHER = [
    (["--target_rate=5", "--rate_weight=10", "--beta_start=9"], "leave out one of the two"),
    (["--target_rate=5", "--beta_start=0"], "--beta_start 0: a weight that is found is never 0; give one above it"),
]
READ = [
    ["--target_rate=5", "--beta_start=9"],
    ["--target_rate=5", "--rate_weight=10"],
    ["--target_rate=5", "--rate_weight=10", "--defaults_version=1"],
    ["--likelihood=gaussian", "--likelihood_scale=0.1"],
    ["--encoder=linear", "--hidden=[64]"],
    ["--data_seed=3", "--n_train=256"],
    ["--data_seed=3", "--data=gaussian"],
    ["--data_seed=3", "--data=mnist", "--binarization=static"],
    ["--samples=4"],
    ["--likelihood_scale=1"],  # The default, said aloud.
    ["--levels=17", "--data=npz", "--data_file=x.npz"],
    ["--defaults_version=1"],
]


@pytest.mark.parametrize(("argv", "message"), UNREAD)
def test_what_nothing_reads_is_refused(argv, message, tmp_path):
    parsed = parse(argv)
    with pytest.raises(InputError, match=message) as refusal:
        check_unread(parsed.config, spared=parsed.spared)
    assert "leave it out" in str(refusal.value)
    words = dict(word.removeprefix("--").split("=") for word in argv)
    values = {name: value_type(name)(value) for name, value in words.items() if name != "hidden"}
    values |= {"hidden": [64]} if "hidden" in words else {}
    with pytest.raises(InputError, match=message):
        vae_rd.fit_model(FitConfig(**values, run_dir=str(tmp_path / "runs"), wandb="off"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("argv", NO_WAY, ids=" ".join)
def test_a_way_that_no_weight_takes_is_left_out_at_once(argv):
    with pytest.raises(InputError, match=f"{argv[1].partition('=')[0]}: nothing reads it with .*; leave it out"):
        check_unread(parse(argv).config)


@pytest.mark.parametrize(("argv", "message"), TOGETHER)
def test_what_is_lost_beside_another_flag_is_refused(argv, message):
    with pytest.raises(InputError, match=message):
        check_unread(parse(argv).config)


def test_levels_are_not_read_by_the_rules_of_version_1():
    parsed = parse(["--data=npz", "--data_file=x.npz", "--levels=17", "--file_rules=1"])
    with pytest.raises(InputError, match="--levels: nothing reads it with --file_rules 1; leave it out"):
        check_unread(parsed.config)


def test_a_config_of_python_that_states_an_earlier_version_is_not_refused():
    check_unread(FitConfig(defaults_version=1))


@pytest.mark.parametrize("argv", READ, ids=" ".join)
def test_what_something_reads_is_not(argv):
    check_unread(parse(argv).config)


def test_readers_are_flags_and_their_words():
    for field in FIELDS.values():
        for readers in (field.metadata["only"], field.metadata["unless"]):
            for name, words in readers.items():
                assert name in FIELDS
                assert all(word in choices(name) or word is None for word in words)
