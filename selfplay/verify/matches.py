"""PGN files of matches: games replayed, pairs whole, and the numbers made of them once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import chess
import chess.pgn

from envs.chess.pgn import game_result
from envs.errors import InputError
from selfplay.config.league import PromotionConfig
from selfplay.domains.chess.replay import check_text, read_pgn
from selfplay.domains.differences import Difference, named_differences
from selfplay.gate.decide import GamesChange
from selfplay.gate.title_match import games_change, judged
from selfplay.league.match_file import Stored, StoredPair, tag
from selfplay.league.match_summary import summarise
from selfplay.league.player import Player
from selfplay.league.referee import DRAW, LOSS, WIN
from selfplay.ratings import pair_up, rate
from selfplay.ratings.fit import DENSE_PLAYERS
from selfplay.ratings.pgn import read_games
from selfplay.rundir.writes import plain
from selfplay.stats.clustered import FORMULA, formula_of
from selfplay.verify.checkpoints import read_json
from selfplay.verify.finding import Findings

SAME = ("Event", "MatchId", "Seed", "Adjudicator")
"""Tags that are the same in all games of a match."""
MIRRORED = ("", "Version", "Settings", "Repeatable")
"""Tags of White and Black that change sides within a pair."""
_NO_LIMIT = 1 << 30
_CHANCE = "White's winning chance "


@dataclass(frozen=True, slots=True)
class Named:
    """A player as the tags of its games describe it."""

    name: str
    version: str
    settings: str
    repeatable: bool


def verify_match(path: Path) -> Findings:
    """Replay a match's PGN file, or those of a folder, and make the numbers beside them again.

    Raises:
        InputError: there is no such file, or no PGN file in the folder.
    """
    findings = Findings()
    if path.is_dir():
        check_folder(path, findings)
    elif path.is_file():
        check_files(path, path.parent, findings)
    if not findings.checked and not findings.differences:
        raise InputError(f"{path}: no PGN file of a match; name one, a folder of them, or a run")
    return findings


def check_folder(folder: Path, findings: Findings, *, left_out: Sequence[str] = ()) -> None:
    """Check every match below a folder: NAME.pgn, NAME.json beside it, and ratings.json.

    Args:
        folder: what the names in the messages are relative to.
        findings: takes what is found.
        left_out: folders in it that hold other games; what a resume discarded is no match either.
    """
    for path in sorted(folder.rglob("*.pgn")):
        parts = path.relative_to(folder).parts
        if parts[0] not in left_out and "discarded" not in parts:
            check_files(path, folder, findings)
    for path in sorted(folder.rglob("ratings.json")):
        file = path.relative_to(folder).as_posix()
        with findings.guard(file):
            stored, games = read_json(path), sorted(path.parent.glob("*.pgn"))
            findings.add(check_ratings(file, stored, games))


def check_files(path: Path, folder: Path, findings: Findings) -> None:
    """Check a match's PGN file and, where there is one, its JSON beside it."""
    file, beside = path.relative_to(folder).as_posix(), path.with_suffix(".json")
    with findings.guard(file):
        formula, stored, label = FORMULA, None, beside.relative_to(folder).as_posix()
        if beside.is_file():
            with findings.guard(label):
                stored = read_json(beside)
                formula = formula_of(stored)
        found, due = check_match(file, path, formula)
        findings.add(found)
        findings.checked["matches"] += 1
        if due is not None and stored is not None:
            with findings.guard(label):
                findings.add(check_numbers(label, stored, due))


def check_match(
    file: str, path: Path, formula: int = FORMULA
) -> tuple[list[Difference], dict[str, Any] | None]:
    """Replay a match's games; return the differences and, from whole pairs, its numbers.

    `formula`: see selfplay/stats/clustered.py.

    Raises:
        OSError, ValueError: the file cannot be read.
    """
    found: list[Difference] = []
    games = list(read_pgn(path))
    pairs: dict[int, dict[int, chess.pgn.Game]] = {}
    for number, (game, text) in enumerate(games, start=1):
        place = f"game {number}"
        wrong = check_text(file, place, game, text) or check_game(file, place, game)
        first = {key: games[0][0].headers.get(key) for key in SAME}
        tags = {key: game.headers.get(key) for key in SAME}
        found += wrong + named_differences(file, tags, first, place)
        pair, _, half = game.headers.get("Round", "").partition(".")
        if not (pair.isdecimal() and half in ("1", "2")) or int(half) in pairs.get(int(pair), {}):
            found.append(
                Difference.words(
                    file, f"{place}, Round", game.headers.get("Round", "?"), "pair.game, once"
                )
            )
        else:
            pairs.setdefault(int(pair), {})[int(half)] = game
    for pair_number, halves in sorted(pairs.items()):
        found += _check_pair(file, f"pair {pair_number}", halves)
    if found or not pairs:
        return found, None
    return found, numbers(pairs, formula)


def check_game(file: str, place: str, game: chess.pgn.Game) -> list[Difference]:
    """Check a game's opening, result, termination and first answers against its moves."""
    headers, board = game.headers, game.board()
    opening, asked = int(headers["OpeningPlies"]), {True: 0, False: 0}
    first = dict(asked)
    fen = board.fen() if opening == 0 else None
    for ply, node in enumerate(game.mainline()):
        if ply >= opening:
            asked[board.turn] += 1
            first[board.turn] += not node.comment.endswith(" tries")
        board.push(node.move)
        if ply == opening - 1:
            fen = board.fen()
    failed = headers["Termination"] in ("rules infraction", "abandoned")
    asked[board.turn] += failed
    due = {
        "OpeningFEN": fen,
        "WhiteFirstTry": f"{first[True]}/{asked[True]}",
        "BlackFirstTry": f"{first[False]}/{asked[False]}",
        **_ending(board, headers),
    }
    return named_differences(file, {key: headers.get(key) for key in due}, due, place)


