"""The PGN file of a match: whole pairs only, rewritten atomically, resumed where it stopped."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import chess
import chess.pgn

import selfplay
from envs.chess.pgn_file import games_of_text
from envs.errors import InputError
from selfplay.display.text import visible
from selfplay.league.player import Player
from selfplay.league.referee import RESULTS, MatchGame
from selfplay.rundir.writes import write_text

_ROUND = re.compile(r"([1-9]\d{0,8})\.([12])")
_TRIES = re.compile(r"\d{1,9}/\d{1,9}")
_TAG_CHARS = 250
_FROM_MODEL = str.maketrans({'"': "'", "\\": "/", "{": "(", "}": ")"})
"""PGN's own signs; python-chess writes tags as they come."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A finished game as it stands in the file."""

    headers: Mapping[str, str]
    text: str


StoredPair = tuple[Stored, Stored]


class MatchFile:
    """The finished pairs of one match, by number; `path` holds them at any time.

    Another process that plays into the same file is refused.
    """

    def __init__(self, path: Path, match_id: str) -> None:
        """Open the file, or begin it with the first pair.

        Raises:
            InputError: it holds something else than whole pairs of this match, or cannot be used.
        """
        self.path = path
        self._match_id = match_id
        self._lock = _lock(path)
        try:
            self.pairs: dict[int, StoredPair] = self._read() if path.exists() else {}
        except BaseException:
            self._lock.close()
            raise

    def close(self) -> None:
        """Let others write."""
        self._lock.close()

    def add(self, pair: int, first: chess.pgn.Game, second: chess.pgn.Game) -> None:
        """Keep a finished pair. Raises ValueError for one that is there already."""
        if pair in self.pairs:
            raise ValueError(f"{self.path}: pair {pair} was played already")
        self.pairs[pair] = (_stored(str(first)), _stored(str(second)))
        games = [game.text for number in sorted(self.pairs) for game in self.pairs[number]]
        write_text(self.path, "\n\n".join(games) + "\n", overwrite=True)

    def _read(self) -> dict[int, StoredPair]:
        found: dict[tuple[int, int], Stored] = {}
        for number, game in enumerate(_games(self.path), start=1):
            where = f"{self.path}: game {number}"
            if game.headers.get("MatchId") != self._match_id:
                raise InputError(
                    f"{where} is of another match ({game.headers.get('White', '?')[:60]} - "
                    f"{game.headers.get('Black', '?')[:60]}: other players, seed or settings); "
                    "name another file with --out"
                )
            match = _ROUND.fullmatch(game.headers.get("Round", ""))
            if match is None or (int(match[1]), int(match[2])) in found:
                raise InputError(f"{where}: Round is missing or twice there; mend or remove it")
            tries = [game.headers.get(f"{colour}FirstTry", "") for colour in ("White", "Black")]
            if game.headers.get("Result") not in RESULTS or not all(map(_TRIES.fullmatch, tries)):
                raise InputError(f"{where}: Result or FirstTry is damaged; remove its pair")
            found[int(match[1]), int(match[2])] = game
        pairs: dict[int, StoredPair] = {}
        for pair, game_number in found:
            other = found.get((pair, 3 - game_number))
            if other is None:
                raise InputError(
                    f"{self.path}: of pair {pair} there is one game only; remove it or name "
                    "another file with --out"
                )
            pairs[pair] = (found[pair, 1], found[pair, 2])
        return pairs


def _games(path: Path) -> Iterator[Stored]:
    try:
        text = path.read_text(encoding="utf-8-sig")  # packed, it would be written over unpacked
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; name another file with --out") from error
    games = list(games_of_text(text))
    before = text[: games[0].start] if games else text
    if before.strip():
        yield Stored({}, before)  # no game of ours, and nothing that may be written over
    for game in games:
        yield Stored(game.headers, text[game.start : game.end].strip())


def _stored(text: str) -> Stored:
    return Stored(next(games_of_text(text)).headers, text)


def _lock(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the file, for the file itself is replaced with each pair.
        lock = path.with_name(f".{path.name}.lock").open("a", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror}; name another file with --out"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise InputError(f"{path}: another process plays into this file; wait for it") from error
    return lock


def tag(text: str) -> str:
    """Return `text` as the value of a PGN tag: one line, no quotes, nothing that hides."""
    return visible(text, _TAG_CHARS).translate(_FROM_MODEL)


def to_pgn(
    game: MatchGame, players: tuple[Player, Player], *, seed: int, match_id: str, referee: str
) -> chess.pgn.Game:
    """Return a finished game with all its tags.

    The opening's moves are in the game, since a policy may be asked for a continuation of them;
    FEN and SetUp are there where it begins elsewhere than at the usual start. OpeningFEN is where
    the players took over, after OpeningPlies plies.
    """
    assert game.ending is not None
    pgn = chess.pgn.Game.from_board(game.board)
    opening = game.board.root()
    for ply, node in enumerate(pgn.mainline()):
        if ply < game.opening_plies:
            opening.push(node.move)
        if ply == game.opening_plies - 1:
            node.comment = "end of opening"
        elif ply in game.notes:
            node.comment = tag(game.notes[ply])
    white, black = players if game.number == 1 else players[::-1]
    values = {
        "Event": "selfplay match",
        "Site": "?",
        "Date": datetime.now(UTC).strftime("%Y.%m.%d"),
        "Round": f"{game.pair}.{game.number}",
        "White": white.name,
        "Black": black.name,
        "Result": game.ending.result,
        "Termination": game.ending.termination,
        "TerminationDetails": game.ending.detail,
        "PlyCount": str(len(game.board.move_stack)),
        "OpeningPlies": str(game.opening_plies),
        "OpeningFEN": opening.fen(),
        "Seed": str(seed),
        "MatchId": match_id,
        "Adjudicator": referee,
        "Software": f"selfplay {selfplay.__version__}",
    }
    for colour, name, player in ((True, "White", white), (False, "Black", black)):
        values |= {
            f"{name}Version": player.version,
            f"{name}Settings": player.settings or "-",
            f"{name}Repeatable": "yes" if player.repeatable else "no",
            f"{name}FirstTry": f"{game.first_try[colour]}/{game.asked[colour]}",
        }
    for key, value in values.items():
        pgn.headers[key] = tag(value)
    return pgn
