"""Openings of a match: distinct, balanced, the same for every length of the match."""

from __future__ import annotations

from pathlib import Path

import chess
import pytest

from envs.chess.files import load_pgn_openings
from envs.chess.position import position_key
from envs.errors import InputError
from selfplay.config.match import MatchConfig
from selfplay.league.openings import match_openings


def even(board: chess.Board) -> float:
    return 0.5


def keys(pairs: int, seed: int = 0, **match: object) -> list[str]:
    config = MatchConfig.model_validate(match)
    return [position_key(board) for board in match_openings(pairs, seed, config, even)]


def test_a_longer_match_begins_with_the_same_openings() -> None:
    long = keys(30)
    assert keys(10) == long[:10]
    assert len(set(long)) == 30
    assert keys(10, seed=1) != long[:10]


def test_their_length_is_the_one_asked_for() -> None:
    config = MatchConfig(opening_plies=(3, 5))
    lengths = {len(board.move_stack) for board in match_openings(40, 0, config, even)}
    assert lengths == {3, 4, 5}


def test_what_the_engine_calls_uneven_is_left_out() -> None:
    """Here a position is even when White has moved the e-pawn two steps."""
    e4 = chess.BB_E4

    def chance(board: chess.Board) -> float:
        return 0.5 if board.pawns & board.occupied_co[chess.WHITE] & e4 else 0.9

    config = MatchConfig(opening_plies=(5, 9), opening_max_win_gap=0.1)
    for board in match_openings(6, 0, config, chance):
        assert chance(board) == 0.5


def test_too_few_distinct_openings_are_reported() -> None:
    assert len(set(keys(20, opening_plies=(1, 1)))) == 20
    with pytest.raises(InputError, match="fewer than 21 distinct openings; allow more plies"):
        keys(21, opening_plies=(1, 1))


def test_a_book_is_dealt_in_an_order_of_the_seed(tmp_path: Path) -> None:
    book = tmp_path / "book.pgn"
    replies = ("e5", "c5", "e6", "c6", "d5", "d6", "g6", "Nf6", "Nc6", "a6")
    book.write_text("\n\n".join(f"1. e4 {reply} *" for reply in (*replies, "e5")))
    order = keys(10, openings=book)
    assert len(set(order)) == 10 and keys(4, openings=book) == order[:4]
    assert keys(10, seed=1, openings=book) != order
    with pytest.raises(InputError, match="10 distinct openings for 11 pairs; ask for 10 pairs"):
        keys(11, openings=book)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1. f3 e5 2. g4 Qh4# *", "game 1: the game is over there; take fewer plies"),
        ("1. e4 e5 *\n\n1. e4 Ke5 *", "game 2: "),
        ("1. e4 -- *", "null move"),
        ('[FEN "8/8/8/8/8/8/8/8 w - - 0 1"]\n\n*', "not a legal position"),
        ('[Variant "Atomic"]\n\n1. e4 *', "is not standard chess"),
        ("", "no games"),
    ],
)
def test_a_broken_book_is_reported_by_its_game(tmp_path: Path, text: str, message: str) -> None:
    book = tmp_path / "book.pgn"
    book.write_text(text)
    with pytest.raises(InputError, match=r"book\.pgn") as caught:
        load_pgn_openings(book)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_plies_are_cut_from_whole_games(tmp_path: Path) -> None:
    book = tmp_path / "book.pgn"
    book.write_text('[FEN "4k3/8/8/8/8/8/4P3/4K3 b - - 3 40"]\n\n40... Kd7 41. e4 Kd6 *')
    (board,) = load_pgn_openings(book, 2)
    assert board.fen() == "8/3k4/8/8/4P3/8/8/4K3 b - - 0 41"
    assert board.root().fen() == "4k3/8/8/8/8/8/4P3/4K3 b - - 3 40"
    assert len(load_pgn_openings(book)[0].move_stack) == 3
