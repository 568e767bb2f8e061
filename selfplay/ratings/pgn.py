"""Games from PGN files, of which only the headers matter here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import chess.pgn

from envs.errors import InputError
from selfplay.ratings.games import Game

_SCORES = {"1-0": 1.0, "0-1": 0.0, "1/2-1/2": 0.5}
_UNKNOWN = frozenset({"", "?", "-", "*"})

LeftOut = Literal["unfinished", "unnamed", "against_itself"]
"""Why a game is not rated: no result of 1-0, 0-1 or 1/2-1/2, a name missing, the same player."""


@dataclass(frozen=True, slots=True)
class GamesRead:
    """Finished games in the order of the files, and how many were left out and why."""

    games: tuple[Game, ...]
    unfinished: int
    unnamed: int
    against_itself: int


def read_games(paths: Iterable[Path]) -> GamesRead:
    """Return the finished games of PGN files.

    Left out and counted are games without a result of 1-0, 0-1 or 1/2-1/2, those without both
    names, and those of a player against itself. The moves are not looked at.

    Raises:
        InputError: a file cannot be read.
    """
    games: list[Game] = []
    left_out: Counter[LeftOut] = Counter()
    for path in paths:
        for headers in _headers(path):
            found = game_of(headers, str(path))
            if isinstance(found, Game):
                games.append(found)
            else:
                left_out[found] += 1
    return GamesRead(
        tuple(games), left_out["unfinished"], left_out["unnamed"], left_out["against_itself"]
    )


def game_of(headers: Mapping[str, str], source: str) -> Game | LeftOut:
    """Return the game that these headers tell of, or why it cannot be rated."""
    white, black = headers.get("White", "").strip(), headers.get("Black", "").strip()
    score = _SCORES.get(headers.get("Result", "*").replace(" ", ""))
    if score is None:
        return "unfinished"
    if white in _UNKNOWN or black in _UNKNOWN:
        return "unnamed"
    if white == black:
        return "against_itself"
    return _game(white, black, score, headers, source)


def _game(white: str, black: str, score: float, headers: Mapping[str, str], source: str) -> Game:
    start = headers.get("FEN", "").strip()
    turn = headers.get("Round", "").strip()
    return Game(
        white,
        black,
        score,
        opening="" if start == chess.STARTING_FEN else start,
        round="" if turn in _UNKNOWN else turn,
        source=source,
    )


def _headers(path: Path) -> Iterable[Mapping[str, str]]:
    try:
        # Names that are not UTF-8 (old files are Latin-1) stay distinct as escapes.
        with path.open(encoding="utf-8-sig", errors="backslashreplace") as file:
            while (headers := chess.pgn.read_headers(file)) is not None:
                yield headers
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; give PGN files") from error
