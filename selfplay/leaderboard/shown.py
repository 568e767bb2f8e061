"""The games that the page shows: few, chosen without regard to what happened in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby, islice, takewhile
from typing import Any

import chess
import chess.pgn

from envs.chess.pgn_file import games_of_text, parse_game
from selfplay.leaderboard.evaluations import Evaluation, Loss, comment_evaluations, losses
from selfplay.leaderboard.games import Place, movetext_of, opening_plies, spans, text_of
from selfplay.leaderboard.runs import Run

MOST_PLIES = 600
MOST_COMMENT = 200
SELF_PLAY_PER_RUN = 2

Judged = tuple[Sequence[Evaluation | None], Sequence[Loss | None]]
Judge = Callable[[chess.Board, Sequence[chess.Move]], Judged]
"""Evaluates the position after each move of a line, and what the move lost; see analyse.Analyst."""


def choose(places: Sequence[Place], limit: int, first: Collection[str] = ()) -> list[Place]:
    """Return at most `limit` games, the same for the same files, whatever their results.

    Every pairing gets one game in turn, then a second, until the limit; those with a
    player of `first` go before the others, then those that played more often. Of one pairing the
    games are evenly spaced over its games in the order of the files.
    """
    meetings: dict[tuple[str, str], list[Place]] = defaultdict(list)
    for place in places:
        low, high = sorted((place.white, place.black))
        meetings[low, high].append(place)
    order = sorted(
        meetings, key=lambda m: (not any(name in first for name in m), -len(meetings[m]), m)
    )
    quota = dict.fromkeys(order, 0)
    left = min(limit, len(places))
    while left:
        for meeting in order:
            if left and quota[meeting] < len(meetings[meeting]):
                quota[meeting] += 1
                left -= 1
    return [
        meetings[meeting][i * len(meetings[meeting]) // quota[meeting]]
        for meeting in order
        for i in range(quota[meeting])
    ]


def self_play(run: Run) -> list[Place]:
    """Return the first games of the run's first and last file of self-play."""
    places = []
    for path in dict.fromkeys((*run.games[:1], *run.games[-1:])):
        for start, end, headers in list(spans(text_of(path)))[: SELF_PLAY_PER_RUN // 2]:
            names = (headers.get("White", "?"), headers.get("Black", "?"))
            places.append(Place(path, start, end, *names))
    return places


def read_places(places: Sequence[Place], kind: str, judge: Judge | None) -> list[dict[str, Any]]:
    """Return the games as the viewer takes them; each file is read once.

    Args:
        places: what to read; the order is kept.
        kind: "match" or "self-play".
        judge: evaluates games that one engine has not evaluated already; None: nobody does.
    """
    found: dict[int, dict[str, Any]] = {}
    numbered = sorted(enumerate(places), key=lambda item: str(item[1].path))
    for path, group in groupby(numbered, key=lambda item: item[1].path):
        text = text_of(path)
        for number, place in group:
            found[number] = {"kind": kind, "file": path.name} | game_json(
                text[place.start : place.end], judge
            )
    return [found[number] for number in sorted(found)]


def game_json(text: str, judge: Judge | None = None) -> dict[str, Any]:
    """Return one game: players, tags, moves, notes, evaluations and marks by ply.

    `uci` and `san` have one word per ply. Moves after the first that is not legal, and after
    MOST_PLIES, are left out, and `broken` says so. `evaluations` are White's, centipawns or "#3",
    one per ply; `marks` has "??", "?" and "?!" by ply.
    """
    written = next(games_of_text(text), None)
    if written is None:
        return _empty("no game in it")
    game = parse_game(written)
    start = _start(game)
    if start is None:
        return _tags(game.headers) | _empty("only standard chess from a valid position is shown")
    line = _line(game)
    board = start.copy()
    san, notes = [], {}
    for ply, node in enumerate(line):
        san.append(board.san_and_push(node.move))
        if note := _note(node.comment):
            notes[ply] = note
    moves = [node.move for node in line]
    evaluations, found, source = _evaluated(start, moves, text, judge)
    given = opening_plies(game.headers)
    lost = [None if ply < given else loss for ply, loss in enumerate(found)]
    return _tags(game.headers) | {
        "fen": None if start.fen() == chess.STARTING_FEN else start.fen(),
        "uci": " ".join(move.uci() for move in moves),
        "san": " ".join(san),
        "notes": notes,
        "evaluations": [e.as_json() if e else None for e in evaluations],
        "evaluated_by": source,
        "marks": {ply: loss.mark for ply, loss in enumerate(lost) if loss and loss.mark},
        "lost": _lost(lost, start.turn == chess.BLACK),
        "broken": _broken(game, len(moves)),
    }


def _start(game: chess.pgn.Game) -> chess.Board | None:
    """Return the position that the game begins with, None where the viewer cannot show it."""
    try:
        board = game.board()
    except ValueError:
        return None
    plain = type(board).uci_variant == "chess" and not board.chess960
    return board if plain and board.is_valid() else None


def _line(game: chess.pgn.Game) -> list[chess.pgn.ChildNode]:
    """Return the main line up to MOST_PLIES or a null move, which is none."""
    return list(takewhile(lambda node: bool(node.move), islice(game.mainline(), MOST_PLIES)))


def _evaluated(
    start: chess.Board, moves: Sequence[chess.Move], text: str, judge: Judge | None
) -> tuple[Sequence[Evaluation | None], Sequence[Loss | None], str | None]:
    """Return evaluations, losses and whose they are, one per move."""
    black = start.turn == chess.BLACK
    found, source = comment_evaluations(movetext_of(text), black_first=black)
    if source == "engine":
        return found[: len(moves)], losses(found, black_first=black)[: len(moves)], "stored"
    if judge is not None:
        return *judge(start, moves), "analysis"
    if source == "players":
        return found[: len(moves)], [], "players"
    return [], [], None


def _tags(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return what the viewer shows of a game; tags that do not say anything are empty."""
    names = ("White", "Black", "Result", "Date", "Event", "Round", "Termination")
    tags = {name.lower(): _said(headers.get(name, "")) for name in names}
    tags["detail"] = _said(headers.get("TerminationDetails", ""))
    for colour in ("White", "Black"):
        tags[f"{colour.lower()}_version"] = _said(headers.get(f"{colour}Version", ""))
    return tags


def _said(text: str) -> str | None:
    return None if text.strip() in ("", "?", "-", "????.??.??") else text.strip()


def _note(comment: str) -> str:
    """Return what a comment says besides commands and evaluations."""
    said = comment.partition("[%")[0].strip()
    return said[:MOST_COMMENT]


def _lost(lost: Sequence[Loss | None], black: bool) -> dict[str, list[int]]:
    """Return for each colour centipawns lost and over how many moves."""
    sums = {"white": [0, 0], "black": [0, 0]}
    for ply, loss in enumerate(lost):
        if loss is not None:
            side = sums["white" if (ply % 2 == 0) != black else "black"]
            side[0] += loss.cp
            side[1] += 1
    return sums


def _broken(game: chess.pgn.Game, shown: int) -> str | None:
    if game.errors:
        return f"the file goes on with what is no legal move after ply {shown}"
    whole = sum(1 for _ in game.mainline())
    return f"shown up to ply {shown} of {whole}" if whole > shown else None


def _empty(why: str) -> dict[str, Any]:
    nothing: dict[str, Any] = {"fen": None, "uci": "", "san": "", "notes": {}, "marks": {}}
    return nothing | {"evaluations": [], "evaluated_by": None, "lost": {}, "broken": why}
