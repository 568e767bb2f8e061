"""Rows of `selfplay score --domain chess`: positions, and moves that lead to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import chess

from envs.chess.position import board_of, make_task, parse_fen
from envs.errors import InputError
from envs.task import Task
from selfplay.domains.scored import text_of


def scored_task(row: Mapping[str, Any], where: str) -> Task:
    """Return the position that a row asks: {"fen", "moves", "start_fen"}, the last two optional.

    "moves" are UCI and lead to the FEN from "start_fen" or the usual start. Raises InputError
    naming `where` for a broken row, and for a position without a legal move.
    """
    task = _position(row, where)
    if not any(board_of(task).legal_moves):
        raise InputError(f"{where}: 'fen' has no legal move: the game is over there")
    return task


def _position(row: Mapping[str, Any], where: str) -> Task:
    fen, moves = text_of(row, "fen", where), row.get("moves")
    board = parse_fen(fen, where)
    if moves is None:
        return make_task(board)
    if not isinstance(moves, list) or not all(isinstance(move, str) for move in moves):
        raise InputError(f"{where}: 'moves' must be a list of UCI moves such as [\"e2e4\"]")
    start = row.get("start_fen", chess.STARTING_FEN)
    if not isinstance(start, str):
        raise InputError(f"{where}: 'start_fen' is not text")
    history = parse_fen(start, where)
    for move in moves:
        try:
            history.push_uci(move)
        except ValueError as error:
            raise InputError(f"{where}: 'moves': {move[:20]!r} is not a legal UCI move") from error
    if history.fen() != board.fen():
        raise InputError(f"{where}: 'moves' lead to {history.fen()}, which is not 'fen'")
    return make_task(history)
