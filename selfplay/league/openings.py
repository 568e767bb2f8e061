"""The openings of a match: distinct ones, balanced by the engine's judgement or from a book."""

from __future__ import annotations

import random
from collections.abc import Callable, Container
from pathlib import Path

import chess

from envs.chess.files import load_epd, load_pgn_openings
from envs.chess.openings import balanced_opening
from envs.chess.position import board_of, position_key
from envs.errors import InputError
from selfplay.config_domains import MatchConfig

_ATTEMPTS = 200
"""Openings drawn for one that is new, before we say that there are too few."""


def match_openings(
    pairs: int,
    seed: int,
    match: MatchConfig,
    win_probability: Callable[[chess.Board], float],
) -> list[chess.Board]:
    """Return `pairs` boards, no position twice; the first n do not depend on how many follow.

    Args:
        pairs: how many.
        seed: of the random openings, or of the order of the book.
        match: the settings.
        win_probability: of the side to move; see balanced_opening.

    Raises:
        InputError: the book is broken or too small, or random openings repeat or are unbalanced.
    """
    if match.openings is not None:
        return _from_book(match.openings, match.book_plies, pairs, seed)
    found: dict[str, chess.Board] = {}
    for pair in range(1, pairs + 1):
        board = _new_opening(pair, seed, match, win_probability, found)
        found[position_key(board)] = board
    return list(found.values())


def _new_opening(
    pair: int,
    seed: int,
    match: MatchConfig,
    win_probability: Callable[[chess.Board], float],
    taken: Container[str],
) -> chess.Board:
    for attempt in range(_ATTEMPTS):
        rng = random.Random(f"match opening/{seed}/{pair}/{attempt}")
        board = balanced_opening(
            rng, match.opening_plies, win_probability, match.opening_max_win_gap
        )
        if position_key(board) not in taken:
            return board
    low, high = match.opening_plies
    raise InputError(
        f"match.opening_plies=[{low}, {high}]: fewer than {pair} distinct openings; allow more "
        "plies or play fewer pairs"
    )


def _from_book(path: Path, plies: int | None, pairs: int, seed: int) -> list[chess.Board]:
    if path.suffix.lower() == ".pgn":
        boards = load_pgn_openings(path, plies)
    else:
        boards = [board_of(task) for task in load_epd(path)]
    distinct = list({position_key(board): board for board in boards}.values())
    if len(distinct) < pairs:
        raise InputError(
            f"match.openings={path}: {len(distinct)} distinct openings for {pairs} pairs; give "
            f"--pairs {len(distinct)} or a larger book"
        )
    random.Random(f"match book/{seed}").shuffle(distinct)
    return distinct[:pairs]