def _ending(board: chess.Board, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of the ending that follow from the last board."""
    over = game_result(board, _NO_LIMIT)
    if over is not None:
        ended = {"Result": over[0], "Termination": "normal", "TerminationDetails": over[1]}
        return {key: tag(value) for key, value in ended.items()}
    lost = LOSS if board.turn == chess.WHITE else WIN
    if headers["Termination"] in ("rules infraction", "abandoned"):
        return {"Result": lost}
    if headers["Termination"] != "adjudication":
        return {"Termination": "none: the game is not over"}
    chance = stated_chance(headers)
    if chance is not None and headers["Result"] != DRAW:
        return {"Result": WIN if chance > 0.5 else LOSS}
    drawn = headers["TerminationDetails"].startswith(("even", "max plies"))
    return {"Result": DRAW} if drawn and chance is None else {}


def stated_chance(headers: Mapping[str, str]) -> float | None:
    """Return White's winning chance by which a game was adjudicated at its limit."""
    _, found, number = headers.get("TerminationDetails", "").partition(_CHANCE)
    return float(number) if found else None


def _check_pair(file: str, place: str, halves: Mapping[int, chess.pgn.Game]) -> list[Difference]:
    if len(halves) != 2:
        return [Difference.words(file, place, "one game", "two games, colours swapped")]
    first, second = halves[1].headers, halves[2].headers
    shared = ("OpeningFEN", "OpeningPlies", "FEN")
    due = {key: first.get(key) for key in shared}
    stored = {key: second.get(key) for key in shared}
    for key in MIRRORED:
        for one, other in (("White", "Black"), ("Black", "White")):
            due[f"{one}{key}"] = first.get(f"{other}{key}")
            stored[f"{one}{key}"] = second.get(f"{one}{key}")
    return named_differences(file, stored, due, f"{place}, game 2")


def numbers(
    pairs: Mapping[int, Mapping[int, chess.pgn.Game]], formula: int = FORMULA
) -> dict[str, Any]:
    """Return what `selfplay match --json` writes of these pairs, without the file's name."""
    stored, players, headers = _as_stored(pairs)
    names = {"seed": int(headers["Seed"]), "match_id": headers["MatchId"]}
    result: dict[str, Any] = plain(summarise(stored, players, formula) | names)
    return result


def title_match(path: Path, rules: PromotionConfig, formula: int = FORMULA) -> GamesChange:
    """Return what the games of a match for the title say of the candidate.

    `formula`: see selfplay/stats/clustered.py.

    Raises:
        OSError, ValueError: the file cannot be read.
        KeyError: a game lacks a tag, or a pair a game.
    """
    pairs: dict[int, dict[int, chess.pgn.Game]] = {}
    for game, _ in read_pgn(path):
        pair, _, half = game.headers["Round"].partition(".")
        pairs.setdefault(int(pair), {})[int(half)] = game
    stored, players, headers = _as_stored(pairs)
    return games_change(judged(stored, rules), stored, players, headers["MatchId"], formula)


def _as_stored(
    pairs: Mapping[int, Mapping[int, chess.pgn.Game]],
) -> tuple[dict[int, StoredPair], tuple[Player, Player], Mapping[str, str]]:
    """Return the pairs as the match's own code has them, its players, and the first game's tags."""
    stored: dict[int, StoredPair] = {
        pair: (Stored(dict(games[1].headers), ""), Stored(dict(games[2].headers), ""))
        for pair, games in pairs.items()
    }
    headers = stored[min(stored)][0].headers
    first, second = (cast(Player, _player(headers, colour)) for colour in ("White", "Black"))
    return stored, (first, second), headers


def check_numbers(file: str, stored: Mapping[str, Any], due: Mapping[str, Any]) -> list[Difference]:
    """Compare a match's JSON with the numbers of its games."""
    kept = {key: value for key, value in stored.items() if key != "file"}
    return named_differences(file, as_in_tags(kept), due)


def as_in_tags(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a match's numbers with its players as tags name them: a long text is cut there."""
    players = [
        player | {"settings": tag(player["settings"] or "-")}
        for player in stored.get("players", [])
    ]
    return {**stored, "players": players}


def check_ratings(file: str, stored: Mapping[str, Any], paths: Sequence[Path]) -> list[Difference]:
    """Fit the ratings that `selfplay rate --json` wrote again, intervals with their seed."""
    # Before there was a formula to name, a game that stood in two files counted twice.
    read = read_games(paths, distinct=formula_of(stored) > 1)
    due = rate(
        pair_up(read.games),
        anchor=stored["anchor"],
        anchor_elo=stored["anchor_elo"],
        bootstraps=stored["bootstraps"],
        seed=stored["seed"],
    ).as_dict()
    due |= {"left_out": read.left_out}
    close = 1e-6
    if formula_of(stored) == 1:
        # Ranks were taken from intervals, and long lists were fitted to more digits.
        close = 1e-3 if len(due["players"]) > DENSE_PLAYERS else close
        due = {key: value for key, value in due.items() if key != "formula"}
        due, stored = _without_ranks(due), _without_ranks(stored)
    return named_differences(file, stored, plain(due), close=close)


def _without_ranks(ratings: Mapping[str, Any]) -> dict[str, Any]:
    players = [{k: v for k, v in p.items() if k != "rank"} for p in ratings["players"]]
    return {**ratings, "players": players}


def _player(headers: Mapping[str, str], colour: str) -> Named:
    name, version, settings, repeatable = (headers[f"{colour}{key}"] for key in MIRRORED)
    return Named(name, version, settings, repeatable == "yes")
