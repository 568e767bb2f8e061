"""Self-play for code: the policy proposes functions, and is paid by how hard they are to solve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from typing_extensions import override

from envs import Task
from envs.code.proposals import reward
from envs.code.proposer import DOMAIN, request
from envs.code.task import CodeTask, from_payload
from rewards import RewardResult
from selfplay.domains.base import Source, mean
from selfplay.domains.code.tasks import CodeSource
from selfplay.records import Group

_SEEDS = 1_000_000
"""Requests of two runs with different seeds lie this far apart."""


class ProposingSource(Source):
    """Deals the tasks of a CodeSource and, for a share of them, requests to propose a new one."""

    def __init__(self, tasks: CodeSource, share: float, seed: int) -> None:
        self._tasks = tasks
        self._share = share
        self._first = seed * _SEEDS
        self._requests = 0
        self._due = 0.0
        self._in_flight: set[str] = set()

    @override
    def next_tasks(self, n: int) -> list[Task]:
        """Return up to `n` distinct tasks; every 1/share-th is a request, counted over steps."""
        self._due += n * self._share
        asked = min(n, int(self._due + 1e-9))
        self._due -= asked
        made = [request(self._first + self._requests + i) for i in range(asked)]
        self._requests += asked
        self._in_flight |= {task.id for task in made}
        return [*made, *self._tasks.next_tasks(n - asked)]

    @override
    def answered(self, task: Task, results: Sequence[RewardResult], version: int) -> None:
        """Take the results of the answers to a request, or to a task."""
        if task.id in self._in_flight:
            self._in_flight.remove(task.id)
        else:
            self._tasks.answered(task, results, version)

    @override
    def skip(self, task_id: str) -> None:
        if task_id in self._in_flight:
            self._in_flight.remove(task_id)
        else:
            self._tasks.skip(task_id)

    def propose(self, tasks: Sequence[CodeTask]) -> None:
        """Keep proposed tasks, to be asked again by their solve rate."""
        self._tasks.propose(tasks)

    @override
    def metrics(self) -> dict[str, float]:
        return self._tasks.metrics()

    @override
    def state(self) -> dict[str, Any]:
        return {"tasks": self._tasks.state(), "requests": self._requests, "due": self._due}

    @override
    def restore(self, state: dict[str, Any]) -> None:
        self._tasks.restore(state["tasks"])
        self._requests, self._due = state["requests"], state["due"]
        self._in_flight = set()


def proposed(groups: Sequence[Group]) -> list[CodeTask]:
    """Return the tasks that the answers to requests became, each once, in order."""
    found: dict[str, CodeTask] = {}
    for group in groups:
        if group.task.domain != DOMAIN:
            continue
        for rollout in group.rollouts:
            payload = rollout.result.evidence.get("task") if rollout.result else None
            if payload is not None:
                task = from_payload(payload, "proposal")
                found.setdefault(task.key, task)
    return list(found.values())


def settle(groups: Sequence[Group], tried: Sequence[Group]) -> None:
    """Pay each proposal by the solve rate of its task: 1 - rate, 0 where none or all solve it."""
    rates: dict[str, tuple[int, int]] = {}
    for group in tried:
        verdicts = [r.result.verdict for r in group.rollouts if r.result is not None]
        sound = [verdict for verdict in verdicts if verdict != "infra_error"]
        rates[str(group.task.payload["key"])] = (sound.count("pass"), len(sound))
    for group in groups:
        if group.task.domain != DOMAIN:
            continue
        for rollout in group.rollouts:
            payload = rollout.result.evidence.get("task") if rollout.result else None
            if rollout.result is None or payload is None:
                continue
            solved, count = rates.get(payload["key"], (0, 0))
            if count == 0:  # nobody could try it, through our own fault: that never trains
                rollout.result = replace(rollout.result, verdict="infra_error")
                continue
            rollout.result = replace(
                rollout.result,
                value=reward(solved, count),
                parts=rollout.result.parts | {"solve_rate": solved / count},
            )


def metrics(groups: Sequence[Group]) -> dict[str, float | None]:
    """Return how many proposals were sound, how often they were solved, and what they earned."""
    results = [r.result for g in groups if g.task.domain == DOMAIN for r in g.rollouts if r.result]
    rates = [r.parts["solve_rate"] for r in results if "solve_rate" in r.parts]
    return {
        "proposer/sound": mean([r.parts.get("sound", 0.0) for r in results]),
        "proposer/solve_rate": mean(rates),
        "proposer/reward_mean": mean([r.value for r in results]),
    }
