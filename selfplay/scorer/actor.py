"""The scorer actor: one domain's engine or sandbox in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray

from envs import Task
from rewards import RewardResult
from selfplay.cluster.actors import whereabouts
from selfplay.config.run import RunConfig
from selfplay.domains.made import make_domain


@ray.remote(concurrency_groups={"watch": 1})
class ScorerActor:
    """One scorer of one domain, with its engine or its sandbox."""

    def __init__(self, config: dict[str, Any], domain: str, evaluating: bool) -> None:
        made = make_domain(domain, RunConfig.model_validate(config))
        self._scorer = made.make_scorer(evaluating=evaluating)

    def score(self, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        """Return the results of the answers to one task, in order."""
        return self._scorer.score(task, completions)

    @ray.method(concurrency_group="watch")
    def doing(self) -> str:
        """Return what the scorer is working on."""
        return self._scorer.doing

    @ray.method(concurrency_group="watch")
    def where(self) -> dict[str, Any]:
        """Return where the scorer runs, once it has started."""
        return whereabouts()
