"""All games of all files in one pass: what is rated, what is known of the players, and where the
text of each game stands, so that the few that are shown can be read again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from envs.chess.pgn_file import games_of_text
from envs.text_files import read_text
from selfplay.leaderboard.evaluations import comment_evaluations, losses
from selfplay.ratings import Game
from selfplay.ratings.pgn import LeftOut, distinct_games, game_of

_FIRST_TRY = re.compile(r"(\d{1,9})/(\d{1,9})")
_DATE = re.compile(r"\d{4}\.\d{2}\.\d{2}")
_MOST_VERSIONS = 8


@dataclass(slots=True)
class PlayerFacts:
    """What the tags of a player's games say, and the centipawns lost where games are evaluated.

    `tries` has the moves that were legal at the first try, and all that were asked for, by game or,
    where the tags say so, by pair; `lost_cp` centipawns over `judged` moves.
    """

    tries: dict[tuple[str, ...], list[int]] = field(default_factory=dict)
    lost_cp: int = 0
    judged: int = 0
    versions: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    repeatable: bool | None = None
    last_date: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a game stands: characters start to end of the file's text, and who played."""

    path: Path
    start: int
    end: int
    white: str
    black: str


@dataclass(slots=True)
class Games:
    """Rated games with the place of each, facts by player, and what was left out."""

    rated: list[Game] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    players: dict[str, PlayerFacts] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def notes(self) -> list[str]:
        """What was left out, and players that are not one player in all games, as sentences."""
        words = {
            "unfinished": "without a result left out",
            "unnamed": "without both names left out",
            "against_itself": "of a player against itself left out",
            "repeated": "left out that stand in two files",
        }
        notes = [f"{n} games {words[key]}" for key, n in sorted(self.left_out.items())]
        for name, facts in sorted(self.players.items()):
            for what, found in (("version", facts.versions), ("settings", facts.settings)):
                if len(found) > 1:
                    notes.append(f"{name}: more than one {what} under this name, rated as one")
        return notes


def read_all(paths: Iterable[Path]) -> Games:
    """Return the games of PGN files; each is one of selfplay match, fastchess or anybody.

    A game that stands in two files counts once. Games without a result, without
    both names and of a player against itself are left out, as `selfplay rate` does.

    Raises:
        InputError: a file cannot be read.
    """
    games = Games()
    repeated: dict[LeftOut, int] = {}
    for path, text in distinct_games(paths, repeated):
        found = game_of(text.tags, str(path))
        if not isinstance(found, Game):
            games.left_out[found] += 1
            continue
        games.rated.append(found)
        games.places.append(Place(path, text.start, text.end, found.white, found.black))
        _learn(games.players, found, text.headers, text.movetext)
    games.left_out.update(repeated)
    return games


def text_of(path: Path) -> str:
    """Return a PGN file's text.

    Raises:
        InputError: it cannot be read.
    """
    return read_text(path, "PGN")


def spans(text: str) -> Iterable[tuple[int, int, Mapping[str, str]]]:
    """Yield where each game begins and ends in `text`, and its headers."""
    for game in games_of_text(text):
        yield game.start, game.end, game.headers


def movetext_of(text: str) -> str:
    """Return a game's text without its tags."""
    return next((game.movetext for game in games_of_text(text)), "")


def black_first(headers: Mapping[str, str]) -> bool:
    """Return whether Black moves first, by the FEN tag."""
    return headers.get("FEN", "").split()[1:2] == ["b"]


def opening_plies(headers: Mapping[str, str]) -> int:
    """Return how many plies were given to the players, by selfplay match's tag; judging nobody."""
    said = headers.get("OpeningPlies", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 5 else 0


def _learn(
    players: dict[str, PlayerFacts], game: Game, headers: Mapping[str, str], text: str
) -> None:
    facts = {"White": game.white, "Black": game.black}
    for colour, name in facts.items():
        known = players.setdefault(name, PlayerFacts())
        tries = _FIRST_TRY.fullmatch(headers.get(f"{colour}FirstTry", ""))
        if tries and int(tries[1]) <= int(tries[2]):
            counts = known.tries.setdefault(_pair_of(game, name, len(known.tries)), [0, 0])
            counts[0] += int(tries[1])
            counts[1] += int(tries[2])
        for found, key in ((known.versions, "Version"), (known.settings, "Settings")):
            said = headers.get(f"{colour}{key}", "").strip()
            if said and said not in found and len(found) < _MOST_VERSIONS:
                found.append(said)
        repeatable = headers.get(f"{colour}Repeatable")
        if repeatable in ("yes", "no"):
            known.repeatable = repeatable == "yes" and known.repeatable is not False
        date = headers.get("Date", "")
        if _DATE.fullmatch(date):
            known.last_date = max(known.last_date or "", date.replace(".", "-"))
    if "[%eval" in text:
        _judge(players, game, headers, text)


def _pair_of(game: Game, name: str, number: int) -> tuple[str, ...]:
    """Return what the two games of a pair share (fastchess's and our rounds); else a new number."""
    turn = game.round.rpartition(".")[0]
    other = game.black if game.white == name else game.white
    return (game.source, other, turn) if turn else (str(number),)


def _judge(
    players: dict[str, PlayerFacts], game: Game, headers: Mapping[str, str], text: str
) -> None:
    """Add the centipawns that each side lost in a game that one engine evaluated."""
    black = black_first(headers)
    found, source = comment_evaluations(text, black_first=black)
    if source != "engine":
        return
    for ply, loss in enumerate(losses(found, black_first=black)):
        if loss is not None and ply >= opening_plies(headers):
            white = (ply % 2 == 0) != black
            facts = players[game.white if white else game.black]
            facts.lost_cp += loss.cp
            facts.judged += 1
