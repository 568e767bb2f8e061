"""Solved positions that may stand before a prompt, so that a model sees what is asked of it."""

from __future__ import annotations

from functools import cache

import chess

from envs.chess.suites import read_games

FILE = "examples.jsonl"


@cache
def examples() -> tuple[tuple[chess.Board, chess.Move], ...]:
    """Return positions of a weakened engine's games, none of a suite, each with the best move.

    Best by Stockfish 15.1 at 200,000 nodes (benchmarks/make_suites.py). Do not change the boards.
    """
    found = []
    for board in read_games(FILE):
        best = board.pop()
        found.append((board, best))
    return tuple(found)
