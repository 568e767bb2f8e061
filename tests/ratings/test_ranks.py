"""Rank groups: equal ones are seldom parted, unequal ones far more often than by intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from selfplay.ratings.ranks import ALPHA, Estimates, ranks

NO = np.zeros


def independent(values: list[float], deviation: float, observations: int = 200) -> Estimates:
    """Values that vary independently, by a column of the identity each."""
    size = len(values)
    open_ = np.zeros(size, dtype=np.bool_)
    spread = deviation * np.eye(size)
    count = np.full(size, float(observations))
    return Estimates(np.array(values), spread, count, NO(size), open_, open_)


def test_differences_are_tested_not_intervals() -> None:
    # 1.96 deviations each way overlap, their difference is 2.83 deviations of it (p = 0.005).
    assert ranks(independent([4.0, 0.0], 1.0)) == [1, 2]
    assert ranks(independent([2.5, 0.0], 1.0)) == [1, 1]


def test_what_varies_together_is_distinguished() -> None:
    open_ = np.zeros(2, dtype=np.bool_)
    together = np.array([[5.0, 5.0], [0.1, -0.1]])
    found = Estimates(np.array([1.0, 0.0]), together, np.full(2, 99.0), NO(2), open_, open_)
    assert ranks(found) == [1, 2]
    assert ranks(independent([1.0, 0.0], 5.0)) == [1, 1]


def test_holm_counts_all_pairs() -> None:
    # p = 0.02 for the two ends of three equal steps: enough for one pair, not for the first of 3.
    assert ranks(independent([3.3, 0.0], 1.0)) == [1, 2]
    assert ranks(independent([3.3, 1.65, 0.0], 1.0)) == [1, 1, 1]
    # Once a pair is rejected, fewer are left: 8 against 0 and 4.8, then 4.8 against 0.
    assert ranks(independent([8.0, 3.2, 0.0], 1.0, 10_000)) == [1, 2, 3]


def test_few_observations_have_a_wide_t() -> None:
    assert ranks(independent([4.0, 0.0], 1.0, 200)) == [1, 2]
    assert ranks(independent([4.0, 0.0], 1.0, 4)) == [1, 1]
    assert ranks(independent([1e9, 0.0], 1.0, 1)) == [1, 1]


def test_infinite_ratings_have_bounds_and_nan_no_rank() -> None:
    values = np.array([math.inf, 0.0, -math.inf, math.nan])
    open_ = np.zeros(4, dtype=np.bool_)
    found = Estimates(values, np.ones((1, 4)), np.full(4, 50.0), NO(4), open_, open_)

    def near(entry: int, chance: float) -> tuple[float, float]:
        assert 0 < chance < ALPHA
        return (1.0, math.inf) if entry == 0 else (-math.inf, -100.0)

    # The first's bound is within the second's interval, the third's is far below it.
    assert ranks(found, near) == [1, 1, 3, None]
    assert ranks(found) == [1, 1, 1, None]


def test_a_rating_that_many_resamples_lose_is_not_above_anybody() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.normal([500.0, 0.0], 1.0, size=(100, 2))
    drawn[:10, 0] = -math.inf
    made = Estimates.of_resamples(np.array([500.0, 0.0]), drawn, np.full(2, 99.0), NO(2))
    assert ranks(made) == [1, 1]
    drawn[:10, 0] = math.inf  # upwards it does no harm
    made = Estimates.of_resamples(np.array([500.0, 0.0]), drawn, np.full(2, 99.0), NO(2))
    assert ranks(made) == [1, 2]


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12),
    st.integers(2, 300),
    st.integers(0, 2**31),
)
def test_no_two_of_one_rank_are_parted_and_ranks_follow_values(
    values: list[float], observations: int, seed: int
) -> None:
    spread: NDArray[np.float64] = np.random.default_rng(seed).normal(0, 60, (5, len(values)))
    open_ = np.zeros(len(values), dtype=np.bool_)
    count = np.full(len(values), float(observations))
    found = Estimates(np.array(values), spread, count, NO(len(values)), open_, open_)
    places = ranks(found)
    assert min(place for place in places if place is not None) == 1
    best = int(np.argmax(values))
    assert places[best] == 1
    for place in places:
        assert place is not None and place <= len(values)


@pytest.mark.parametrize("players", [2, 12])
def test_equal_ones_are_seldom_parted(players: int) -> None:
    rng = np.random.default_rng(players)
    parted = 0
    for _ in range(400):
        values = rng.normal(0, 1, players)
        parted += set(ranks(independent(values.tolist(), 1.0))) != {1}
    assert parted / 400 <= 0.075  # 5%, and 2.3 standard errors
