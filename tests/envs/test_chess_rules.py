"""The rules of one line: what they read off a position."""

from __future__ import annotations

import chess
import pytest

from envs.chess.rules import RULES, best_exchange, first_capture, mate_or_material

ROOK_HANGS = "6k1/5pp1/8/3r4/8/2N5/5PPP/3R2K1 w - - 0 1"


def san(name: str, fen: str) -> str | None:
    board = chess.Board(fen)
    move = RULES[name](board)
    return None if move is None else board.san(move)


@pytest.mark.parametrize(
    ("fen", "first", "exchange", "mate"),
    [
        (chess.STARTING_FEN, None, None, None),
        # Two ways to take a rook that nobody defends: the first as text.
        (ROOK_HANGS, "Nxd5", "Nxd5", "Nxd5"),
        # The knight takes a defended rook: two pawns' worth gained; nothing hangs.
        ("6k1/5pp1/4p3/3r4/8/2N5/5PPP/6K1 w - - 0 1", None, "Nxd5", "Nxd5"),
        # The queen would be lost for a defended pawn: nothing to take.
        ("6k1/5pp1/4p3/3p4/8/2Q5/5PPP/3Q2K1 w - - 0 1", None, None, None),
        # En passant takes a pawn, although the square is empty.
        ("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 2", "exd6", "exd6", "exd6"),
        # A promotion is no capture; the new queen is worth more than a pawn that hangs.
        ("8/4P1k1/8/3p4/4P3/8/8/K7 w - - 0 60", "exd5", "exd5", "e8=Q"),
        # A promotion square that is defended gains nothing, and taking the defender does.
        ("3rk3/4P3/8/8/8/8/8/K7 w - - 0 1", None, "exd8=Q+", "exd8=Q+"),
        # Mate stands in the list.
        ("6k1/5ppp/8/n7/1P6/8/5PPP/3R2K1 w - - 0 1", "bxa5", "bxa5", "Rd8#"),
        # The king may take what nobody defends.
        ("8/8/8/8/8/8/1p6/K3k3 w - - 0 1", "Kxb2", "Kxb2", "Kxb2"),
    ],
)
def test_what_the_rules_play(
    fen: str, first: str | None, exchange: str | None, mate: str | None
) -> None:
    found = tuple(san(name, fen) for name in RULES)
    assert found == (first, exchange, mate)


def test_rules_leave_the_board_as_it_was() -> None:
    board = chess.Board(ROOK_HANGS)
    for rule in (first_capture, best_exchange, mate_or_material):
        rule(board)
    assert board.fen() == ROOK_HANGS and not board.move_stack
