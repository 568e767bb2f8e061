"""Statistics against closed forms and published values."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.stats.clustered import difference
from selfplay.stats.intervals import bootstrap_mean, mcnemar, pass_at_k, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe 1998, Stat. Med. 17, 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(
    successes: int, n: int, low: float, high: float
) -> None:
    interval = wilson(successes, n)
    assert interval.value == pytest.approx(successes / n)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)
    assert interval.n == n


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_value_and_mirrors(case: tuple[int, int]) -> None:
    successes, n = case
    interval = wilson(successes, n)
    mirror = wilson(n - successes, n)
    assert 0.0 <= interval.low <= interval.value <= interval.high <= 1.0
    assert interval.high > interval.low
    assert mirror.low == pytest.approx(1 - interval.high, abs=1e-12)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_wilson_ends_solve_the_score_equation(case: tuple[int, int]) -> None:
    successes, n = case
    z = 1.959964
    interval = wilson(successes, n, z)
    p = successes / n
    assert abs(p - interval.low) == pytest.approx(
        z * math.sqrt(interval.low * (1 - interval.low) / n), abs=1e-9
    )


def test_no_observation_supports_nothing_and_is_strict_json() -> None:
    assert wilson(0, 0).as_dict() == {"value": None, "low": 0.0, "high": 1.0, "n": 0}
    nothing = bootstrap_mean([]).as_dict()
    assert json.loads(json.dumps(nothing, allow_nan=False)) == {
        "value": None,
        "low": None,
        "high": None,
        "n": 0,
    }


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (0, -1)])
def test_wilson_refuses_impossible_counts(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="must lie between"):
        wilson(successes, n)


def test_bootstrap_of_the_mouse_data() -> None:
    # Efron and Tibshirani 1993, tables 2.1 and 2.2: mean 86.86, bootstrap standard error 23.36.
    treatment = [94.0, 197, 16, 38, 99, 141, 23]
    interval = bootstrap_mean(treatment, samples=50_000)
    assert interval.value == pytest.approx(86.86, abs=0.005)
    assert (interval.high - interval.low) / (2 * 1.96) == pytest.approx(23.36, rel=0.05)


def test_bootstrap_of_a_coin_has_binomial_quantiles() -> None:
    # The mean of a resample of 30 heads in 100 is Binomial(100, 0.3) / 100: quantiles 21 and 39.
    interval = bootstrap_mean([1.0] * 30 + [0.0] * 70, samples=20_000)
    assert interval.value == pytest.approx(0.3)
    assert interval.n == 100
    assert interval.low == pytest.approx(0.21, abs=0.011)
    assert interval.high == pytest.approx(0.39, abs=0.011)


def test_bootstrap_repeats_under_its_seed_and_not_under_another() -> None:
    values = np.random.default_rng(5).normal(size=64)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values.tolist(), seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_bootstrap_in_many_chunks_covers_like_the_normal_limit() -> None:
    # 50,000 values are drawn 40 resamples at a time.
    values = np.random.default_rng(3).normal(2.0, 3.0, size=50_000)
    interval = bootstrap_mean(values, samples=500)
    half = 1.96 * values.std() / math.sqrt(values.size)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.15)


def test_bootstrap_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    hits = 0
    for trial in range(400):
        interval = bootstrap_mean(rng.exponential(1.0, size=60), seed=trial, samples=1000)
        hits += interval.low <= 1.0 <= interval.high
    # Percentile intervals of a skewed mean fall a little short of 95% (Efron and Tibshirani 1993).
    assert 0.89 <= hits / 400 <= 0.975


@pytest.mark.parametrize("bad", [[1.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_bootstrap_refuses_what_has_no_mean(bad: list[float]) -> None:
    with pytest.raises(ValueError, match=r"finite|one-dimensional"):
        bootstrap_mean(bad)


def test_pairing_removes_what_the_items_share() -> None:
    rng = np.random.default_rng(2)
    shared = rng.normal(0, 10, size=200)
    a, b = shared + rng.normal(0, 0.1, size=200), shared + 0.05
    names = [str(i) for i in range(200)]
    paired = difference(a, b, names)
    assert paired.value == pytest.approx(float((a - b).mean()))
    assert paired.high < 0
    unpaired = bootstrap_mean(a)
    assert (paired.high - paired.low) < 0.05 * (unpaired.high - unpaired.low)
    with pytest.raises(ValueError, match="cannot be paired"):
        difference(a, b[:-1], names[:-1])


def _changes(gained: int, lost: int, same: int = 12) -> tuple[list[bool], list[bool]]:
    before = [False] * gained + [True] * lost + [True, False] * same
    after = [True] * gained + [False] * lost + [True, False] * same
    return before, after


def test_mcnemar_gives_the_published_value() -> None:
    # Fagerland et al. 2013, table 1 (airway hyper-responsiveness): 1 and 7 changed, p = 0.070.
    assert mcnemar(*_changes(1, 7)) == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar(*_changes(7, 1)) == mcnemar(*_changes(1, 7))


@pytest.mark.parametrize(
    ("gained", "lost"), [(0, 0), (5, 5), (0, 9), (3, 14), (200, 150), (600, 2)]
)
def test_mcnemar_is_the_binomial_tail(gained: int, lost: int) -> None:
    n = gained + lost
    tail = math.fsum(math.comb(n, k) / 2**n for k in range(min(gained, lost) + 1))
    assert mcnemar(*_changes(gained, lost)) == pytest.approx(min(1.0, 2 * tail), rel=1e-12)


def test_mcnemar_refuses_what_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        mcnemar([True], [True, False])


@given(
    st.integers(1, 60).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))
    )
)
def test_pass_at_k_is_the_closed_form(case: tuple[int, int, int]) -> None:
    n, correct, k = case
    closed = 1 - math.comb(n - correct, k) / math.comb(n, k)
    assert pass_at_k(n, correct, k) == pytest.approx(closed, abs=1e-12)


def test_pass_at_k_is_the_mean_over_all_draws_of_k() -> None:
    outcomes = [True, False, False, True, False, False, False]
    draws = [any(draw) for draw in itertools.combinations(outcomes, 3)]
    assert pass_at_k(7, 2, 3) == pytest.approx(sum(draws) / len(draws))
    assert pass_at_k(7, 2, 1) == pytest.approx(2 / 7)


def test_pass_at_k_stays_exact_where_binomials_overflow_a_float() -> None:
    # One sample of 2,000 passes: half of all draws of 1,000 hold it.
    assert pass_at_k(2000, 1, 1000) == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize(
    ("n", "correct", "k"), [(5, 6, 1), (5, -1, 1), (5, 2, 6), (5, 2, 0), (0, 0, 1)]
)
def test_pass_at_k_refuses_impossible_counts(n: int, correct: int, k: int) -> None:
    with pytest.raises(ValueError, match="must lie between"):
        pass_at_k(n, correct, k)
