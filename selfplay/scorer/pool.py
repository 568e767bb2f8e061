"""The scorers of a run: tasks and answers in, RewardResults out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from envs import Task
from rewards import RewardResult
from selfplay.cluster.placement import bundle
from selfplay.cluster.pools import ActorPool
from selfplay.config.run import RunConfig
from selfplay.display.text import visible
from selfplay.domains.base import domain_of
from selfplay.scorer.actor import ScorerActor

log = logging.getLogger(__name__)


class ScorerPool:
    """All scorers of some domains; an answer with an infrastructure error is scored again."""

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
        settings = config.as_json()

        def make(_: int) -> Any:
            return self._actor.options(
                num_cpus=config.scorer.cpus, resources=config.scorer.resources
            ).remote(settings, domain, evaluating)

        return ActorPool(
            "scorer" if (domain,) == config.domains else f"{domain} scorer",
            make,
            count=config.scorer.count,
            deadline_s=config.scorer.deadline_s,
            retries=self._retries,
            start_s=config.ray.start_s,
            needs=bundle(config.scorer.cpus, 0.0, config.scorer.resources),
        )

    def score(self, answers: Sequence[tuple[Task, Sequence[str]]]) -> list[list[RewardResult]]:
        """Return the results of each task's answers, in order.

        An answer with an infrastructure error is scored again, on its own. A result that stays
        `infra_error` after the retries is returned as such, and so are those of a task that cost
        as many scorers: the caller drops it, it never trains.

        Raises:
            InputError: a scorer said that a task is wrong.
            PoolError: nothing can be scored any more; see ActorPool.map.
        """
        asked = [(task, list(texts)) for task, texts in answers]
        results: list[list[RewardResult]] = [[] for _ in asked]
        todo = {i: list(range(len(texts))) for i, (_, texts) in enumerate(asked)}
        for _ in range(1 + self._retries):
            aside: set[int] = set()
            for name, pool in self._pools.items():
                mine = {i: todo[i] for i in todo if domain_of(asked[i][0]) == name}
                for i, rows in _scored(pool, asked, mine, aside).items():
                    results[i] = _merged(results[i], mine[i], rows)
            again = {i: _infra_errors(results[i]) for i in todo if i not in aside}
            todo = {i: places for i, places in again.items() if places}
            if not todo:
                break
        for i, places in todo.items():
            why = results[i][places[0]].evidence.get("detail", "")
            count = f"{len(places)} of {len(results[i])} answers could not be scored"
            log.warning("%s: set aside, it never trains: %s: %s", _named(asked[i][0]), count, why)
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


def _scored(
    pool: ActorPool,
    asked: Sequence[tuple[Task, list[str]]],
    mine: Mapping[int, Sequence[int]],
    aside: set[int],
) -> dict[int, list[RewardResult]]:
    """Return the results of the answers `mine` (task -> places); tasks set aside go to `aside`."""
    tasks = list(mine)
    calls = [(asked[i][0], [asked[i][1][k] for k in mine[i]]) for i in tasks]

    def set_aside(number: int, why: str) -> list[RewardResult]:
        task, texts = calls[number]
        aside.add(tasks[number])
        log.warning("%s: set aside, it never trains: %s", _named(task), why)
        evidence = {"action": None, "detail": why}
        return [RewardResult(0.0, "infra_error", {}, dict(evidence)) for _ in texts]

    return dict(zip(tasks, pool.map("score", calls, set_aside), strict=True))


def _named(task: Task) -> str:
    """Return a task in a few words, for a message."""
    name = task.payload.get("key") or task.payload.get("fen") or task.id
    return visible(f"task {name}", 120)


def _infra_errors(rows: Sequence[RewardResult]) -> list[int]:
    return [place for place, row in enumerate(rows) if row.verdict == "infra_error"]


def _merged(
    before: list[RewardResult], places: Sequence[int], rows: Sequence[RewardResult]
) -> list[RewardResult]:
    """Return the results so far with those at `places` replaced."""
    fresh = dict(zip(places, rows, strict=True))
    return [fresh.get(k, row) for k, row in enumerate(before)] if before else list(rows)
