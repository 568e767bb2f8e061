"""Endings: by the rules of chess, by faults, by limits and by adjudication."""

from __future__ import annotations

import chess
import pytest

from selfplay.config.match import MatchConfig
from selfplay.league.player import Choice
from selfplay.league.referee import Ending, MatchGame, Referee


def game_at(fen: str = chess.STARTING_FEN, number: int = 1) -> MatchGame:
    return MatchGame.begin(1, number, chess.Board(fen))


def never(board: chess.Board) -> float:
    raise AssertionError("the engine was asked for nothing")


def move(uci: str, tries: int = 1) -> Choice:
    return Choice(chess.Move.from_uci(uci), tries)


def test_mate_is_a_win_and_nobody_asks_the_engine() -> None:
    game = game_at("7k/8/6KQ/8/8/8/8/8 w - - 0 1")
    game.take(move("h6g7"))
    Referee(MatchConfig(), never).judge(game)
    assert game.ending == Ending("1-0", "normal", "checkmate")


def test_repetition_and_fifty_moves_are_drawn_at_once() -> None:
    game = game_at()
    referee = Referee(MatchConfig(), never)
    for uci in ("g1f3", "g8f6", "f3g1", "f6g8") * 2:
        assert game.ending is None
        game.take(move(uci))
        referee.judge(game)
    assert game.ending == Ending("1/2-1/2", "normal", "threefold repetition")
    late = game_at("7k/8/6KR/8/8/8/8/8 b - - 99 90")
    late.take(move("h8g8"))
    referee.judge(late)
    assert late.ending == Ending("1/2-1/2", "normal", "fifty moves")


@pytest.mark.parametrize(
    ("fault", "tries", "termination", "detail"),
    [
        ("illegal", 3, "rules infraction", "illegal move after 3 tries: Ke9"),
        ("unparsable", 1, "rules infraction", "unparsable answer at the first try: Ke9"),
        ("no answer", 1, "abandoned", "no answer: Ke9"),
    ],
)
def test_a_player_without_a_move_has_lost(
    fault: str, tries: int, termination: str, detail: str
) -> None:
    for fen, result in ((chess.STARTING_FEN, "0-1"), (MOVED, "1-0")):
        game = game_at(fen)
        game.take(Choice(None, tries, fault, "Ke9"))  # type: ignore[arg-type]
        assert game.ending == Ending(result, termination, detail)  # type: ignore[arg-type]
        Referee(MatchConfig(), never).judge(game)
        assert game.ending.result == result


MOVED = "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1"


def test_tries_are_counted_by_colour_and_player() -> None:
    game = game_at(number=2)
    assert game.mover == 1  # player B is White in the second game
    game.take(move("e2e4", tries=2))
    assert game.mover == 0
    game.take(move("e7e5"))
    game.take(move("g1f3"))
    assert game.asked == {True: 2, False: 1}
    assert game.first_try == {True: 1, False: 1}
    assert game.notes == {0: "2 tries"}


@pytest.mark.parametrize(
    ("limit", "chance", "result"),
    [
        (0.9, 0.95, "1-0"),
        (0.9, 0.05, "0-1"),
        (0.9, 0.2, "1/2-1/2"),
        (0.9, 0.9, "1-0"),
        (None, 0.95, "1/2-1/2"),
    ],
)
def test_at_the_limit_the_engine_decides_if_it_may(
    limit: float | None, chance: float, result: str
) -> None:
    match = MatchConfig(max_plies=2, opening_plies=(0, 1), limit_win=limit)
    game = game_at()
    game.take(move("e2e4"))
    referee = Referee(match, lambda board: chance)
    referee.judge(game)
    assert game.ending is None
    game.take(move("e7e5"))
    referee.judge(game)
    assert game.ending is not None
    assert (game.ending.result, game.ending.termination) == (result, "adjudication")


def play_on(match: MatchConfig, chances: list[float]) -> tuple[Ending | None, int]:
    """Play knight moves that never repeat; `chances` are White's, ply by ply."""
    game = game_at()
    white = iter(chances)

    def chance(board: chess.Board) -> float:
        now = next(white)
        return now if board.turn == chess.WHITE else 1 - now

    referee = Referee(match, chance)
    tour = ["a2a3", "a7a6", "b2b3", "b7b6", "c2c3", "c7c6", "d2d3", "d7d6", "e2e3", "e7e6"]
    for ply, uci in enumerate(tour[: len(chances)], start=1):
        game.take(move(uci))
        referee.judge(game)
        if game.ending is not None:
            return game.ending, ply
    return None, len(chances)


def test_a_side_that_stays_winning_wins() -> None:
    match = MatchConfig(resign_win=0.9, resign_plies=3)
    assert play_on(match, [0.95, 0.95, 0.8, 0.95, 0.95, 0.95, 0.5]) == (
        Ending("1-0", "adjudication", "won for 3 plies"),
        6,
    )
    assert play_on(match, [0.05] * 5) == (Ending("0-1", "adjudication", "won for 3 plies"), 3)
    assert play_on(match, [0.95, 0.05] * 4) == (None, 8)


def test_an_even_game_is_drawn_after_its_time() -> None:
    match = MatchConfig(draw_gap=0.02, draw_plies=3, draw_from=4)
    assert play_on(match, [0.5] * 9) == (Ending("1/2-1/2", "adjudication", "even for 3 plies"), 7)
    assert play_on(match, [0.5] * 5 + [0.6] + [0.5] * 2) == (None, 8)
