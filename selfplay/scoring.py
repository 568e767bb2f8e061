"""The scorer actors and their pool: tasks and answers in, RewardResults out. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray

from envs import Task
from rewards import RewardResult
from rewards.chess.scorer import ChessScorer, ScoreRequest
from selfplay.config import RunConfig
from selfplay.pools import ActorPool


def make_scorer(config: RunConfig, nodes: int | None = None) -> ChessScorer:
    """Return a scorer in this process, with the engine settings of the run."""
    return ChessScorer(
        config.engine.path,
        nodes or config.engine.nodes,
        config.engine.hash_mb,
        config.engine.deadline_s,
        config.engine.cache,
        config.reward.shape,
        config.reward.floor,
        config.reward.slope,
    )


@ray.remote(concurrency_groups={"watch": 1})
class ScorerActor:
    """One scorer with one engine process."""

    def __init__(self, config: dict[str, Any], nodes: int | None) -> None:
        self._scorer = make_scorer(RunConfig.model_validate(config), nodes)

    def score(self, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        """Return the results of the answers to one task, in order."""
        return self._scorer.score([ScoreRequest(task, text) for text in completions])

    @ray.method(concurrency_group="watch")
    def doing(self) -> str:
        """Return what the scorer is working on."""
        return self._scorer.doing


class ScorerPool:
    """All scorers; an answer that met an infrastructure error is scored again elsewhere."""

    def __init__(self, config: RunConfig, nodes: int | None = None) -> None:
        settings = config.model_dump(mode="json")
        self._retries = config.scorer.retries

        def make(_: int) -> Any:
            return ScorerActor.options(num_cpus=config.scorer.cpus).remote(  # type: ignore[attr-defined]
                settings, nodes
            )

        self._pool = ActorPool(
            "scorer",
            make,
            count=config.scorer.count,
            deadline_s=config.scorer.deadline_s,
            retries=self._retries,
        )

    def score(self, answers: Sequence[tuple[Task, Sequence[str]]]) -> list[list[RewardResult]]:
        """Return the results of each task's answers, in order.

        A result that stays `infra_error` behind the retries is returned as such: the caller drops
        it, it never trains.
        """
        results = self._pool.map("score", [(task, list(texts)) for task, texts in answers])
        for _ in range(self._retries):
            broken = [i for i, rows in enumerate(results) if _has_infra_error(rows)]
            if not broken:
                break
            again = self._pool.map("score", [(answers[i][0], list(answers[i][1])) for i in broken])
            for i, rows in zip(broken, again, strict=True):
                results[i] = rows
        return results

    @property
    def replaced(self) -> int:
        """How many scorers died or hung and were replaced."""
        return self._pool.replaced

    def close(self) -> None:
        """Kill the scorers; their engines die with them."""
        self._pool.close()


def _has_infra_error(rows: Sequence[RewardResult]) -> bool:
    return any(row.verdict == "infra_error" for row in rows)
