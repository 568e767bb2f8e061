"""Scores, ranks, regrets and their round trip."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.chess.scores import MoveScore, PositionScores, ordered_win, win_probability
from tests.rewards.chess.strategies import position_scores


def of(**moves: tuple[int | None, int | None]) -> PositionScores:
    return PositionScores({uci: MoveScore.of(*score) for uci, score in moves.items()}, 5, 100)


@pytest.mark.parametrize(
    ("cp", "percent"),
    # 50 + 50 * (2 / (1 + exp(-0.00368208 * cp)) - 1), worked out by hand from lichess's formula.
    [(0, 50.0), (100, 59.1), (-100, 40.9), (300, 75.1), (1000, 97.54), (5000, 97.54)],
)
def test_win_probability_is_lichess_s(cp: int, percent: float) -> None:
    assert 100 * win_probability(cp, None) == pytest.approx(percent, abs=0.06)


def test_a_mate_counts_as_a_thousand_centipawns() -> None:
    assert win_probability(None, 9) == win_probability(1000, None)
    assert win_probability(None, -1) == win_probability(-1000, None)


@pytest.mark.parametrize("score", [(None, None), (1, 1)])
def test_a_score_is_either_centipawns_or_mate(score: tuple[int | None, int | None]) -> None:
    with pytest.raises(ValueError, match="never both or neither"):
        MoveScore.of(*score)


def test_the_shortest_mate_is_best_and_the_longest_defence_beats_a_short_one() -> None:
    scores = of(a=(None, 3), b=(None, 1), c=(900, None), d=(None, -1), e=(None, -5), f=(None, 1))
    assert scores.best_moves == ("b", "f")
    assert [scores.rank(uci) for uci in "bacedf"] == pytest.approx([0.9, 0.6, 0.4, 0.2, 0.0, 0.9])
    assert scores.random_best == pytest.approx(2 / 6)


def test_regret_is_the_lost_winning_chance() -> None:
    scores = of(a=(0, None), b=(-1000, None))
    assert scores.regret("a") == 0.0
    assert scores.regret("b") == pytest.approx(0.5 - 1 / (1 + math.exp(3.68208)))
    assert scores.random_regret == pytest.approx(scores.regret("b") / 2)
    with pytest.raises(KeyError):
        scores.regret("c")


@given(position_scores())
def test_what_holds_of_all_positions(scores: PositionScores) -> None:
    moves = scores.moves
    assert PositionScores.from_json(scores.to_json()) == scores
    assert set(scores.best_moves) <= set(moves) and scores.best_moves
    assert all(scores.regret(uci) == 0.0 for uci in scores.best_moves)
    assert all(0.0 <= scores.regret(uci) <= 1.0 for uci in moves)
    assert all(0.0 <= scores.rank(uci) <= 1.0 for uci in moves)
    assert scores.random_regret == pytest.approx(sum(map(scores.regret, moves)) / len(moves))
    assert 0.0 < scores.random_best <= 1.0
    if len(moves) > 1:
        assert sum(map(scores.rank, moves)) == pytest.approx(len(moves) / 2)
    for one in moves:
        for other in moves:
            if moves[one].strength > moves[other].strength:
                assert moves[one].win >= moves[other].win
                assert scores.rank(one) > scores.rank(other)


@given(st.integers(-2000, 2000), st.integers(-2000, 2000))
def test_more_centipawns_never_win_less(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert win_probability(low, None) <= win_probability(high, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"depth":1,"nodes":1,"moves":{}}',
        '{"depth":1,"nodes":1,"moves":{"e2e4":[1,1]}}',
        '{"depth":1,"nodes":1,"moves":{"e2e4":[null,0]}}',
        '{"depth":1,"nodes":1,"moves":{"e2e4":[1.5,null]}}',
        '{"depth":1,"nodes":1,"moves":{"e2e4":["1",null]}}',
        '{"depth":1,"nodes":1,"moves":{"e2e4":[1e9999,null]}}',
        '{"depth":1,"nodes":1,"moves":{"e2e4":5}}',
        "[" * 100_000,
    ],
)
def test_what_are_no_scores_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        PositionScores.from_json(text)


SCORES = st.one_of(
    st.tuples(st.integers(-30_000, 30_000), st.none()),
    st.tuples(st.none(), st.integers(-300, 300).filter(bool)),
)


@given(SCORES, SCORES)
def test_the_ordered_chance_grows_strictly_with_the_move(
    one: tuple[int | None, int | None], other: tuple[int | None, int | None]
) -> None:
    low, high = sorted((MoveScore.of(*one), MoveScore.of(*other)), key=lambda s: s.strength)
    chances = [ordered_win(score.cp, score.mate) for score in (low, high)]
    assert 0.0 <= chances[0] <= chances[1] <= 1.0
    assert (chances[0] < chances[1]) == (low.strength < high.strength)


@given(st.integers(-1000, 1000))
def test_up_to_the_ceiling_the_ordered_chance_is_lichess_s(cp: int) -> None:
    assert ordered_win(cp, None) == win_probability(cp, None)


def test_the_ordered_chance_by_hand() -> None:
    top = 1 / (1 + math.exp(-3.68208))
    assert ordered_win(None, 1) == 1.0 and ordered_win(None, -1) == 0.0
    assert ordered_win(None, 2) == pytest.approx(top + (1 - top) * 0.75)
    assert ordered_win(2000, None) == pytest.approx(top + (1 - top) * 0.25)
    assert ordered_win(-2000, None) == pytest.approx((1 - top) * 0.75)
    scores = of(a=(None, 1), b=(None, 3), c=(1500, None), d=(1200, None))
    assert len({scores.regret(uci) for uci in "abcd"}) == 1
    assert len({scores.ordered().regret(uci) for uci in "abcd"}) == 4
    assert scores.ordered().best_moves == scores.best_moves == ("a",)
