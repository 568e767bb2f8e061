"""Evaluations in comments, and the marks that follow from lichess's thresholds."""

from __future__ import annotations

import chess
import pytest

from rewards.chess.scores import MoveScore, PositionScores
from selfplay.leaderboard.analyse import judged
from selfplay.leaderboard.evaluations import Evaluation, Loss, comment_evaluations, losses
from tests.leaderboard.made_board import LONG


def scores(text: str, **options: bool) -> list[int | str | None]:
    found, _ = comment_evaluations(text, **options)
    return [e.as_json() if e else None for e in found]


def test_one_engines_evaluations_are_whites() -> None:
    text = "1. e4 {[%eval 0.31] [%clk 0:01:00]} e5 {best [%eval -1.5,20]} 2. Nf3 {[%eval #-3]} 1-0"
    assert scores(text) == [31, -150, "#-3"]
    assert comment_evaluations(text)[1] == "engine"


def test_players_evaluations_are_turned_to_white() -> None:
    text = "1. e4 {+0.31/12 0.50s} e5 {-0.20/9 1.2s} 2. Nf3 {+M5/20 0.1s} Nc6 {-M4/18 0.1s} *"
    assert scores(text) == [31, 20, "#5", "#4"]
    assert comment_evaluations(text)[1] == "players"
    assert scores("1... e5 {+0.20/9} 2. e4 {book}", black_first=True) == [-20, None]


def test_variations_annotations_and_other_comments_are_no_moves() -> None:
    text = """{before} 1. e4! $1 {[%eval 0.2]} (1. d4 {[%eval 9]} (1. c4) d5 {[%eval 8]}) 1... e5
    ; to the end of the line [%eval 3]
    2. Nf3 {brackets [in] a comment ( } Nc6 {[%eval 0.1]} 1/2-1/2"""
    assert scores(text) == [20, 300, None, 10]


def test_nothing_evaluated_is_nobodys() -> None:
    assert comment_evaluations("1. e4 {end of opening} e5 *") == ([None, None], None)
    assert comment_evaluations("") == ([], None)
    assert scores("1. e4 {[%eval #0]} e5 {[%eval x]} {+0.1}") == [None, None]


def test_losses_are_the_movers_and_never_negative() -> None:
    found = losses([Evaluation(30), Evaluation(300), Evaluation(-100), None, Evaluation(0)])
    assert found[0] is None and found[3] is None and found[4] is None
    black, white = found[1], found[2]
    assert black is not None and (black.cp, black.mark) == (270, "??")
    assert white is not None and white.cp == 400
    gained = losses([Evaluation(0), Evaluation(-50)])[1]
    assert gained == Loss(0, 0.0) and gained.mark == ""
    turned = losses([Evaluation(0), Evaluation(-50)], black_first=True)[1]
    assert turned is not None and turned.cp == 50


@pytest.mark.parametrize(
    ("lost", "mark"),
    [
        (0.049, ""),
        (0.05, "?!"),
        (0.0999, "?!"),
        (0.10, "?"),
        (0.1499, "?"),
        (0.15, "??"),
        (1, "??"),
    ],
)
def test_thresholds_are_lichess_ones(lost: float, mark: str) -> None:
    # 0.1, 0.2 and 0.3 of lichess's winning chances from -1 to 1.
    assert Loss(0, lost).mark == mark


def test_mates_and_large_scores_count_ten_pawns() -> None:
    assert Evaluation(None, -2).clamped == -1000 == Evaluation(-5000).clamped
    assert Evaluation(None, 1).win == Evaluation(1000).win == pytest.approx(0.97545, abs=1e-4)


def test_a_whole_game() -> None:
    found, source = comment_evaluations(LONG)
    assert source == "engine" and len(found) == 12
    marks = {ply: loss.mark for ply, loss in enumerate(losses(found)) if loss and loss.mark}
    assert marks == {5: "?!", 6: "?!", 7: "?!", 8: "?!", 10: "?", 11: "??"}


def test_the_analysis_compares_moves_of_one_search() -> None:
    """White plays the best move, Black the second of two, and White mates."""
    scored = iter(
        [
            {"e2e4": MoveScore.of(30, None), "d2d4": MoveScore.of(20, None)},
            {"e7e5": MoveScore.of(-20, None), "f7f6": MoveScore.of(-400, None)},
            {"d1h5": MoveScore.of(None, 1), "d2d4": MoveScore.of(400, None)},
        ]
    )
    moves = [chess.Move.from_uci(uci) for uci in ("e2e4", "f7f6", "d1h5")]
    found, lost = judged(chess.Board(), moves, lambda board: PositionScores(next(scored), 1, 9))
    assert [e.as_json() if e else None for e in found] == [30, 400, "#1"]
    assert [loss.cp if loss else None for loss in lost] == [0, 380, 0]
    assert [loss.mark if loss else None for loss in lost] == ["", "??", ""]
