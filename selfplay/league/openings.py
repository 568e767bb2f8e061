"""The openings of a match: distinct ones, balanced by the engine's judgement or from a book."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import overload

import chess

from envs.chess.files import load_book
from envs.chess.openings import balanced_opening
from envs.chess.position import position_key
from envs.errors import InputError
from selfplay.config.match import MatchConfig

_DISTINCT = (1, 20, 400)
"""Positions that are reached in exactly 0, 1 and 2 plies; from 3 on there are thousands."""
_ATTEMPTS = 200
"""Openings drawn for one that is new, before we say that there are too few."""


class RandomOpenings(Sequence[chess.Board]):
    """Balanced random openings, no position twice; each is searched for when it is first asked for.

    A match that a test ends early never pays for the rest.
    """

    def __init__(
        self,
        pairs: int,
        seed: int,
        match: MatchConfig,
        win_probability: Callable[[chess.Board], float],
    ) -> None:
        self._pairs, self._seed, self._match = pairs, seed, match
        self._win_probability = win_probability
        self._found: dict[str, chess.Board] = {}
        self._boards: list[chess.Board] = []

    def __len__(self) -> int:
        return self._pairs

    @overload
    def __getitem__(self, index: int) -> chess.Board: ...
    @overload
    def __getitem__(self, index: slice) -> list[chess.Board]: ...
    def __getitem__(self, index: int | slice) -> chess.Board | list[chess.Board]:
        """Return an opening. Raises InputError where there are too few, or none is balanced."""
        last = index.indices(self._pairs)[1] if isinstance(index, slice) else index + 1
        if not isinstance(index, slice) and not 0 <= index < self._pairs:
            raise IndexError(f"opening {index} of {self._pairs}")
        while len(self._boards) < last:
            board = self._new(len(self._boards) + 1)
            self._found[position_key(board)] = board
            self._boards.append(board)
        return self._boards[index]

    def _new(self, pair: int) -> chess.Board:
        match = self._match
        for attempt in range(_ATTEMPTS):
            rng = random.Random(f"match opening/{self._seed}/{pair}/{attempt}")
            board = balanced_opening(
                rng, match.opening_plies, self._win_probability, match.opening_max_win_gap
            )
            if position_key(board) not in self._found:
                return board
        raise _too_few(match, pair)


def match_openings(
    pairs: int,
    seed: int,
    match: MatchConfig,
    win_probability: Callable[[chess.Board], float],
) -> Sequence[chess.Board]:
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
    return RandomOpenings(pairs, seed, match, win_probability)


def refuse_too_few(pairs: int, match: MatchConfig) -> None:
    """Refuse random openings so short that `pairs` are not distinct.

    Raises:
        InputError: there are fewer.
    """
    low, high = match.opening_plies
    if high < len(_DISTINCT) and sum(_DISTINCT[low : high + 1]) < pairs:
        raise _too_few(match, pairs)


def _too_few(match: MatchConfig, pairs: int) -> InputError:
    low, high = match.opening_plies
    return InputError(
        f"match.opening_plies=[{low}, {high}]: fewer than {pairs} distinct openings; allow more "
        "plies or play fewer pairs"
    )


def _from_book(path: Path, plies: int | None, pairs: int, seed: int) -> list[chess.Board]:
    boards = load_book(path, plies)
    distinct = list({position_key(board): board for board in boards}.values())
    if len(distinct) < pairs:
        raise InputError(
            f"match.openings={path}: {len(distinct)} distinct openings for {pairs} pairs; ask "
            f"for {len(distinct)} pairs or give a larger book"
        )
    random.Random(f"match book/{seed}").shuffle(distinct)
    return distinct[:pairs]
