"""The chess reward as a function for TRL's trainers; needs neither torch nor TRL itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from envs.chess.position import DOMAIN, make_task, parse_fen, quoted
from envs.errors import InputError
from envs.task import Task
from rewards.chess.scorer import ChessScorer
from rewards.chess.scores import Beyond
from rewards.trl_reward import RewardFunction, TrlReward, column


def chess_reward(
    engine_path: Path | None = None,
    *,
    nodes: int = 5000,
    hash_mb: int = 16,
    deadline_s: float = 20.0,
    cache_path: Path | None = None,
    shape: str = "regret",
    floor: float = 0.1,
    slope: float = 3.0,
    beyond: Beyond = "ordered",
) -> RewardFunction:
    """Return a function for `GRPOTrainer(reward_funcs=[chess_reward()], ...)`.

    The data set needs a column `fen`, the position to move in. A column `moves` (UCI moves; with
    `start_fen` where the game did not begin in the usual position) may say how it came about and
    must then lead to `fen`. Completions are strings or lists of chat messages, of which the last
    one's content counts. Where the engine failed the reward is None, which TRL leaves out. The
    settings are those of `ChessScorer`; the engine starts at the first call, one in each process,
    so the function can be pickled.
    """
    return TrlReward(
        "chess_reward",
        ChessScorer,
        {
            "engine_path": engine_path,
            "nodes": nodes,
            "hash_mb": hash_mb,
            "deadline_s": deadline_s,
            "cache_path": cache_path,
            "shape": shape,
            "floor": floor,
            "slope": slope,
            "beyond": beyond,
        },
        _tasks,
    )


def _tasks(columns: dict[str, Any], rows: int) -> list[Task]:
    fens = column("fen", columns, rows)
    if fens is None:
        raise InputError("data set: no column `fen`; add one with the position to move in")
    moves = column("moves", columns, rows) or [None] * rows
    starts = column("start_fen", columns, rows) or [None] * rows
    return [_task(*row) for row in zip(fens, moves, starts, strict=True)]


def _task(fen: Any, moves: Any, start: Any) -> Task:
    if not isinstance(fen, str):
        raise InputError(f"column `fen`: {quoted(fen)} is no text; give the position as FEN")
    if not moves:
        return make_task(parse_fen(fen, "column `fen`"))
    played = moves.split() if isinstance(moves, str) else list(moves)
    return Task.make(DOMAIN, {"fen": fen, "start_fen": start, "moves": played})
