"""PositionScores: every legal move of a position with the engine's score, and what follows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from rewards.chess.uci import MAX_CP, MAX_MATE

WIN_SLOPE = 0.00368208
"""Per centipawn; lichess, scalachess `core/src/main/scala/eval.scala`."""
CP_CEILING = 1000
"""Centipawn scores are clamped to +-1000 and a mate counts as +-1000, as lichess does."""
Beyond = Literal["ordered", "tied"]
"""What a score beyond the ceiling is worth: by `ordered_win`, or as much as at the ceiling."""
BEYOND: tuple[Beyond, ...] = get_args(Beyond)


def win_probability(cp: int | None, mate: int | None) -> float:
    """Return lichess's winning chance in [0, 1] of an engine score (one of cp, mate).

    Win% = 50 + 50 * (2 / (1 + exp(-0.00368208 * cp)) - 1), which is the logistic function of
    0.00368208 * cp as a fraction of 1. Raises ValueError when not exactly one of both is given.
    """
    if (cp is None) == (mate is None):
        raise ValueError("a score is centipawns or a mate, never both or neither")
    if cp is None:
        assert mate is not None
        cp = CP_CEILING if mate > 0 else -CP_CEILING
    cp = max(-CP_CEILING, min(CP_CEILING, cp))
    return 1.0 / (1.0 + math.exp(-WIN_SLOPE * cp))


def ordered_win(cp: int | None, mate: int | None) -> float:
    """Return a winning chance that distinguishes won positions, and lost ones, in [0, 1].

    Up to +-1,000 centipawns it is lichess's (`win_probability`). What that leaves to 1 is shared by
    what lies beyond, the project's own: half of it by more centipawns, x / (1 + x) for x thousands
    above the first, and half by mates, 1 / n for a mate in n; mate in 1 is worth 1. The same below
    0 for the side that is lost. It grows strictly with `MoveScore.strength`.
    """
    win = win_probability(cp, mate)
    if mate is None:
        assert cp is not None
        far = max(0, abs(cp) - CP_CEILING) / CP_CEILING
        beyond, better = 0.5 * far / (1.0 + far), cp > 0
    else:
        beyond, better = 0.5 + 0.5 / max(1, abs(mate)), mate > 0
    return win + (1.0 - win) * beyond if better else win * (1.0 - beyond)


@dataclass(frozen=True, slots=True)
class MoveScore:
    """The score of one move for the side that makes it.

    `cp` in centipawns or `mate` in moves (negative: it is mated), the other is None; `win` is the
    winning chance in [0, 1].
    """

    cp: int | None
    mate: int | None
    win: float

    @classmethod
    def of(cls, cp: int | None, mate: int | None) -> MoveScore:
        """Return the score with its winning chance."""
        return cls(cp, mate, win_probability(cp, mate))

    @property
    def strength(self) -> tuple[int, int]:
        """Sort key: quick mates, slow mates, centipawns, slow defeats, quick defeats."""
        if self.mate is None:
            assert self.cp is not None
            return (0, self.cp)
        return (1, -self.mate) if self.mate > 0 else (-1, -self.mate)


@dataclass(frozen=True, slots=True)
class PositionScores:
    """All legal moves (UCI) of one position, scored by one engine at one depth.

    `depth` 0 means that the engine showed no depth completely and each move had a search of its
    own; `nodes` is what the engine says it searched.
    """

    moves: Mapping[str, MoveScore]
    depth: int
    nodes: int

    def __post_init__(self) -> None:
        if not self.moves:
            raise ValueError("a position without legal moves has no scores")

    def ordered(self) -> PositionScores:
        """Return the same with `ordered_win` for each move's winning chance."""
        moves = {
            uci: replace(score, win=ordered_win(score.cp, score.mate))
            for uci, score in self.moves.items()
        }
        return replace(self, moves=moves)

    @property
    def best_win(self) -> float:
        """The winning chance after the best move, in [0, 1]."""
        return max(score.win for score in self.moves.values())

    @property
    def best_moves(self) -> tuple[str, ...]:
        """The best move and all that tie with it exactly (same centipawns or same mate)."""
        best = max(score.strength for score in self.moves.values())
        return tuple(uci for uci, score in self.moves.items() if score.strength == best)

    def regret(self, uci: str) -> float:
        """Return best winning chance minus this move's, in [0, 1]. KeyError: not legal."""
        return self.best_win - self.moves[uci].win

    @property
    def random_regret(self) -> float:
        """The expected regret of a uniform random legal move."""
        wins = [score.win for score in self.moves.values()]
        best = max(wins)
        return math.fsum(best - win for win in wins) / len(wins)

    @property
    def random_best(self) -> float:
        """The chance that a uniform random legal move is a best one."""
        return len(self.best_moves) / len(self.moves)

    def rank(self, uci: str) -> float:
        """Return the share of the other moves that are worse, ties counted half, in [0, 1].

        The only move of a position has rank 1. KeyError: not legal.
        """
        own = self.moves[uci].strength
        others = len(self.moves) - 1
        if not others:
            return 1.0
        worse = sum(score.strength < own for score in self.moves.values())
        ties = sum(score.strength == own for score in self.moves.values()) - 1
        return (worse + 0.5 * ties) / others

    def to_json(self) -> str:
        """Return one line of JSON: {"depth", "nodes", "moves": {uci: [cp, mate]}}."""
        moves = {uci: [score.cp, score.mate] for uci, score in self.moves.items()}
        return json.dumps(
            {"depth": self.depth, "nodes": self.nodes, "moves": moves}, separators=(",", ":")
        )

    @classmethod
    def from_json(cls, text: str) -> PositionScores:
        """Return what `to_json` wrote; winning chances are computed anew. ValueError: no such."""
        try:
            data: Any = json.loads(text)
            moves = {str(uci): _score(cp, mate) for uci, (cp, mate) in data["moves"].items()}
            return cls(moves, int(data["depth"]), int(data["nodes"]))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"no position scores: {error!r}") from error


def _score(cp: Any, mate: Any) -> MoveScore:
    for value, limit in ((cp, MAX_CP), (mate, MAX_MATE)):
        if value is not None and (type(value) is not int or abs(value) > limit):
            raise ValueError(f"{value!r} is no score")
    if mate == 0:
        raise ValueError("mate in 0 is no score of a move")
    return MoveScore.of(cp, mate)
