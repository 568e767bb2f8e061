"""The UCI commands that carry something, read: `position`, `go` and `setoption`. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import chess

from envs.chess.position import parse_fen, quoted
from envs.errors import InputError

_NUMBERS = {"wtime", "btime", "winc", "binc", "movestogo", "depth", "nodes", "mate", "movetime"}
_FLAGS = {"ponder", "infinite"}
_KEYWORDS = _NUMBERS | _FLAGS | {"searchmoves", "perft"}
_MOVES_LEFT = 30
"""Moves among which the clock is divided where `movestogo` says nothing."""


@dataclass(frozen=True, slots=True)
class Go:
    """A request for a move.

    `only` are the moves to choose from (None: all); `hold` says that the answer waits for `stop`
    or `ponderhit`; after `budget_s` seconds no further try begins (None: they may all be made).
    """

    only: frozenset[chess.Move] | None = None
    hold: bool = False
    budget_s: float | None = None


def parse_position(words: Sequence[str]) -> chess.Board:
    """Return the board of `position [startpos | fen FEN] [moves ...]`, its history kept.

    Raises InputError for a position that is no legal chess and a move that is not legal.
    """
    at = words.index("moves") if "moves" in words else len(words)
    start, moves = words[:at], words[at + 1 :]
    if not start or start[0] not in ("startpos", "fen"):
        raise InputError("position: give startpos or fen")
    board = parse_fen(" ".join(start[1:]), "position") if start[0] == "fen" else chess.Board()
    for number, text in enumerate(moves, start=1):
        try:
            move = board.parse_uci(text.lower())
        except ValueError:
            move = chess.Move.null()
        if not move:
            raise InputError(f"position: move {number}, {quoted(text, 20)}, is not legal")
        board.push(move)
    return board


def parse_go(words: Sequence[str], board: chess.Board | None) -> Go:
    """Return what a `go` command asks; words that mean nothing here are passed over.

    `depth`, `nodes` and `mate` are accepted and change nothing: a policy does not search.
    """
    numbers: dict[str, int] = {}
    flags: set[str] = set()
    only: set[chess.Move] | None = None
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word in _FLAGS:
            flags.add(word)
        elif word in _NUMBERS and position < len(words) and words[position] not in _KEYWORDS:
            value = _whole(words[position])
            position += 1
            if value is not None:
                numbers[word] = value
        elif word == "searchmoves":
            only = set() if only is None else only
            while position < len(words) and words[position] not in _KEYWORDS:
                move = _move(words[position], board)
                position += 1
                if move:
                    only.add(move)
    white = board is None or board.turn == chess.WHITE
    # A list without a legal move restricts nothing: an answer is due all the same.
    return Go(frozenset(only) if only else None, bool(flags), _budget(numbers, white))


def parse_option(words: Sequence[str]) -> tuple[str, str]:
    """Return lower-case name and value of `setoption name NAME [value VALUE]`.

    Raises InputError where there is no name.
    """
    if len(words) < 2 or words[0] != "name":
        raise InputError("setoption: write setoption name NAME value VALUE")
    at = words.index("value") if "value" in words else len(words)
    return " ".join(words[1:at]).lower(), " ".join(words[at + 1 :])


def _budget(numbers: dict[str, int], white: bool) -> float | None:
    if "movetime" in numbers:
        return max(0, numbers["movetime"]) / 1000
    clock = numbers.get("wtime" if white else "btime")
    if clock is None:
        return None
    added = numbers.get("winc" if white else "binc", 0)
    left = max(1, numbers.get("movestogo", _MOVES_LEFT))
    return max(0.0, min(clock, clock / left + added)) / 1000


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _move(text: str, board: chess.Board | None) -> chess.Move | None:
    if board is None:
        return None
    try:
        return board.parse_uci(text.lower()) or None
    except ValueError:
        return None
