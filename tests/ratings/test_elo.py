"""Elo of a match against published numbers and closed forms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.ratings import bound_when_all_lost, elo_of_score, expected_score, moments, pair_elo

PENTANOMIAL = st.lists(st.integers(0, 500), min_size=5, max_size=5).filter(any)

# fishtest's stat_util.get_elo (server/fishtest/stats/stat_util.py) for the counts of its own
# self-test, and for smaller ones: Elo, half the width of the 95% interval. It puts 0.001 for 0.
FISHTEST = [
    ([10789, 19328, 33806, 19402, 10543], -0.7735773359165423, 1.2775798957280218),
    ([39, 2226, 31451, 2412, 40], 0.902981048809024, 0.6625314859816553),
    ([1187, 7410, 13475, 7378, 1164], -0.4426077992236841, 1.7298590276177421),
    ([0.001, 3, 10, 5, 2], 52.49112967044888, 66.49054926047955),
    ([50, 400, 1000, 450, 60], 6.204866471299001, 6.235842323937144),
    ([5, 5, 5, 5, 5], 0.0, 98.88906720326875),
]

# fastchess's app/tests/elo_test.cpp: counts, Elo, error, both printed to 0.01 and compared to 1%.
FASTCHESS = [
    ([34, 54, 31 + 32, 64, 75], 55.58, 27.65),
    ([332, 433, 457 + 41, 333, 334], -8.64, 10.33),
    ([7895, 8757, 5485 + 200, 568, 9999], -21.04, 2.95),
]


@pytest.mark.parametrize(("counts", "elo", "half"), FISHTEST)
def test_fishtests_numbers(counts: list[float], elo: float, half: float) -> None:
    found = pair_elo(counts, "normal")
    assert found.value == pytest.approx(elo, rel=1e-9, abs=1e-9)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=1e-6)


@pytest.mark.parametrize(("counts", "elo", "half"), FASTCHESS)
def test_fastchess_numbers(counts: list[float], elo: float, half: float) -> None:
    found = pair_elo(counts, "normal")
    assert found.value == pytest.approx(elo, rel=0.01)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.01)


def test_single_games_are_counted_with_three_outcomes() -> None:
    # Wins 136, losses 96, draws 111: score 0.55831.
    assert pair_elo([96, 111, 136]).value == pytest.approx(elo_of_score((136 + 55.5) / 343))


def test_the_curve_at_known_points() -> None:
    assert expected_score(0) == 0.5
    assert expected_score(400) == pytest.approx(10 / 11)
    assert elo_of_score(0.75) == pytest.approx(190.848501887865)  # 400 log10(3)
    assert elo_of_score(0) == -math.inf and elo_of_score(1) == math.inf
    assert expected_score(1e6) == 1.0 and expected_score(-1e6) == 0.0


@given(st.floats(-1500, 1500))
def test_score_and_elo_are_inverse(elo: float) -> None:
    assert elo_of_score(expected_score(elo)) == pytest.approx(elo, abs=1e-6)


def test_moments_by_hand() -> None:
    # Pair scores 0, 1/4, 1/4, 1: mean 3/8, squares about it sum to 9/64 + 2/64 + 25/64.
    n, mean, variance = moments([1, 2, 0, 0, 1])
    assert (n, mean) == (4, 0.375)
    assert variance == pytest.approx(36 / 64 / 4)


@given(PENTANOMIAL)
def test_the_interval_holds_the_value_and_mirrors(counts: list[int]) -> None:
    found, mirrored = pair_elo(counts), pair_elo(counts[::-1])
    assert found.low <= found.value <= found.high
    assert found.n == sum(counts)
    for end, other in ((found.low, mirrored.high), (found.high, mirrored.low)):
        assert end == pytest.approx(-other, abs=1e-6)


def test_both_methods_agree_on_many_pairs() -> None:
    counts = [1187, 7410, 13475, 7378, 1164]
    wilson, normal = pair_elo(counts), pair_elo(counts, "normal")
    assert (wilson.low, wilson.high) == pytest.approx((normal.low, normal.high), abs=0.01)


def test_results_that_do_not_vary_still_leave_doubt() -> None:
    won, drawn, one = (pair_elo(c) for c in ([0, 0, 0, 0, 10], [0, 0, 10, 0, 0], [0, 0, 0, 0, 1]))
    assert won.value == won.high == math.inf and 100 < won.low < 200
    assert drawn.value == 0 and drawn.low < -150 and drawn.high > 150
    assert one.low < -200
    assert pair_elo([0, 0, 0, 0, 100]).low > won.low + 300


def test_no_pairs_say_nothing() -> None:
    nothing = pair_elo([0, 0, 0, 0, 0])
    assert math.isnan(nothing.value) and (nothing.low, nothing.high) == (-math.inf, math.inf)


def test_the_bound_of_a_loser_leaves_one_in_forty() -> None:
    opponents, pairs = [0.0, -250.0, 90.0], [3, 5, 2]
    bound = bound_when_all_lost(opponents, pairs)
    chances = [(1 - expected_score(bound - opponent)) for opponent in opponents]
    assert math.prod(c**n for c, n in zip(chances, pairs, strict=True)) == pytest.approx(0.025)
    # One opponent: 1 - E = 0.025^(1/n).
    assert bound_when_all_lost([100], [10]) == pytest.approx(
        100 + elo_of_score(1 - 0.025 ** (1 / 10))
    )


@pytest.mark.parametrize("counts", [[], [1], [[1, 2]], [1, -1, 0], [1, math.nan, 0]])
def test_bad_counts_are_refused(counts: list[float]) -> None:
    with pytest.raises(ValueError, match="counts"):
        pair_elo(counts)


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan])
def test_impossible_scores_are_refused(score: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        elo_of_score(score)


def test_a_bound_needs_a_loss() -> None:
    for opponents, weights in (([], []), ([0.0], [0]), ([0.0, 1.0], [1])):
        with pytest.raises(ValueError, match="bound nothing"):
            bound_when_all_lost(opponents, weights)
