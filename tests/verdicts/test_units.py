"""Units in groups: their counts are the verdict's, and what is not known is not printed."""

from vae_rd.verdicts.units import unit_groups, unit_lines


def entry(*values, **more):
    return {"value": list(values), **more}


def test_active_and_mixed_are_those_that_the_verdict_counts():
    variances, shares = [0.0101, 0.01, 0.95, 3.0, 0.0], [0.95, 0.9, 0.9, 0.899, 0.0]
    assert unit_groups(variances, shares) == ["active", "passive", "active", "mixed", "passive"]


def test_32_units_take_four_lines_of_a_terminal():
    rates = [2.0 - 0.1 * d for d in range(16)] + [0.2] * 4 + [0.001] * 12
    shares = [0.95] * 16 + [0.3] * 4 + [0.0] * 12
    metrics = {"rate_per_dim": entry(*rates), "mean_variance_per_dim": entry(*shares)}
    metrics |= {"explained_variance_per_dim": entry(*shares)}
    metrics |= {"cut_distortion_per_dim": entry(*[0.5] * 32, stderr=[0.1] * 32, n=1000)}
    lines = unit_lines(metrics)
    assert len(lines) == 4
    assert max(map(len, lines)) <= 120
    assert "R 2.00 1.90 1.80 1.70 1.60 1.50 1.40 1.30 1.20 1.10 1.00 ... 0.50" in lines[0]
    assert "unit 19, R 0.20; cut to its mean, D rises by 0.500 ± 0.100 nats" in lines[3]


def test_what_is_not_known_is_left_out():
    known = {name: entry(0.5) for name in ("rate_per_dim", "mean_variance_per_dim", "explained_variance_per_dim")}
    assert len(unit_lines({**known, "cut_distortion_per_dim": {"value": None}})) == 1
    assert len(unit_lines(known)) == 1, "a record of an earlier version has no such key"
    for name in known:
        assert unit_lines({**known, name: {"value": None}}) == []
        assert unit_lines({key: value for key, value in known.items() if key != name}) == []
