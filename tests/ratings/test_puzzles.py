"""Puzzle ratings: closed form, a search of the likelihood, and the ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.ratings import elo_of_score, expected_score, puzzle_rating

ANSWERS = st.lists(st.tuples(st.floats(300, 3000), st.booleans()), min_size=1, max_size=60)


def test_equal_puzzles_in_closed_form() -> None:
    found = puzzle_rating([1500.0] * 100, [True] * 64 + [False] * 36)
    assert found.elo.value == pytest.approx(1500 + elo_of_score(0.64))
    se = 400 / math.log(10) / math.sqrt(100 * 0.64 * 0.36)
    assert found.se == pytest.approx(se)
    assert found.elo.high - found.elo.value == pytest.approx(1.959964 * se)
    assert (found.elo.n, found.solved) == (100, 64)


@given(ANSWERS)
def test_the_rating_explains_the_number_solved(answers: list[tuple[float, bool]]) -> None:
    ratings, solved = [r for r, _ in answers], [s for _, s in answers]
    found = puzzle_rating(ratings, solved)
    assert found.solved == sum(solved)
    if 0 < found.solved < len(answers):
        expected = sum(expected_score(found.elo.value - rating) for rating in ratings)
        assert expected == pytest.approx(found.solved, abs=1e-6)
    assert found.elo.low <= found.elo.value <= found.elo.high


def test_a_search_of_the_likelihood_finds_the_same() -> None:
    rng = np.random.default_rng(0)
    ratings = rng.uniform(600, 2400, 300)
    solved = rng.random(300) < 1 / (1 + 10 ** ((ratings - 1234) / 400))
    found = puzzle_rating(ratings.tolist(), solved.tolist())
    grid = np.arange(1000.0, 1500.0, 0.05)
    odds = (grid[:, None] - ratings) * math.log(10) / 400
    likelihood = (odds * solved - np.logaddexp(0, odds)).sum(axis=1)
    assert found.elo.value == pytest.approx(float(grid[likelihood.argmax()]), abs=0.05)
    # The curvature there is 1 / SE².
    peak = int(likelihood.argmax())
    curve = (likelihood[peak - 200] + likelihood[peak + 200] - 2 * likelihood[peak]) / 10.0**2
    assert found.se == pytest.approx(1 / math.sqrt(-curve), rel=1e-3)


def test_none_and_all_solved_leave_a_bound() -> None:
    none, every = (
        puzzle_rating([1000.0, 1000.0, 1000.0], [answer] * 3) for answer in (False, True)
    )
    reach = elo_of_score(0.025 ** (1 / 3))
    assert none.elo.value == -math.inf and none.elo.high == pytest.approx(1000 - reach)
    assert every.elo.value == math.inf and every.elo.low == pytest.approx(1000 + reach)
    assert none.se == every.se == math.inf


@pytest.mark.parametrize(
    ("ratings", "solved"), [([], []), ([1500.0], []), ([math.nan], [True]), ([math.inf], [False])]
)
def test_bad_puzzles_are_refused(ratings: list[float], solved: list[bool]) -> None:
    with pytest.raises(ValueError, match="rating"):
        puzzle_rating(ratings, solved)


def test_puzzles_of_one_game_are_one_observation() -> None:
    rng = np.random.default_rng(8)
    ratings = rng.uniform(1000, 2000, 60)
    solved = rng.random(60) < 1 / (1 + 10 ** ((ratings - 1500) / 400))
    once = puzzle_rating(ratings.tolist(), solved.tolist())
    four = [np.repeat(column, 4).tolist() for column in (ratings, solved)]
    games = [f"g{i // 4}" for i in range(240)]
    found, narrow = puzzle_rating(*four, games), puzzle_rating(*four)
    assert found.elo.value == pytest.approx(once.elo.value)
    # The robust error estimates what independent games have; counting puzzles halves it.
    assert narrow.se == pytest.approx(once.se / 2)
    assert 0.8 * once.se < found.se < 1.25 * once.se
    nothing = puzzle_rating(ratings.tolist(), [False] * 60)
    assert puzzle_rating(four[0], [False] * 240, games).elo.high == pytest.approx(nothing.elo.high)
    with pytest.raises(ValueError, match="of 1 games"):
        puzzle_rating([1500.0, 1600.0], [True, False], ["g"])
