"""Where training tasks come from: families, MBPP, JSONL files and proposals, mixed by shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envs.code import families
from envs.code.contents import contents
from envs.code.datasets import check_trainable
from envs.code.families.screen import Screen
from envs.code.shelves import FAMILIES, PROPOSALS, FamilyShelf, Limits, TaskShelf, fingerprint
from envs.code.task import CodeTask
from envs.errors import InputError
from envs.shares import Shares, checked_shares
from envs.task import Task

SOURCES = (FAMILIES, "mbpp", "jsonl", PROPOSALS)
SOLVED = 1.0
"""The reward from which on an answer counts as solved."""


@dataclass(slots=True)
class _Flight:
    """A task that was dealt and has not come back."""

    source: str
    arm: str
    index: int


class TaskSource:
    """Code tasks from several sources, mixed by shares; no evaluation task is among them.

    The mix is exact and draws no lots: the next task comes from the source that lags its share
    most, or, where that has none free, from the next. Within a source the curriculum draws. Tasks
    in flight are distinct.
    """

    def __init__(
        self,
        shares: Mapping[str, float],
        *,
        seed: int,
        levels: Sequence[int] = families.LEVELS,
        files: Mapping[str, Sequence[CodeTask]] | None = None,
        evaluation: Sequence[CodeTask] = (),
        benchmarks: Sequence[CodeTask] = (),
        limits: Limits | None = None,
        most_proposals: int = 256,
    ) -> None:
        """Mix the families at `levels` and the tasks in `files` ("mbpp", "jsonl").

        `shares` are relative weights; those of 0 are left out. `evaluation` holds the tasks of the
        evaluation suites: a file task that is one of them, or of `benchmarks`, is dropped and
        counted in `excluded` (contents.py says what is one task), and a family task whose reference
        solves one of `evaluation` is passed over. Of proposals at most `most_proposals` are kept,
        the newest.

        Raises InputError for an unknown source or level, a share that is no number of 0 or more, a
        source without tasks, shares that are all 0, and tasks that must not train.
        """
        wanted = checked_shares(shares, SOURCES, "code.sources")
        self._shares = Shares(wanted, "code.sources")
        unknown = [level for level in levels if level not in families.LEVELS]
        if unknown or not levels:
            raise InputError(f"code.levels: {list(levels)} will not do; give some of 1, 2, 3")
        limits = limits or Limits()
        held_out = {mark for task in (*evaluation, *benchmarks) for mark in contents(task)}
        self.excluded: dict[str, int] = {}
        self._shelves: dict[str, FamilyShelf | TaskShelf] = {}
        for name in wanted:
            if name == FAMILIES:
                self._shelves[name] = FamilyShelf(seed, levels, Screen(evaluation), limits)
                continue
            given = list((files or {}).get(name, ())) if name != PROPOSALS else []
            check_trainable(given)
            kept = [task for task in given if held_out.isdisjoint(contents(task))]
            self.excluded[name] = len(given) - len(kept)
            if given and not kept:
                raise InputError(f"code.{name}: every task of it is evaluated; give another file")
            if not kept and name != PROPOSALS:
                raise InputError(f"code.sources.{name} has a share but no tasks; set code.{name}")
            same = {_content(task) for task in evaluation}
            older = [task for task in given if _content(task) not in same]
            self._shelves[name] = TaskShelf(name, kept, seed, limits, older=older)
        if list(wanted) == [PROPOSALS]:
            raise InputError("code.sources: proposals alone begin with nothing; add families, say")
        self._most_proposals = most_proposals
        self._in_flight: dict[str, _Flight] = {}

    def next_tasks(self, n: int) -> list[Task]:
        """Return up to `n` distinct tasks, fewer where everything else is in flight."""
        tasks: list[Task] = []
        while len(tasks) < n:
            dealt = next(filter(None, map(self._deal, self._shares.by_lag())), None)
            if dealt is None:
                break
            tasks.append(dealt)
        return tasks

    def advance(self, task_id: str, values: Sequence[float], version: int) -> None:
        """Take the rewards of the answers to a task in flight; none teach the curriculum nothing.

        `version` is the policy version that answered; the curriculum does not ask for it.

        Raises ValueError if the task is not in flight.
        """
        flight = self._landed(task_id)
        curriculum = self._shelves[flight.source].curriculum
        if values and flight.arm in curriculum:
            curriculum.record(flight.arm, sum(v >= SOLVED for v in values), len(values))

    def skip(self, task_id: str) -> None:
        """Free a task in flight unanswered: a file's may be drawn again, a family's seed is spent.

        Raises ValueError if the task is not in flight.
        """
        self._landed(task_id)

    def propose(self, tasks: Sequence[CodeTask]) -> None:
        """Add proposed tasks; beyond `most_proposals` the oldest go, retired ones first.

        Raises ValueError where proposals have no share.
        """
        shelf = self._shelves.get(PROPOSALS)
        if not isinstance(shelf, TaskShelf):
            raise ValueError("proposals have no share")
        for task in tasks:
            shelf.put(task)
        arms = shelf.curriculum.arms()
        oldest = sorted(shelf.keys(), key=lambda key: not arms[key].retired)
        for key in oldest[: max(0, len(oldest) - self._most_proposals)]:
            shelf.drop(key)

    def metrics(self) -> dict[str, float]:
        """Return the curriculum's metrics of every source, as "source/name"."""
        return {
            f"{name}/{metric}": value
            for name, shelf in self._shelves.items()
            for metric, value in shelf.curriculum.metrics().items()
        }

    def state(self) -> dict[str, Any]:
        """Return everything as JSON; `restore` goes on from it exactly."""
        return {
            **self._shares.state(),
            "in_flight": [
                [task_id, flight.source, flight.arm, flight.index]
                for task_id, flight in self._in_flight.items()
            ],
            "shelves": {name: shelf.state() for name, shelf in self._shelves.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; the tasks that were in flight then are asked again first.

        Raises InputError if shares, seed, levels or files are others than those saved.
        """
        self._shares.restore(state)
        for name, shelf in self._shelves.items():
            shelf.restore(state["shelves"][name])
        self._in_flight = {}
        for name, shelf in self._shelves.items():
            again = [(arm, index) for _, source, arm, index in state["in_flight"] if source == name]
            self._shares.issued[name] -= len(again)
            shelf.put_back(again)

    def _deal(self, name: str) -> Task | None:
        taken = {flight.arm for flight in self._in_flight.values() if flight.source == name}
        dealt = self._shelves[name].deal(taken)
        if dealt is None:
            return None
        arm, index, task = dealt
        self._shares.issued[name] += 1
        self._in_flight[task.id] = _Flight(name, arm, index)
        return task

    def _landed(self, task_id: str) -> _Flight:
        if task_id not in self._in_flight:
            raise ValueError(f"task {task_id} is not in flight")
        return self._in_flight.pop(task_id)


def _content(task: CodeTask) -> str:
    """Return what made two tasks one for runs that began before `contents` did."""
    return fingerprint(
        [" ".join(task.instruction.lower().split()), task.prefix or "", str(task.hidden)]
    )
