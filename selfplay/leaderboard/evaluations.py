"""Engine evaluations in the comments of a PGN, and what they say of the moves.

`[%eval 0.31]` and `[%eval #-3]` (lichess) are from White's side, one engine's of every position.
`+0.31/12` and `-M5/20` (fastchess, cutechess) are the mover's own opinion of its search: they make
a curve, but no judgement of a move, since no two of them need come from one engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rewards.chess.scores import CP_CEILING, win_probability

Source = Literal["engine", "players"]
"""Who evaluated: one engine every position, or each player its own move."""

INACCURACY, MISTAKE, BLUNDER = 0.05, 0.10, 0.15
"""Winning chance lost, of 1. Lichess (lila, modules/tree/src/main/Advice.scala) has 0.1, 0.2 and
0.3 on a scale from -1 to 1, which is twice as long."""

_TOKEN = re.compile(r"\{[^}]*(?:\}|\Z)|;[^\n]*|[()]|\$\d+|\d+\.+|1-0|0-1|1/2-1/2|\*|[^\s(){};$]+")
_ONE_ENGINE = re.compile(r"\[%eval\s+(?:#([+-]?\d{1,4})|([+-]?\d{1,6}(?:\.\d+)?))")
_PLAYERS = re.compile(r"^\s*(?:([+-]?)M(\d{1,4})|([+-]?\d{1,6}\.\d+))/\d+")
_NO_MOVE = frozenset({"1-0", "0-1", "1/2-1/2", "*"})


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An engine's score from White's side: one of centipawns and mate in moves is None."""

    cp: int | None
    mate: int | None = None

    @property
    def clamped(self) -> int:
        """Centipawns in -1000..1000; a mate counts as 1000, as lichess does."""
        if self.mate is not None:
            return CP_CEILING if self.mate > 0 else -CP_CEILING
        assert self.cp is not None
        return max(-CP_CEILING, min(CP_CEILING, self.cp))

    @property
    def win(self) -> float:
        """White's winning chance in [0, 1]."""
        return win_probability(self.cp, self.mate)

    def as_json(self) -> int | str:
        """Return centipawns, or "#3" and "#-3" for mates."""
        return f"#{self.mate}" if self.mate is not None else int(self.cp or 0)


@dataclass(frozen=True, slots=True)
class Loss:
    """What a move gave away: centipawns (clamped scores) and winning chance of the mover."""

    cp: int
    win: float

    @property
    def mark(self) -> str:
        """The sign of annotation: "??", "?", "?!" or ""."""
        limits = ((BLUNDER, "??"), (MISTAKE, "?"), (INACCURACY, "?!"))
        return next((sign for limit, sign in limits if self.win >= limit - 1e-9), "")


def comment_evaluations(
    movetext: str, *, black_first: bool = False
) -> tuple[list[Evaluation | None], Source | None]:
    """Return the evaluation after each ply of the main line, and whose they are.

    The moves are not checked for legality. Where a comment has both forms, lichess's counts; a
    game with a single evaluation of the first kind is of the first kind.
    """
    plies: list[tuple[Evaluation | None, Evaluation | None]] = []
    for comment in _comments(movetext):
        white = (len(plies) % 2 == 0) != black_first
        plies.append((_one_engine(comment), _players(comment, 1 if white else -1)))
    if any(one for one, _ in plies):
        return [one for one, _ in plies], "engine"
    if any(own for _, own in plies):
        return [own for _, own in plies], "players"
    return [None] * len(plies), None


def losses(
    evaluations: Sequence[Evaluation | None], *, black_first: bool = False
) -> list[Loss | None]:
    """Return what each move gave away, where the evaluations before and after it are known.

    The first move has none before it. A move that gains counts 0.
    """
    found: list[Loss | None] = []
    for ply, after in enumerate(evaluations):
        before = evaluations[ply - 1] if ply else None
        if before is None or after is None:
            found.append(None)
            continue
        sign = 1 if (ply % 2 == 0) != black_first else -1
        found.append(
            Loss(
                max(0, sign * (before.clamped - after.clamped)),
                max(0.0, sign * (before.win - after.win)),
            )
        )
    return found


def _comments(movetext: str) -> Iterator[str]:
    """Yield for each move of the main line all that is said after it."""
    depth = 0
    said: list[str] | None = None
    for token in _TOKEN.findall(movetext):
        if token == "(":
            depth += 1
        elif token == ")":
            depth = max(0, depth - 1)
        elif depth or token[0] == "$" or token in _NO_MOVE or re.fullmatch(r"\d+\.+", token):
            continue
        elif token[0] in "{;":
            if said is not None:
                said.append(token.strip("{};").strip())
        else:
            if said is not None:
                yield " ".join(said)
            said = []
    if said is not None:
        yield " ".join(said)


def _one_engine(comment: str) -> Evaluation | None:
    match = _ONE_ENGINE.search(comment)
    if match is None:
        return None
    if match[1] is not None:
        return Evaluation(None, int(match[1])) if int(match[1]) else None
    return Evaluation(round(100 * float(match[2])))


def _players(comment: str, sign: int) -> Evaluation | None:
    match = _PLAYERS.search(comment)
    if match is None:
        return None
    if match[2] is not None:
        moves = int(match[2]) * (-1 if match[1] == "-" else 1)
        return Evaluation(None, sign * moves) if moves else None
    return Evaluation(sign * round(100 * float(match[3])))
