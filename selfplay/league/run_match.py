"""From two names to a finished match: players, openings and file opened, played, closed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import chess

from envs.errors import InputError
from rewards.chess.engine import EngineError
from selfplay.config.run import RunConfig
from selfplay.domains.chess.config import EngineConfig
from selfplay.errors import RunCrashed
from selfplay.league.anchors import retried
from selfplay.league.match import play_pairs
from selfplay.league.match_file import MatchFile, StoredPair, to_pgn
from selfplay.league.match_summary import summarise
from selfplay.league.openings import match_openings
from selfplay.league.player import Player
from selfplay.league.policy import PolicyPlayer
from selfplay.league.referee import Referee
from selfplay.league.roster import EngineRoom, open_player

Progress = Callable[[int, StoredPair, int], None]
"""Called with pair, its games, and how many pairs are done."""


def run_match(
    names: tuple[str, str],
    pairs: int,
    config: RunConfig,
    *,
    out: Path | None = None,
    progress: Progress = lambda pair, games, done: None,
) -> dict[str, Any]:
    """Play the match, or the rest of it, and return its summary (see match_summary).

    Args:
        names: specs of players A and B (see specs.FORMS).
        pairs: openings, each played twice.
        config: its `match`, `engine` and `seed`; `chess` for models that belong to no run.
        out: the PGN file; None names one after the players below matches/.
        progress: called after each pair that ends now.

    Raises:
        InputError: a player, an opening book or the file cannot be used.
        RunCrashed: an engine failed twice on one position; the finished pairs are kept.
    """
    with ExitStack() as stack:
        room = stack.enter_context(EngineRoom(config))
        players = _players(names, room, stack)
        match_id = identify(players, room)
        path = default_path(players, match_id) if out is None else out
        file = MatchFile(path, match_id)
        stack.callback(file.close)
        try:
            for pair in play_match(pairs, players, room, file, match_id):
                progress(pair, file.pairs[pair], len(file.pairs))
        except EngineError as error:
            raise RunCrashed(
                f"{error}; {len(file.pairs)} pairs are in {path}, the same command goes on"
            ) from error
        return summarise(file.pairs, players) | {
            "seed": config.seed,
            "match_id": match_id,
            "file": str(path),
        }


def play_match(
    pairs: int, players: tuple[Player, Player], room: EngineRoom, file: MatchFile, match_id: str
) -> Generator[int]:
    """Play what the file lacks; yield each pair when it is written. Stop asking to end the match.

    Raises:
        InputError: a model or an opening book cannot be used.
        EngineError: an engine failed twice on one position.
    """
    config = room.config
    if all(pair in file.pairs for pair in range(1, pairs + 1)):
        return
    for player in players:
        if isinstance(player, PolicyPlayer):
            player.load()

    def chance(board: chess.Board) -> float:
        return win_chance(room, board)

    openings = match_openings(pairs, config.seed, config.match, chance)
    referee = Referee(config.match, chance)
    name = _referee_name(room)
    for first, second in play_pairs(
        players,
        openings,
        file.pairs.keys(),
        seed=config.seed,
        boards=config.match.boards,
        referee=referee,
    ):
        games = [
            to_pgn(game, players, seed=config.seed, match_id=match_id, referee=name)
            for game in (first, second)
        ]
        file.add(first.pair, games[0], games[1])
        yield first.pair


def win_chance(room: EngineRoom, board: chess.Board) -> float:
    """Return the engine's winning chance in [0, 1] for the side to move on an unfinished board."""
    return retried(room.scorer(), board).best_win


def identify(players: tuple[Player, Player], room: EngineRoom) -> str:
    """Return 16 hex digits of all that decides a match but its length and its speed."""
    config = room.config
    # What players do with their tries is in their settings.
    dropped = {"boards", "openings", "tries", "temperature", "retry_temperature"}
    rules = config.match.model_dump(mode="json", exclude=dropped)
    book = config.match.openings
    if book is not None:
        try:
            rules["book"] = hashlib.sha256(book.read_bytes()).hexdigest()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise InputError(f"match.openings={book}: cannot be read: {reason}") from error
    text = {
        "players": [[player.name, player.version, player.settings] for player in players],
        "seed": config.seed,
        "rules": rules,
        "nodes": config.section(EngineConfig).nodes,
        "engine": asdict(room.scorer().identity) if _uses_engine(config) else None,
    }
    return hashlib.sha256(json.dumps(text, sort_keys=True).encode()).hexdigest()[:16]


def default_path(players: tuple[Player, Player], match_id: str) -> Path:
    """Return matches/A-B-ID.pgn: another match has another file, the same one goes on."""
    names = [re.sub(r"[^A-Za-z0-9@.=]+", "_", player.name).strip("_.")[-40:] for player in players]
    return Path("matches") / f"{names[0]}-{names[1]}-{match_id[:8]}.pgn"


def _players(names: tuple[str, str], room: EngineRoom, stack: ExitStack) -> tuple[Player, Player]:
    opened = []
    for name in names:
        player = open_player(name, room)
        stack.callback(player.close)
        opened.append(player)
    if opened[0].name == opened[1].name:
        # Nothing can be rated between two of one name.
        opened[1].name += "#2"
    return opened[0], opened[1]


def _uses_engine(config: RunConfig) -> bool:
    match = config.match
    screens = match.openings is None and match.opening_max_win_gap < 0.5
    judges = (match.limit_win, match.resign_win, match.draw_gap)
    return screens or any(rule is not None for rule in judges)


def _referee_name(room: EngineRoom) -> str:
    if not _uses_engine(room.config):
        return "rules only"
    identity = room.scorer().identity
    return f"{identity.name} {identity.sha256[:12]} nodes={room.config.section(EngineConfig).nodes}"
