"""Figures over clusters: wider where the items of one go together, covering, and as before else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from selfplay.domains import rows
from selfplay.stats.clustered import (
    RARE,
    change_p,
    cluster_of,
    difference,
    mean,
    paired_p,
    share,
    share_of_counts,
    worst_difference,
)
from selfplay.stats.intervals import bootstrap_mean, mcnemar, wilson

FAMILIES, TASKS = 59, 9
NAMES = [str(i // TASKS) for i in range(FAMILIES * TASKS)]


def alone(n: int) -> list[str]:
    return [str(i) for i in range(n)]


def outcomes(rng: np.random.Generator, p: float, correlation: float) -> list[bool]:
    """Passes of FAMILIES x TASKS tasks, correlated within a family (beta-binomial)."""
    total = 1 / correlation - 1
    chances = np.repeat(rng.beta(p * total, (1 - p) * total, FAMILIES), TASKS)
    return (rng.random(chances.size) < chances).tolist()


def test_items_that_repeat_their_cluster_say_no_more_than_it() -> None:
    values = np.random.default_rng(0).normal(size=40)
    tenfold = mean(np.repeat(values, 10), [f"{i // 10:02}" for i in range(400)])
    once = mean(values, [f"{i:02}" for i in range(40)])
    assert tenfold.value == pytest.approx(once.value)
    assert (tenfold.n, tenfold.clusters, once.clusters) == (400, 40, None)
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))


def test_clusters_of_one_give_what_independent_items_give() -> None:
    flags = [i % 7 == 0 for i in range(200)]
    assert share(flags, alone(200)) == wilson(sum(flags), 200)
    after = [i % 5 == 0 for i in range(200)]
    assert paired_p(flags, after, alone(200)) == mcnemar(flags, after)
    values = np.random.default_rng(1).exponential(size=600)
    found, plain = mean(values, [f"{i:03}" for i in range(600)]), bootstrap_mean(values)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.01)
    assert found.low < plain.low and found.high > plain.high  # by Student's t of 599


def test_a_share_covers_at_a_familys_correlation_and_counting_tasks_does_not() -> None:
    rng = np.random.default_rng(2)
    for p in (0.02, 0.1, 0.35, 0.97):
        missed = {"families": 0, "tasks": 0}
        for _ in range(400):
            flags = outcomes(rng, p, 0.64)
            wide, narrow = share(flags, NAMES), wilson(sum(flags), len(flags))
            missed["families"] += not wide.low <= p <= wide.high
            missed["tasks"] += not narrow.low <= p <= narrow.high
        assert missed["families"] / 400 <= 0.075, p  # 5%, and two standard errors
        assert missed["tasks"] / 400 >= 0.25, p


def test_a_mean_covers_with_few_clusters() -> None:
    rng = np.random.default_rng(3)
    names = [str(i // 5) for i in range(12 * 5)]
    covered = 0
    for trial in range(300):
        values = np.repeat(rng.normal(size=12), 5) + 0.3 * rng.normal(size=60)
        found = mean(values, names, seed=trial, samples=1000)
        covered += found.low <= 0 <= found.high
    assert covered / 300 >= 0.92


def test_a_share_that_few_clusters_decide_counts_clusters() -> None:
    few = [i < (RARE - 1) * TASKS and i % TASKS == 0 for i in range(len(NAMES))]
    low, high = share(few, NAMES).low, share(few, NAMES).high
    assert high - low >= wilson(1, FAMILIES).high - wilson(1, FAMILIES).low
    nothing = share([False] * len(NAMES), NAMES)
    assert nothing.low == 0 and nothing.high == pytest.approx(wilson(0, FAMILIES).high)


def test_signs_of_whole_families_are_flipped() -> None:
    gains = [1.0 if name in ("0", "1", "2", "3") else 0.0 for name in NAMES]
    # Four families of nine: 2 of the 16 assignments are as extreme. Task by task p would be 3e-11.
    assert change_p(gains, NAMES) == pytest.approx(2 / 16, abs=0.02)
    before, after = [False] * len(NAMES), [gain > 0 for gain in gains]
    assert paired_p(before, after, NAMES) == change_p(gains, NAMES)
    assert change_p(gains, NAMES, 1) < 0.001


def test_what_no_change_excludes() -> None:
    """One family gained and one lost are counted besides: 59 that did not change exclude 5%."""
    same = [1.0] * len(NAMES)
    due = -2.0003 * math.sqrt(61 / 60 * 2) / 61  # t at 60 degrees of freedom
    assert worst_difference(same, same, NAMES) == pytest.approx(due, rel=1e-3)
    assert worst_difference([1.0], [1.0], ["a"]) == -1.0
    lost = [float(i >= 3 * TASKS) for i in range(len(NAMES))]
    assert worst_difference(lost, same, NAMES) < -3 / FAMILIES
    with pytest.raises(ValueError, match="no values"):
        worst_difference([], [], [])


def test_counts_by_game_are_the_same_share() -> None:
    flags = [i % 3 == 0 and i < 300 for i in range(len(NAMES))]
    counts = np.reshape(flags, (FAMILIES, TASKS)).sum(axis=1)
    found, due = share_of_counts(counts.tolist(), [TASKS] * FAMILIES), share(flags, NAMES)
    assert (found.low, found.high) == pytest.approx((due.low, due.high))
    assert share_of_counts([0, 3], [0, 4]).clusters == 1


def test_nothing_gives_nothing_one_cluster_bounds_nothing_and_lengths_must_agree() -> None:
    assert math.isnan(mean([], []).value) and math.isnan(share([], []).value)
    single = mean([0.1, 0.4], ["a", "a"])
    assert single.value == 0.25 and single.as_dict()["low"] is None
    with pytest.raises(ValueError, match="cannot be paired"):
        mean([1.0], [])
    with pytest.raises(ValueError, match="cannot be paired"):
        difference([1.0], [1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="cannot be paired"):
        share_of_counts([1], [2, 3])


def test_rows_name_their_cluster_and_those_of_before_have_their_family() -> None:
    assert cluster_of({"task_id": "t", "cluster": "c", "key": "families/add/1/0"}) == "c"
    assert cluster_of({"task_id": "t", "key": "families/add/1/0"}) == "families/add"
    assert cluster_of({"task_id": "t", "key": "HumanEval/3"}) == "HumanEval/3"
    assert cluster_of({"task_id": "chess/abc", "fen": "8/8"}) == "chess/abc"


def row(key: str, passed: bool) -> dict[str, object]:
    return {"task_id": key, "key": key, "verdict": "pass" if passed else "fail"}


def test_the_summary_counts_families_and_the_first_formula_is_kept() -> None:
    keys = [f"families/f{i // 3}/1/{i}" for i in range(12)]
    base, final = [row(key, False) for key in keys], [row(key, "f0" in key) for key in keys]
    found = rows.paired_of(base, final, rows.passed)["pass_rate"]
    assert found["difference"]["value"] == 0.25 and found["difference"]["clusters"] == 4
    assert found["difference"]["low"] == 0.0 and found["difference"]["high"] >= 0.75
    assert found["p"] == 1.0  # a single family changed
    old = rows.paired_of(base, final, rows.passed, 1)["pass_rate"]
    assert old["p"] == 0.25 and "clusters" not in old["difference"]
    assert (old["by_family"]["n"], old["by_family"]["high"]) == (4, 0.75)
    other = [row(f"HumanEval/{i}", True) for i in range(3)]
    assert "clusters" not in rows.paired_of(other, other, rows.passed)["pass_rate"]["difference"]
    assert "by_family" not in rows.paired_of(other, other, rows.passed, 1)["pass_rate"]
