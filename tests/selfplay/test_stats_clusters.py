"""Intervals over families: wider where the tasks of one go together, and covering."""

from __future__ import annotations

import math

import numpy as np
import pytest

from selfplay.stats import bootstrap_mean, clustered_bootstrap, paired_bootstrap
from selfplay.summary import paired_tests


def test_items_that_repeat_their_cluster_say_no_more_than_it() -> None:
    values = np.random.default_rng(0).normal(size=40)
    tenfold = np.repeat(values, 10)
    names = [str(i // 10) for i in range(400)]
    found = clustered_bootstrap(tenfold, np.zeros(400), names, samples=40_000)
    alone = bootstrap_mean(values, samples=40_000)
    assert found.value == pytest.approx(alone.value) and found.n == 40
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=0.01)


def test_clusters_of_one_are_the_paired_bootstrap() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=80), rng.normal(size=80)
    found = clustered_bootstrap(a, b, [str(i) for i in range(80)], samples=40_000)
    plain = paired_bootstrap(a, b, samples=40_000)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.01)


def test_it_covers_where_the_interval_over_items_does_not() -> None:
    rng = np.random.default_rng(2)
    names = [str(i // 9) for i in range(59 * 9)]
    covered = {"clusters": 0, "items": 0}
    for trial in range(300):
        gains = np.repeat(rng.normal(size=59), 9) + rng.normal(size=59 * 9)
        wide = clustered_bootstrap(gains, np.zeros(59 * 9), names, seed=trial, samples=1000)
        narrow = bootstrap_mean(gains, seed=trial, samples=1000)
        covered["clusters"] += wide.low <= 0 <= wide.high
        covered["items"] += narrow.low <= 0 <= narrow.high
    assert covered["clusters"] / 300 >= 0.9 and covered["items"] / 300 <= 0.75


def test_nothing_gives_nothing_and_lengths_must_agree() -> None:
    assert math.isnan(clustered_bootstrap([], [], []).value)
    with pytest.raises(ValueError, match="cannot be paired"):
        clustered_bootstrap([1.0], [1.0], [])


def row(key: str, passed: bool) -> dict[str, object]:
    return {"task_id": key, "key": key, "verdict": "pass" if passed else "fail"}


def test_the_summary_has_it_for_families_alone() -> None:
    keys = [f"families/f{i // 3}/1/{i}" for i in range(12)]
    base, final = [row(key, False) for key in keys], [row(key, "f0" in key) for key in keys]
    found = paired_tests(base, final)["pass_rate"]["by_family"]
    assert (found["value"], found["n"]) == (0.25, 4)
    assert found["low"] == 0.0 and found["high"] == 0.75
    other = [row(f"HumanEval/{i}", True) for i in range(3)]
    assert "by_family" not in paired_tests(other, other)["pass_rate"]
