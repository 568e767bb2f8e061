"""The UCI commands read without an engine."""

from __future__ import annotations

import chess
import hypothesis
import hypothesis.strategies as st
import pytest

from envs.errors import InputError
from selfplay.league.uci_words import Go, parse_go, parse_option, parse_position

START = chess.Board()
E4 = chess.Move.from_uci("e2e4")
D4 = chess.Move.from_uci("d2d4")


def test_positions_keep_their_history() -> None:
    board = parse_position(["startpos", "moves", "e2e4", "e7e5", "g1f3"])
    assert [move.uci() for move in board.move_stack] == ["e2e4", "e7e5", "g1f3"]
    fen = "4k3/P7/8/8/8/8/8/4K2R w K - 3 40"
    board = parse_position(f"fen {fen} moves a7a8Q".split())
    assert board.root().fen() == fen and board.peek().uci() == "a7a8q"
    assert parse_position(["startpos"]) == START


def test_a_thousand_moves_are_a_position() -> None:
    shuffle = ["g1f3", "g8f6", "f3g1", "f6g8"] * 250
    board = parse_position(["startpos", "moves", *shuffle])
    assert len(board.move_stack) == 1000
    assert board.board_fen() == START.board_fen()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "give startpos or fen"),
        ("fen 8/8/8/8/8/8/8/8 w - - 0 1", "not a legal position"),
        ("fen rubbish", "cannot be read"),
        ("startpos moves e2e5", "move 1, 'e2e5', is not legal"),
        ("startpos moves e2e4 0000", "move 2, '0000', is not legal"),
        ("startpos moves e2e4 \x1b[2J", "move 2"),
    ],
)
def test_a_bad_position_is_reported(words: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_position(words.split())
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("words", "go"),
    [
        ("", Go()),
        ("depth 5", Go()),
        ("nodes 100 mate 3", Go()),
        ("infinite", Go(hold=True)),
        ("ponder wtime 1000 btime 1000", Go(hold=True, budget_s=1 / 30)),
        ("movetime 250", Go(budget_s=0.25)),
        ("wtime 30000 btime 1 winc 500", Go(budget_s=1.5)),
        ("wtime 30000 btime 1 movestogo 10", Go(budget_s=3.0)),
        ("wtime 100 btime 1 winc 5000", Go(budget_s=0.1)),
        ("wtime -50 btime 1", Go(budget_s=0.0)),
        ("searchmoves e2e4 d2d4", Go(only=frozenset({E4, D4}))),
        ("searchmoves e2e4 movetime 100", Go(only=frozenset({E4}), budget_s=0.1)),
        ("infinite searchmoves e2e4 e2e5", Go(only=frozenset({E4}), hold=True)),
        ("searchmoves e7e5", Go()),
        ("movetime", Go()),
        ("movetime soon", Go()),
        ("movetime infinite", Go(hold=True)),
        ("quickly please depth 3", Go()),
    ],
)
def test_go_in_its_forms(words: str, go: Go) -> None:
    assert parse_go(words.split(), START) == go


WORDS = st.sampled_from(
    ["searchmoves", "e2e4", "0000", "wtime", "-1", "99", "ponder", "movetime", "infinite", "x"]
)


@hypothesis.given(st.lists(WORDS | st.text(min_size=1, max_size=8), max_size=12))
def test_any_go_is_read(words: list[str]) -> None:
    go = parse_go(words, START)
    assert go.only is None or all(START.is_legal(move) for move in go.only)
    assert go.budget_s is None or go.budget_s >= 0


def test_options_have_names_with_spaces_and_values_with_spaces() -> None:
    assert parse_option(["name", "Some", "Thing", "value", "a", "b"]) == ("some thing", "a b")
    assert parse_option(["name", "Clear"]) == ("clear", "")
    with pytest.raises(InputError, match="setoption name NAME value VALUE"):
        parse_option(["Tries", "value", "3"])
