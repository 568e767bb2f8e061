"""The scorer actors and their pool: tasks and answers in, RewardResults out. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import ray

from envs import Task
from rewards import RewardResult
from selfplay.actors import whereabouts
from selfplay.config import RunConfig
from selfplay.domains import make_domain
from selfplay.domains.base import domain_of
from selfplay.placement import bundle
from selfplay.pools import ActorPool


@ray.remote(concurrency_groups={"watch": 1})
class ScorerActor:
    """One scorer of one domain, with its engine or its sandbox."""

    def __init__(self, config: dict[str, Any], domain: str, evaluating: bool) -> None:
        self._domain = make_domain(domain, RunConfig.model_validate(config))
        self._scorer = self._domain.make_scorer(evaluating=evaluating)

    def score(self, task: Task, completions: Sequence[str]) -> list[RewardResult]:
        """Return the results of the answers to one task, in order."""
        return self._domain.score(self._scorer, task, completions)

    @ray.method(concurrency_group="watch")
    def doing(self) -> str:
        """Return what the scorer is working on."""
        return self._scorer.doing

    @ray.method(concurrency_group="watch")
    def where(self) -> dict[str, Any]:
        """Return where the scorer runs, once it has started."""
        return whereabouts()


class ScorerPool:
    """All scorers of some domains; an answer that met an infrastructure error is scored again."""

    def __init__(
        self,
        config: RunConfig,
        domains: Iterable[str],
        *,
        evaluating: bool = False,
        actor: Any = ScorerActor,
    ) -> None:
        self._actor = actor
        self._retries = config.scorer.retries
        self._pools = {name: self._pool(config, name, evaluating) for name in domains}

    def _pool(self, config: RunConfig, domain: str, evaluating: bool) -> ActorPool:
        settings = config.model_dump(mode="json")

        def make(_: int) -> Any:
            return self._actor.options(
                num_cpus=config.scorer.cpus, resources=config.scorer.resources
            ).remote(settings, domain, evaluating)

        return ActorPool(
            "scorer" if domain == config.domain else f"{domain} scorer",
            make,
            count=config.scorer.count,
            deadline_s=config.scorer.deadline_s,
            retries=self._retries,
            start_s=config.ray.start_s,
            needs=bundle(config.scorer.cpus, 0.0, config.scorer.resources),
        )

    def score(self, answers: Sequence[tuple[Task, Sequence[str]]]) -> list[list[RewardResult]]:
        """Return the results of each task's answers, in order.

        A result that stays `infra_error` behind the retries is returned as such: the caller drops
        it, it never trains.
        """
        results: list[list[RewardResult]] = [[] for _ in answers]
        todo = list(range(len(answers)))
        for _ in range(1 + self._retries):
            for name, pool in self._pools.items():
                mine = [i for i in todo if domain_of(answers[i][0]) == name]
                scored = pool.map("score", [(answers[i][0], list(answers[i][1])) for i in mine])
                for i, rows in zip(mine, scored, strict=True):
                    results[i] = rows
            todo = [i for i in todo if _has_infra_error(results[i])]
            if not todo:
                break
        return results

    @property
    def replaced(self) -> int:
        """How many scorers died or hung and were replaced."""
        return sum(pool.replaced for pool in self._pools.values())

    def wait_started(self) -> None:
        """Wait until every scorer has started."""
        for pool in self._pools.values():
            pool.wait_started()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Where scorers were placed and lost; see placement.event."""
        return [row for pool in self._pools.values() for row in pool.events]

    def close(self) -> None:
        """Kill the scorers; their engines and sandboxes die with them."""
        for pool in self._pools.values():
            pool.close()


def _has_infra_error(rows: Sequence[RewardResult]) -> bool:
    return any(row.verdict == "infra_error" for row in rows)
