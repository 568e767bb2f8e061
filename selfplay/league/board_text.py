"""A chess board drawn in the terminal."""

from __future__ import annotations

import chess

_FIGURINES = dict(zip("KQRBNPkqrbnp", "♔♕♖♗♘♙♚♛♜♝♞♟", strict=True))


def draw_board(
    board: chess.Board, *, from_black: bool = False, plain: bool = False, colour: bool = False
) -> str:
    """Return the board in 10 lines with coordinates; the last move's squares are bracketed.

    Args:
        board: what is drawn.
        from_black: Black's side below.
        plain: letters (White's are capitals) instead of figurines.
        colour: dark squares shaded by ANSI escapes.
    """
    files = range(7, -1, -1) if from_black else range(8)
    ranks = range(8) if from_black else range(7, -1, -1)
    last = board.peek() if board.move_stack else None
    touched = {last.from_square, last.to_square} if last else set()
    lines = []
    for rank in ranks:
        cells = []
        for file in files:
            square = chess.square(file, rank)
            cell = _sign(board, square, plain)
            cell = f"[{cell}]" if square in touched else f" {cell} "
            dark = (file + rank) % 2 == 0
            cells.append(f"\x1b[48;5;240m{cell}\x1b[0m" if colour and dark else cell)
        lines.append(f" {rank + 1} {''.join(cells)}")
    letters = "".join(f" {chess.FILE_NAMES[file]} " for file in files)
    return "\n".join([*lines, f"   {letters}"])


def _sign(board: chess.Board, square: chess.Square, plain: bool) -> str:
    piece = board.piece_at(square)
    if piece is None:
        return "." if plain else "·"
    return piece.symbol() if plain else _FIGURINES[piece.symbol()]
