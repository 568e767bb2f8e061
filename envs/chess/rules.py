"""Rules of one line that choose a move by what the prompt lists, without a model or an engine.

A policy that reads `fen_captures` has to do better than these to have learnt anything about chess:
each needs only the list of legal moves and of captures in the prompt. Where a rule finds nothing it
plays a uniformly random legal move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import chess

VALUES: Mapping[chess.PieceType, int] = {
    chess.PAWN: 1,
    chess.KNIGHT: 3,
    chess.BISHOP: 3,
    chess.ROOK: 5,
    chess.QUEEN: 9,
    chess.KING: 100,
}
"""Pawns' worth of the pieces; a king is never given for anything."""

Rule = Callable[[chess.Board], chess.Move | None]
"""The move that the rule reads off a position; None: any legal move."""


def first_capture(board: chess.Board) -> chess.Move | None:
    """Return the first undefended capture of the prompt's list.

    That is the one that takes the most valuable piece, of several the first as text in SAN.
    """
    free = [
        (taken, san, move) for taken, san, move in _captures(board) if not _defended(board, move)
    ]
    return min(free, key=lambda found: (-found[0], found[1]))[2] if free else None


def best_exchange(board: chess.Board) -> chess.Move | None:
    """Return the capture that gains most: what is taken, less the taker where it is defended.

    Of several the one that takes the most valuable piece, then the first as text in SAN; none where
    every capture loses material.
    """
    return _most_gained(board, list(board.generate_legal_captures()))


def mate_or_material(board: chess.Board) -> chess.Move | None:
    """Return a listed mate (`#`), else the move that gains most by capture or promotion.

    A promotion gains the new piece less the pawn, and nothing where the square is defended. Of
    several as `best_exchange`; none where no move gains or trades evenly.
    """
    mates = [(board.san(move), move) for move in board.legal_moves if _mates(board, move)]
    if mates:
        return min(mates, key=lambda found: found[0])[1]
    return _most_gained(board, [m for m in board.legal_moves if m.promotion or board.is_capture(m)])


RULES: Mapping[str, Rule] = {
    "first_capture": first_capture,
    "best_exchange": best_exchange,
    "mate_or_material": mate_or_material,
}
"""Name -> rule, the weaker first."""


def _most_gained(board: chess.Board, moves: list[chess.Move]) -> chess.Move | None:
    """Return the move of the highest gain that is not below 0."""
    gains = [
        (-_gain(board, m), -_taken(board, m), -(m.promotion or 0), board.san(m), m) for m in moves
    ]
    fair = [found for found in gains if found[0] <= 0]
    return min(fair, key=lambda found: found[:4])[4] if fair else None


def _captures(board: chess.Board) -> list[tuple[int, str, chess.Move]]:
    """Return (value of what is taken, SAN, move) of every legal capture."""
    return [(_taken(board, m), board.san(m), m) for m in board.generate_legal_captures()]


def _taken(board: chess.Board, move: chess.Move) -> int:
    """Return the value of what a move takes, 0 for nothing; en passant takes a pawn."""
    if not board.is_capture(move):
        return 0
    return VALUES[board.piece_type_at(move.to_square) or chess.PAWN]


def _gain(board: chess.Board, move: chess.Move) -> int:
    """Return the material gained if the square is then taken back where it is defended."""
    piece = board.piece_type_at(move.from_square)
    assert piece is not None, "a legal move moves a piece"
    gain = _taken(board, move)
    if move.promotion is not None:
        gain += VALUES[move.promotion] - VALUES[chess.PAWN]
    if _defended(board, move):
        gain -= VALUES[move.promotion or piece]
    return gain


def _defended(board: chess.Board, move: chess.Move) -> bool:
    """Return whether an enemy piece attacks the square after the move, pins aside."""
    board.push(move)
    try:
        return board.is_attacked_by(board.turn, move.to_square)
    finally:
        board.pop()


def _mates(board: chess.Board, move: chess.Move) -> bool:
    board.push(move)
    try:
        return board.is_checkmate()
    finally:
        board.pop()
