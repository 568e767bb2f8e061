"""What every reward function for TRL's trainers shares; needs neither torch nor TRL itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from envs.errors import InputError
from envs.task import Task
from envs.text import clean_text
from rewards.result import RewardResult, ScoreRequest

RewardFunction = Callable[..., list[float | None]]


class _Scorer(Protocol):
    def score(self, requests: list[ScoreRequest]) -> list[RewardResult]: ...

    def close(self) -> object: ...


class TrlReward:
    """The callable that TRL takes; it names the metric after `__name__`.

    The scorer is made at the first call, one in each process, so that the function can be pickled.
    """

    def __init__(
        self,
        name: str,
        make: Callable[..., _Scorer],
        settings: dict[str, Any],
        tasks: Callable[[dict[str, Any], int], Sequence[Task]],
    ) -> None:
        """Score with `make(**settings)`; `tasks(columns, rows)` reads a batch's tasks."""
        self.__name__ = name
        self._make, self._settings, self._tasks = make, settings, tasks
        self._scorer: _Scorer | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_scorer": None}

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], **kwargs: Any
    ) -> list[float | None]:
        """Return a reward in [0, 1] for each completion, None where engine or sandbox failed."""
        tasks = self._tasks(kwargs, len(completions))
        if self._scorer is None:
            self._scorer = self._make(**self._settings)
        texts = [clean_text(text_of(completion)) for completion in completions]
        asked = [ScoreRequest(task, text) for task, text in zip(tasks, texts, strict=True)]
        results = self._scorer.score(asked)
        return [None if r.verdict == "infra_error" else r.value for r in results]

    def close(self) -> None:
        """End engine or sandbox; the next call starts another."""
        scorer, self._scorer = self._scorer, None
        if scorer is not None:
            scorer.close()


def column(name: str, columns: dict[str, Any], rows: int) -> Sequence[Any] | None:
    """Return a column of the batch, None where there is none; InputError for another length."""
    found: Sequence[Any] | None = columns.get(name)
    if found is not None and len(found) != rows:
        raise InputError(f"column `{name}`: {len(found)} rows for {rows} completions; give each")
    return found


def text_of(completion: Any) -> str:
    """Return the model's text of a TRL completion: a string, or chat messages."""
    if isinstance(completion, str):
        return completion
    last = completion[-1] if isinstance(completion, Sequence) and completion else None
    content = last.get("content") if isinstance(last, dict) else None
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(p.get("text", "") for p in content if isinstance(p, dict))
