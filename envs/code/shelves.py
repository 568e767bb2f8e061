"""Shelves of tasks that one source deals from: the families without end, files and proposals."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envs.code import families
from envs.code.curriculum import Curriculum
from envs.code.families.screen import Screen
from envs.code.task import CodeTask, from_payload
from envs.errors import InputError
from envs.task import Task

FAMILIES = "families"
PROPOSALS = "proposals"
_SEEDS = 1_000_000
"""Task seeds of two runs with different seeds lie this far apart."""
_MOST_SCREENED = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of a curriculum; see `Curriculum`."""

    retire_at: float = 0.9
    retire_after: int = 16
    memory: int = 64
    floor: float = 0.02


class FamilyShelf:
    """An endless shelf: each arm, a family at a level, yields a new task every time."""

    def __init__(self, seed: int, levels: Sequence[int], screen: Screen, limits: Limits) -> None:
        self._first = seed * _SEEDS
        self._screen = screen
        self._used: dict[str, int] = {}
        self._again: list[list[Any]] = []
        self.screened = 0
        self.curriculum = _curriculum(FAMILIES, seed, limits)
        for family in families.TRAIN:
            for level in levels:
                self.curriculum.add(f"{family}/{level}", f"level{level}")

    def deal(self, taken: Collection[str]) -> tuple[str, int, Task] | None:
        """Return arm, index and task to ask next; `taken` arms may be dealt again."""
        if self._again:
            arm, index = self._again.pop(0)
            return arm, index, self.task(arm, index).task()
        arm = self.curriculum.draw()
        if arm is None:
            return None
        for _ in range(_MOST_SCREENED):
            index = self._used.get(arm, 0)
            self._used[arm] = index + 1
            drawn = self.task(arm, index)
            if not self._screen.gives_away(drawn):
                return arm, index, drawn.task()
            self.screened += 1
        raise InputError(
            f"code.families: {arm} gives an evaluation task away with every seed; evaluate "
            "held-out families only"
        )

    def task(self, arm: str, index: int) -> CodeTask:
        """Return the `index`-th task of an arm."""
        family, level = arm.split("/")
        return families.make(family, int(level), self._first + index)

    def put_back(self, arms: Sequence[tuple[str, int]]) -> None:
        """Deal these again before any other."""
        self._again[:0] = [list(pair) for pair in arms]

    def state(self) -> dict[str, Any]:
        """Return everything as JSON; `restore` goes on from it exactly."""
        return {
            "tasks": self._fingerprint(),
            "used": dict(self._used),
            "again": [list(pair) for pair in self._again],
            "screened": self.screened,
            "curriculum": self.curriculum.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; InputError if the tasks are others than those saved."""
        if state["tasks"] != self._fingerprint():
            raise InputError(
                "code.families: saved with another seed, other levels or other families; restore "
                "them or start a new run"
            )
        self._used = dict(state["used"])
        self._again = [list(pair) for pair in state["again"]]
        self.screened = state["screened"]
        self.curriculum.restore(state["curriculum"])

    def _fingerprint(self) -> str:
        return fingerprint([str(self._first), *self.curriculum.arms()])


class TaskShelf:
    """A shelf of given tasks: each is an arm of its own, and none is out twice at a time."""

    def __init__(
        self,
        name: str,
        tasks: Sequence[CodeTask],
        seed: int,
        limits: Limits,
        *,
        older: Sequence[CodeTask] = (),
    ) -> None:
        """Hold `tasks`. A state saved when all of `older` trained is taken up without the rest."""
        self._name = name
        self._tasks: dict[str, CodeTask] = {}
        self._older = _marked(older)
        self._again: list[str] = []
        self.curriculum = _curriculum(name, seed, limits)
        for task in tasks:
            self.put(task)

    def put(self, task: CodeTask) -> None:
        """Add a task; one whose key is there already replaces nothing."""
        if task.key not in self._tasks:
            self._tasks[task.key] = task
            self.curriculum.add(task.key, self._name)

    def drop(self, key: str) -> None:
        """Forget a task."""
        del self._tasks[key]
        self.curriculum.remove(key)
        self._again = [other for other in self._again if other != key]

    def keys(self) -> list[str]:
        """Return the keys of the tasks, the oldest first."""
        return list(self._tasks)

    def deal(self, taken: Collection[str]) -> tuple[str, int, Task] | None:
        """Return key, 0 and task to ask next, none of `taken`, or None."""
        key = self._again.pop(0) if self._again else self.curriculum.draw(taken)
        return None if key is None else (key, 0, self._tasks[key].task())

    def put_back(self, arms: Sequence[tuple[str, int]]) -> None:
        """Deal these again before any other."""
        self._again[:0] = [arm for arm, _ in arms if arm in self._tasks]

    def state(self) -> dict[str, Any]:
        """Return everything as JSON; `restore` goes on from it exactly."""
        state: dict[str, Any] = {"again": list(self._again), "curriculum": self.curriculum.state()}
        if self._name == PROPOSALS:
            state["payloads"] = [task.payload() for task in self._tasks.values()]
        else:
            state["tasks"] = self._fingerprint()
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; InputError if the tasks are others than those saved."""
        if self._name == PROPOSALS:
            made = [from_payload(payload, "saved proposal") for payload in state["payloads"]]
            self._tasks = {task.key: task for task in made}
        elif state["tasks"] not in (self._fingerprint(), self._older):
            raise InputError(
                f"code.{self._name}: the tasks have changed since the run was saved; put the old "
                "file back or start a new run"
            )
        self._again = [key for key in state["again"] if key in self._tasks]
        self.curriculum.restore(state["curriculum"])
        for key in set(self.curriculum.arms()) - set(self._tasks):
            self.curriculum.remove(key)

    def _fingerprint(self) -> str:
        return _marked(list(self._tasks.values()))


def _marked(tasks: Sequence[CodeTask]) -> str:
    """Return the fingerprint of tasks, of which the first with a key counts."""
    first: dict[str, CodeTask] = {}
    for task in tasks:
        first.setdefault(task.key, task)
    return fingerprint([task.task().id for task in first.values()])


def _curriculum(name: str, seed: int, limits: Limits) -> Curriculum:
    return Curriculum(
        name,
        seed=seed,
        retire_at=limits.retire_at,
        retire_after=limits.retire_after,
        memory=limits.memory,
        floor=limits.floor,
    )


def fingerprint(texts: Sequence[str]) -> str:
    """Return a hash of texts and their order."""
    return hashlib.sha256("\n".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:20]
