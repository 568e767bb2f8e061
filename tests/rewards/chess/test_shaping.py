"""Reward shapes: their formulas at known points and what holds everywhere."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.errors import InputError
from rewards.chess.scores import MoveScore, PositionScores
from rewards.chess.shaping import SHAPES, shape_value
from tests.rewards.chess.strategies import position_scores

# Winning chances 0.5, 0.409, 0.0246; the two best tie.
SCORES = PositionScores(
    {
        "a": MoveScore.of(0, None),
        "b": MoveScore.of(-100, None),
        "c": MoveScore.of(None, -2),
        "d": MoveScore.of(0, None),
    },
    4,
    1000,
)
LOST = 0.5 - 1 / (1 + math.exp(0.368208))


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        ("regret", [1.0, 0.1 + 0.9 * (1 - 3 * LOST), 0.1, 1.0]),
        ("win_percent", [0.5, 0.5 - LOST, 1 / (1 + math.exp(3.68208)), 0.5]),
        (
            "lichess_accuracy",
            [
                1.0 - 1e-6,
                (103.1668 * math.exp(-4.354 * LOST) - 3.1669) / 100,
                (103.1668 * math.exp(-4.354 * (0.5 - 1 / (1 + math.exp(3.68208)))) - 3.1669) / 100,
                1.0 - 1e-6,
            ],
        ),
        ("best_move", [1.0, 0.0, 0.0, 1.0]),
        ("rank", [0.1 + 0.9 * 2.5 / 3, 0.1 + 0.9 / 3, 0.1, 0.1 + 0.9 * 2.5 / 3]),
    ],
)
def test_the_formulas(shape: str, values: list[float]) -> None:
    got = [shape_value(shape, SCORES, uci, 0.1, 3.0) for uci in "abcd"]
    assert got == pytest.approx(values, abs=2e-6)


def test_the_accuracy_of_a_blunder_is_cut_at_zero() -> None:
    scores = PositionScores({"a": MoveScore.of(1000, None), "b": MoveScore.of(-1000, None)}, 1, 1)
    assert shape_value("lichess_accuracy", scores, "b", 0.1, 3.0) == 0.0


floors = st.floats(0, 1, exclude_max=True)
slopes = st.floats(0, 1e6, exclude_min=True)


@given(st.sampled_from(SHAPES), position_scores(), floors, slopes)
def test_rewards_stay_in_range_and_grow_with_the_move(
    shape: str, scores: PositionScores, floor: float, slope: float
) -> None:
    value = {uci: shape_value(shape, scores, uci, floor, slope) for uci in scores.moves}
    assert all(0.0 <= v <= 1.0 for v in value.values())
    for one in scores.moves:
        for other in scores.moves:
            if scores.moves[one].strength > scores.moves[other].strength:
                assert value[one] >= value[other]
    if shape in ("regret", "best_move"):
        assert all(value[uci] == 1.0 for uci in scores.best_moves)
    if shape in ("regret", "rank"):
        assert all(v >= floor - 1e-12 for v in value.values())


@given(st.sampled_from(SHAPES), position_scores(), floors, slopes, st.none() | st.text())
def test_an_illegal_move_never_earns_anything(
    shape: str, scores: PositionScores, floor: float, slope: float, move: str | None
) -> None:
    if move not in scores.moves:
        assert shape_value(shape, scores, move, floor, slope) == 0.0


@pytest.mark.parametrize(
    ("shape", "floor", "slope", "fault"),
    [
        ("regrets", 0.1, 3.0, r"reward\.shape=regrets.*take one of regret"),
        ("regret", 1.0, 3.0, r"reward\.floor=1\.0"),
        ("regret", -0.1, 3.0, r"reward\.floor"),
        ("regret", math.nan, 3.0, r"reward\.floor"),
        ("regret", 0.1, 0.0, r"reward\.slope"),
        ("regret", 0.1, math.inf, r"reward\.slope"),
        ("regret", 0.1, math.nan, r"reward\.slope"),
    ],
)
def test_settings_out_of_range_are_refused(
    shape: str, floor: float, slope: float, fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        shape_value(shape, SCORES, "a", floor, slope)
