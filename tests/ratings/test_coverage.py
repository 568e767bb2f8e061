"""Small versions, with fixed seeds, of what benchmarks/ratings_coverage.py measures at length."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import ratings_coverage as bench
from selfplay.ratings import Sprt, expected_score
from tests.patience import computing


def test_simulated_pairs_have_the_mean_they_should_and_depend_on_each_other() -> None:
    rng = np.random.default_rng(0)
    for elo in (0.0, 150.0, -600.0):
        half_points = bench.play_pairs(rng, expected_score(elo), 40_000)
        error = half_points.std() / 200
        assert half_points.mean() == pytest.approx(4 * expected_score(elo), abs=3.5 * error)
    # In half points a game of score e has variance 4e(1 - e) - draws. Between equals e is 0.5 + c
    # and 0.5 - c, c uniform within 0.25, and the draws are 0.6 (0.5 - |c|).
    even = bench.play_pairs(rng, 0.5, 40_000)
    of_c = 0.25**2 / 3
    assert even.var() == pytest.approx(2 * (1 - 4 * of_c - 0.6 * (0.5 - 0.125)), rel=0.03)


@pytest.mark.parametrize(("elo", "pairs"), [(0.0, 30), (0.0, 100), (400.0, 100)])
def test_a_matchs_interval_covers(elo: float, pairs: int) -> None:
    assert 0.93 <= bench.match_coverage(elo, pairs, 1000, "wilson", seed=1) <= 0.97


@pytest.mark.parametrize("anchored", [True, False])
def test_ratings_cover(anchored: bool) -> None:
    elos = np.linspace(-150, 150, 5).tolist()
    share, worst = bench.rating_coverage(elos, 20, 120, 150, anchored=anchored)
    assert 0.93 <= share <= 0.97
    assert worst >= 0.88  # 120 tournaments: three standard errors below 95%


def test_equal_players_are_seldom_parted_and_neighbours_more_often_than_by_intervals() -> None:
    wrong, _, _ = bench.partings([0.0] * 6, 30, 80, 200)
    assert wrong <= 0.1125  # 5% expected; more than 9 of 80 has a chance of 1%
    _, right, apart = bench.partings([0.0, -40.0, -80.0], 200, 60, 200)
    assert right >= 0.3 and apart <= right / 3


def test_the_sprt_keeps_its_error_rates() -> None:
    test = Sprt(0, 60)
    accepted, rejected, pairs = bench.sprt_outcomes(test, 0.0, 300, 2000, seed=1)
    assert accepted <= 0.05 and accepted + rejected == 1 and pairs < 150
    accepted, rejected, pairs = bench.sprt_outcomes(test, 60.0, 300, 2000, seed=2)
    assert rejected <= 0.05 and accepted + rejected == 1 and pairs < 150


def test_a_puzzle_rating_covers() -> None:
    assert 0.93 <= bench.puzzle_coverage(1500.0, 200, 400) <= 0.97


def test_ten_thousand_games_among_two_hundred_are_fitted_in_time() -> None:
    # So 1,000 resamples take less than a minute of processor time, on a slow machine too.
    assert bench.fit_time(200, 5000, 20) < computing(0.4)


def test_the_tables_are_made() -> None:
    page = bench.markdown({"A": [["x", "y"], ["1", "2"]]})
    assert page == "## A\n\n| x | y |\n| --- | --- |\n| 1 | 2 |\n"
