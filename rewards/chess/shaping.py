"""From an engine's scores to a reward in [0, 1]: pure functions, each with its source."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

from envs.errors import InputError
from rewards.chess.scores import PositionScores

Shape = Literal["regret", "win_percent", "lichess_accuracy", "best_move", "rank"]
SHAPES: tuple[Shape, ...] = get_args(Shape)


def regret_reward(scores: PositionScores, uci: str, floor: float, slope: float) -> float:
    """Return floor + (1 - floor) * max(0, 1 - slope * regret); regret in winning chance.

    The project's own: being legal is worth `floor`, the best move 1, and a move that loses
    1 / slope of winning chance or more is worth no more than being legal.
    """
    return floor + (1.0 - floor) * max(0.0, 1.0 - slope * scores.regret(uci))


def win_percent_reward(scores: PositionScores, uci: str, floor: float, slope: float) -> float:
    """Return the winning chance after the move, by lichess's formula (see scores.py)."""
    return scores.moves[uci].win


def lichess_accuracy_reward(scores: PositionScores, uci: str, floor: float, slope: float) -> float:
    """Return lichess's accuracy of the move as a fraction of 1.

    Accuracy% = 103.1668 * exp(-0.04354 * (win_before - win_after)) - 3.1669, clamped to 0..100,
    win in percent (https://lichess.org/page/accuracy); win_before is that of the best move.
    """
    lost = 100.0 * scores.regret(uci)
    percent = 103.1668 * math.exp(-0.04354 * lost) - 3.1669
    return max(0.0, min(100.0, percent)) / 100.0


def best_move_reward(scores: PositionScores, uci: str, floor: float, slope: float) -> float:
    """Return 1 for a best move (exact ties all count), 0 for any other."""
    return 1.0 if uci in scores.best_moves else 0.0


def rank_reward(scores: PositionScores, uci: str, floor: float, slope: float) -> float:
    """Return floor + (1 - floor) * rank: the share of moves that are worse, ties half."""
    return floor + (1.0 - floor) * scores.rank(uci)


_REWARDS: dict[str, Callable[[PositionScores, str, float, float], float]] = {
    "regret": regret_reward,
    "win_percent": win_percent_reward,
    "lichess_accuracy": lichess_accuracy_reward,
    "best_move": best_move_reward,
    "rank": rank_reward,
}


def check_shape(shape: str, floor: float, slope: float) -> None:
    """Raise InputError unless these settings describe a reward in [0, 1]."""
    if shape not in _REWARDS:
        raise InputError(f"reward.shape={shape}: unknown shape; take one of {', '.join(SHAPES)}")
    if not 0.0 <= floor < 1.0:
        raise InputError(f"reward.floor={floor}: must be at least 0 and below 1")
    if not (math.isfinite(slope) and slope > 0.0):
        raise InputError(f"reward.slope={slope}: must be a finite number above 0")


def shape_value(
    shape: str, scores: PositionScores, uci: str | None, floor: float, slope: float
) -> float:
    """Return the reward in [0, 1] of a move; 0 for None and for whatever is not legal here.

    `floor` serves `regret` and `rank`, `slope` serves `regret`. Raises InputError for an unknown
    shape or settings out of range.
    """
    check_shape(shape, floor, slope)
    if uci is None or uci not in scores.moves:
        return 0.0
    return min(1.0, max(0.0, _REWARDS[shape](scores, uci, floor, slope)))
