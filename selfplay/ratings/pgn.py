"""Games from PGN files, of which only tags and results matter here."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import chess

from envs.chess.pgn_file import GameText, games_of_file, result_of
from selfplay.ratings.games import Game

_SCORES = {"1-0": 1.0, "0-1": 0.0, "1/2-1/2": 0.5}
_UNKNOWN = frozenset({"", "?", "-", "*"})

LeftOut = Literal["unfinished", "unnamed", "against_itself", "repeated"]
"""Why a game is not rated: no result of 1-0, 0-1 or 1/2-1/2, a name missing, the same player, the
same game in an earlier file."""


@dataclass(frozen=True, slots=True)
class GamesRead:
    """Finished games in the order of the files, and how many were left out and why."""

    games: tuple[Game, ...]
    unfinished: int
    unnamed: int
    against_itself: int
    repeated: int = 0

    @property
    def left_out(self) -> dict[str, int]:
        """How many games were left out, by reason; `repeated` only where there are any."""
        found = {
            "unfinished": self.unfinished,
            "unnamed": self.unnamed,
            "against_itself": self.against_itself,
        }
        return found | ({"repeated": self.repeated} if self.repeated else {})


def read_games(paths: Iterable[Path], *, distinct: bool = True) -> GamesRead:
    """Return the finished games of PGN files.

    Left out and counted are games without a result of 1-0, 0-1 or 1/2-1/2 (in the tags or after
    the moves), those without both names, those of a player against itself, and those that stand in
    an earlier file too, unless `distinct` is false. The moves are not looked at.

    Raises:
        InputError: a file cannot be read.
    """
    games: list[Game] = []
    left_out: Counter[LeftOut] = Counter()
    every = ((path, text) for path in paths for text in games_of_file(path))
    for path, text in distinct_games(paths, left_out) if distinct else every:
        found = game_of(text.tags, str(path))
        if isinstance(found, Game):
            games.append(found)
        else:
            left_out[found] += 1
    return GamesRead(
        tuple(games),
        left_out["unfinished"],
        left_out["unnamed"],
        left_out["against_itself"],
        left_out["repeated"],
    )


def distinct_games(
    paths: Iterable[Path], left_out: MutableMapping[LeftOut, int]
) -> Iterator[tuple[Path, GameText]]:
    """Yield the games of PGN files, each once: one that stands in an earlier file too is counted.

    Tags and moves decide, not the spacing between them. Within one file equal games are games: two
    engines may well repeat themselves.

    Raises:
        InputError: a file cannot be read.
    """
    seen: dict[bytes, int] = {}
    for number, path in enumerate(paths):
        for text in games_of_file(path):
            mark = hashlib.blake2b(
                text.content.encode("utf-8", "surrogatepass"), digest_size=16
            ).digest()
            if seen.setdefault(mark, number) != number:
                left_out["repeated"] = left_out.get("repeated", 0) + 1
            else:
                yield path, text


def game_of(headers: Mapping[str, str], source: str) -> Game | LeftOut:
    """Return the game that these headers describe, or why it cannot be rated."""
    white, black = headers.get("White", "").strip(), headers.get("Black", "").strip()
    score = _SCORES.get(result_of(headers.get("Result", "*")))
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
