"""Random openings: where self-play games begin."""

from __future__ import annotations

import random
from collections.abc import Callable

import chess

from envs.errors import InputError

_TRIES = 100
"""Random games tried for one that lasts long enough; under 1 in 100 ends within 16 plies."""


def random_move(board: chess.Board, rng: random.Random) -> chess.Move:
    """Return a uniformly random legal move; the board must have one."""
    return rng.choice(list(board.legal_moves))


def random_walk(rng: random.Random, plies: int) -> chess.Board | None:
    """Return the board `plies` random plies from the start, or None if the game ended by then."""
    board = chess.Board()
    for _ in range(plies):
        if board.is_game_over():
            return None
        board.push(random_move(board, rng))
    return None if board.is_game_over() else board


def random_opening(rng: random.Random, plies: tuple[int, int]) -> chess.Board:
    """Return an unfinished game of a uniform number of plies in `plies` (inclusive), history kept.

    Raises InputError if `plies` is no range, or if random games do not last that long.
    """
    low, high = plies
    if not 0 <= low <= high:
        raise InputError(f"random opening plies {plies!r} are no range; give 0 <= low <= high")
    for _ in range(_TRIES):
        board = random_walk(rng, rng.randint(low, high))
        if board is not None:
            return board
    raise InputError(f"random opening plies {plies!r} outlast random games; give fewer plies")


def balanced_opening(
    rng: random.Random,
    plies: tuple[int, int],
    win_probability: Callable[[chess.Board], float],
    max_gap: float,
    tries: int = 64,
) -> chess.Board:
    """Return a random opening with |win probability - 0.5| <= `max_gap`.

    `win_probability` is in [0, 1], for either side (the gap is the same). Of `tries` openings the
    first balanced one is taken; where there is none, the most balanced. With `max_gap` of 0.5 or
    more nothing is screened and `win_probability` is never called.

    Raises InputError as `random_opening` does, or if `tries` is below 1.
    """
    if tries < 1:
        raise InputError(f"balanced opening: tries={tries} leaves none to take; give 1 or more")
    best: tuple[float, chess.Board] | None = None
    for _ in range(tries):
        board = random_opening(rng, plies)
        gap = 0.0 if max_gap >= 0.5 else abs(win_probability(board) - 0.5)
        if gap <= max_gap:
            return board
        if best is None or gap < best[0]:
            best = (gap, board)
    assert best is not None
    return best[1]
