"""Small versions, with fixed seeds, of what benchmarks/gate_errors.py measures at length."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks import gate_errors as bench
from selfplay.domains import rows
from selfplay.gate.decide import decide


def test_outcomes_are_correlated_as_they_should_be() -> None:
    rng = np.random.default_rng(0)
    versions = bench.Versions()
    old = np.array([versions.draw(rng)[0] for _ in range(300)])
    assert old.mean() == pytest.approx(bench.PASSED, abs=0.02)
    pairs = old[:, :59], old[:, 59:118]  # two tasks of each family
    correlation = np.corrcoef(pairs[0].ravel(), pairs[1].ravel())[0, 1]
    assert correlation == pytest.approx(bench.CORRELATION, abs=0.03)


@pytest.mark.parametrize("turnover", [0.2, 1.0])
def test_no_true_change_is_rarely_called_one(turnover: float) -> None:
    found = bench.decisions(bench.Versions(turnover=turnover), 100)
    # 2.5 expected; more than 7 of 100 has a chance of 0.4%.
    assert found["better"] <= 7 and found["worse"] <= 7


def test_the_benchmark_decides_as_the_gate() -> None:
    versions = bench.Versions(turnover=0.3, gain=0.1)
    found: Counter[str] = Counter()
    for trial in range(12):
        before, after = versions.evaluations(np.random.default_rng([trial, 11]))
        (suite,) = decide(before, after, utility=lambda _, row: rows.passed(row)).suites
        found[suite.change] += 1
        found["not_worse"] += bool(suite.not_worse)
    assert bench.decisions(versions, 12) == found and found["better"] and found["even"]


def test_counting_tasks_calls_many() -> None:
    found = bench.decisions(bench.Versions(turnover=0.2), 60, 1)
    assert found["better"] + found["worse"] >= 10


def test_a_gain_is_found_and_a_loss_of_the_margin_is_not_let_through() -> None:
    assert bench.decisions(bench.Versions(gain=0.3), 40)["better"] >= 30
    lost = bench.Versions(turnover=0.05, loss=0.316)
    assert bench.true_change(lost, 1000) == pytest.approx(-bench.MARGIN, abs=0.005)
    assert bench.decisions(lost, 80)["not_worse"] <= 7  # 2 expected; more has a chance of 0.1%
    assert bench.decisions(bench.Versions(turnover=0.05), 40)["not_worse"] >= 30


def test_the_tables_are_made() -> None:
    assert bench.markdown({"A": [["x"], ["1"]]}) == "## A\n\n| x |\n| --- |\n| 1 |"
