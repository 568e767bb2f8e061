"""Where training tasks come from: what a source must do, and the simplest one, a list."""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from envs import Task
from envs.errors import InputError
from rewards import RewardResult
from selfplay.records import FinishedGame


class Source(ABC):
    """Where the training tasks of a domain come from. All draws follow from the run's seed."""

    @abstractmethod
    def next_tasks(self, n: int) -> list[Task]:
        """Return up to `n` tasks that are not in flight, fewer where there are no more now."""

    @abstractmethod
    def answered(self, task: Task, results: Sequence[RewardResult], version: int) -> None:
        """Take the results of what policy `version` answered to a task in flight.

        Raises ValueError if the task is not in flight.
        """

    @abstractmethod
    def skip(self, task_id: str) -> None:
        """Free a task in flight unanswered. Raises ValueError if it is not in flight."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return everything as JSON, tasks in flight as if they had not been asked."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`. Raises InputError for one of other tasks or another seed."""

    def finished(self) -> list[FinishedGame]:
        """Return the games that ended since the last call, and forget them."""
        return []

    def metrics(self) -> dict[str, float]:
        """Return the source's own metrics of a step."""
        return {}


class TaskList(Source):
    """A list of tasks, dealt in a new seeded order each time all of them were asked."""

    def __init__(self, tasks: Sequence[Task], seed: int) -> None:
        """Take distinct tasks, one at least. Raises InputError otherwise."""
        self._tasks = {task.id: task for task in tasks}
        if not tasks or len(self._tasks) != len(tasks):
            raise InputError("a source of tasks needs one task at least, and each only once")
        self._digest = hashlib.sha256("\n".join(self._tasks).encode()).hexdigest()[:20]
        self._seed = seed
        self._round = 0
        self._queue: list[str] = []
        self._in_flight: dict[str, None] = {}

    def next_tasks(self, n: int) -> list[Task]:
        """Return up to `n` tasks that are not in flight, fewer where all others are."""
        dealt: list[Task] = []
        while len(dealt) < n and len(self._in_flight) < len(self._tasks):
            name = next((name for name in self._queue if name not in self._in_flight), None)
            if name is None:
                self._queue += self._shuffled()
                continue
            self._queue.remove(name)
            self._in_flight[name] = None
            dealt.append(self._tasks[name])
        return dealt

    def answered(self, task: Task, results: Sequence[RewardResult], version: int) -> None:
        """Put the task to those that were asked in this round."""
        self._land(task.id)

    def skip(self, task_id: str) -> None:
        """Ask the task again before any other."""
        self._land(task_id)
        self._queue.insert(0, task_id)

    def state(self) -> dict[str, Any]:
        """Return round and order; tasks in flight come first."""
        return {
            "tasks": self._digest,
            "seed": self._seed,
            "round": self._round,
            "queue": [*self._in_flight, *self._queue],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`. Raises InputError for one of other tasks or another seed."""
        if (state["tasks"], state["seed"]) != (self._digest, self._seed):
            raise InputError(
                "the tasks are others than those of the saved run, or their seed is; put them back "
                "as they were or start a new run"
            )
        self._round = int(state["round"])
        self._queue = [str(name) for name in state["queue"]]
        self._in_flight = {}

    def _shuffled(self) -> list[str]:
        names = list(self._tasks)
        random.Random(f"{self._seed}/tasks/{self._round}").shuffle(names)
        self._round += 1
        return names

    def _land(self, task_id: str) -> None:
        if task_id not in self._in_flight:
            raise ValueError(f"task {task_id} is not in flight")
        del self._in_flight[task_id]
