"""The chess reward as a function for TRL's trainers; needs neither torch nor TRL itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from envs.chess.position import DOMAIN, make_task, parse_fen, quoted
from envs.errors import InputError
from envs.task import Task
from rewards.chess.scorer import ChessScorer, ScoreRequest

RewardFunction = Callable[..., list[float | None]]


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
) -> RewardFunction:
    """Return a function for `GRPOTrainer(reward_funcs=[chess_reward()], ...)`.

    The data set needs a column `fen`, the position to move in. A column `moves` (UCI moves; with
    `start_fen` where the game did not begin in the usual position) may tell how it came about and
    must then lead to `fen`. Completions are strings or lists of chat messages, of which the last
    one's content counts. Where the engine failed the reward is None, which TRL leaves out. The
    settings are those of `ChessScorer`; the engine starts at the first call, one in each process,
    so the function can be pickled.
    """
    return _ChessReward(
        {
            "engine_path": engine_path,
            "nodes": nodes,
            "hash_mb": hash_mb,
            "deadline_s": deadline_s,
            "cache_path": cache_path,
            "shape": shape,
            "floor": floor,
            "slope": slope,
        }
    )


class _ChessReward:
    """The callable; TRL names the metric after `__name__`."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.__name__ = "chess_reward"
        self._settings = settings
        self._scorer: ChessScorer | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"__name__": self.__name__, "_settings": self._settings, "_scorer": None}

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], **kwargs: Any
    ) -> list[float | None]:
        """Return a reward in [0, 1] for each completion, None where the engine failed."""
        fens = _column("fen", kwargs, len(completions))
        if fens is None:
            raise InputError("data set: no column `fen`; add one with the position to move in")
        moves = _column("moves", kwargs, len(completions))
        starts = _column("start_fen", kwargs, len(completions))
        requests = [
            ScoreRequest(
                _task(fens[i], moves[i] if moves else None, starts[i] if starts else None),
                _text(completion),
            )
            for i, completion in enumerate(completions)
        ]
        if self._scorer is None:
            self._scorer = ChessScorer(**self._settings)
        results = self._scorer.score(requests)
        return [None if r.verdict == "infra_error" else r.value for r in results]

    def close(self) -> None:
        """End the engine; the next call starts another."""
        scorer, self._scorer = self._scorer, None
        if scorer is not None:
            scorer.close()


def _column(name: str, columns: dict[str, Any], rows: int) -> Sequence[Any] | None:
    column = columns.get(name)
    if column is not None and len(column) != rows:
        raise InputError(f"column `{name}`: {len(column)} rows for {rows} completions; give each")
    return column


def _task(fen: Any, moves: Any, start: Any) -> Task:
    if not isinstance(fen, str):
        raise InputError(f"column `fen`: {quoted(fen)} is no text; give the position as FEN")
    if not moves:
        return make_task(parse_fen(fen, "column `fen`"))
    played = moves.split() if isinstance(moves, str) else list(moves)
    return Task.make(DOMAIN, {"fen": fen, "start_fen": start, "moves": played})


def _text(completion: Any) -> str:
    """Return the model's text of a TRL completion: a string, or chat messages."""
    if isinstance(completion, str):
        return completion
    last = completion[-1] if isinstance(completion, Sequence) and completion else None
    content = last.get("content") if isinstance(last, dict) else None
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(p.get("text", "") for p in content if isinstance(p, dict))
