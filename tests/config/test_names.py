"""What two configs that are not the same run differ in."""

from dataclasses import asdict, replace

import pytest

from vae_rd.config.cli import parse, recorded
from vae_rd.config.fields import FitConfig, to_dict
from vae_rd.config.names import checkpoint_owners, differences, identity, meant, run_name
from vae_rd.config.versions import DEFAULTS_VERSION, EARLIER
from vae_rd.run.folder import check_unread
from vae_rd.run.record import RunRecord


def test_a_field_that_the_earlier_run_left_at_its_default_is_a_difference():
    assert differences(FitConfig(beta=4.0), identity(FitConfig()), allowed=frozenset()) == {"beta": 1.0}


def test_a_field_that_only_the_earlier_run_stated_is_a_difference():
    assert differences(FitConfig(), identity(FitConfig(beta=4.0)), allowed=frozenset()) == {"beta": 4.0}


def test_a_name_says_what_a_run_aims_at_and_its_checkpoint_may_say_beta_as_before():
    asked = FitConfig(objective="target_rate", target_rate=2.0)
    digits = run_name(asked).removeprefix("sprites-target_rate2-seed0-")
    assert len(digits) == 8
    owners = checkpoint_owners(asked)
    assert owners[0].startswith(f"sprites-target_rate2-seed0-{digits} ")
    assert f"sprites-beta1-seed0-{digits} {owners[0].split()[1]}" in owners
    assert all(owner.startswith("sprites-beta4-") for owner in checkpoint_owners(FitConfig(beta=4.0)))


def test_a_record_of_before_says_the_rate_it_asked_for():
    asked, plain = (to_dict(FitConfig(objective=word, target_rate=2.0)) for word in ("target_rate", "beta"))
    made = [asdict(RunRecord("a", "", config, {}, model={"slope": None})) for config in (asked, plain)]
    assert [RunRecord.of(old).model["target_rate"] for old in made] == [2.0, None]


def test_a_run_that_held_each_rate_by_a_weight_keeps_its_name_and_is_no_other():
    """Its config states the weight, which was a default of no version's identity until the mean was held instead."""
    before = FitConfig(objective="target_rate", target_rate=2.0, rate_weight=10.0)
    assert run_name(before) == "sprites-target_rate2-seed0-9f162821"
    record = asdict(RunRecord("a", "", to_dict(before), {}, identity(replace(before, rate_weight=None))))
    found = RunRecord.of(record)
    assert not differences(before, found.identity, allowed=frozenset())
    now = parse(["--target_rate=2"]).config
    assert now.objective == "target_rate"
    assert now.rate_weight is None
    assert run_name(now) != run_name(before)
    assert differences(now, found.identity, allowed=frozenset()) == {"rate_weight": 10.0}
    check_unread(recorded(to_dict(replace(before, objective="beta", target_rate=4.0)), where="a"))


OWN = ["--data=npz", "--data_file=x.npz"]


@pytest.mark.parametrize(
    ("flags", "same"),
    [(["--beta=4"], True), (["--data=mnist"], True), (["--beta=4", "--levels=17"], True), (OWN, False)],
)
def test_versions_name_a_run_alike_unless_it_reads_what_they_differ_in(flags, same):
    first, second = (parse([*flags, f"--defaults_version={version}"]).config for version in (1, 2))
    assert (run_name(first) == run_name(second)) is same
    for now, before in ((first, second), (second, first)):
        assert (not differences(now, identity(before), allowed=frozenset())) is same
    assert parse(flags).config == parse([*flags, f"--defaults_version={DEFAULTS_VERSION}"]).config


def test_what_the_third_version_measures_otherwise_names_its_runs_apart():
    second, third = parse(["--defaults_version=2"]).config, parse([]).config
    assert (second.information_examples, third.information_examples) == (None, 5000)
    assert run_name(second) != run_name(third)
    assert differences(third, identity(second), allowed=frozenset())["information_examples"] is None


def test_levels_and_rules_are_of_the_run_that_reads_them():
    own = parse(OWN).config
    assert run_name(replace(own, levels=17)) != run_name(own)
    assert differences(replace(own, levels=17), identity(own), allowed=frozenset()) == {"levels": None}
    old = parse([*OWN, "--defaults_version=1"]).config
    assert differences(own, identity(old), allowed=frozenset())["file_rules"] == "1"
    second = parse([*OWN, "--defaults_version=2"]).config
    assert differences(second, identity(old), allowed=frozenset()) == {"file_rules": "1"}
    values = {name: value for name, value in to_dict(old).items() if name not in ("levels", "file_rules")}
    assert recorded(values, where="record") == old


def test_what_training_did_before_version_3_is_said_by_flags():
    """The flags of version 2, stated, are the run that version 2 gave without them."""
    flags = [f"--{name}={value}" for name, value in EARLIER[2].items()]
    said, old = parse(["--beta=4", *flags]).config, parse(["--beta=4", "--defaults_version=2"]).config
    assert run_name(said) == run_name(old) != run_name(parse(["--beta=4"]).config)
    assert not differences(said, identity(old), allowed=frozenset())


def test_settings_of_a_record_are_those_of_its_version():
    first = RunRecord("a", "", {k: v for k, v in to_dict(FitConfig()).items() if k not in ("levels", "file_rules")}, {})
    assert first.settings == RunRecord("b", "", to_dict(FitConfig()), {}).settings == meant(to_dict(FitConfig()))
