"""What was evaluated never trained: every task of the rollouts against all that is held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from envs import Task
from envs.chess.position import DOMAIN as CHESS
from envs.chess.position import task_key
from envs.chess.suites import OLDEST, suite_keys, suite_names
from envs.code.contents import contents
from envs.code.families import split_of
from envs.code.task import CodeTask
from envs.errors import InputError
from selfplay.domains.base import domain_of
from selfplay.domains.chess.config import PUZZLES
from selfplay.domains.code.tasks import benchmark_tasks, evaluation_tasks
from selfplay.verify.finding import Difference, Findings
from selfplay.verify.folder import Run
from selfplay.verify.groups import StoredGroup, file_of

FILES = ("mbpp", "jsonl")
"""Data sets whose tasks are recognised by their contents; families by their split."""


@dataclass(slots=True)
class HeldOut:
    """All that may not train: positions by their key, tasks by their id or by their contents."""

    positions: frozenset[str]
    ids: frozenset[str]
    load_marks: Callable[[], frozenset[str]]
    """Called once, at the first task of a file."""
    _marks: frozenset[str] | None = None
    _known: dict[str, bool] = field(default_factory=dict)

    def holds(self, task: Task) -> bool:
        """Return whether a task is one that must never train. Raises InputError for a broken one.

        A task's payload is from the folder; it is parsed and never run.
        """
        if task.id not in self._known:
            self._known[task.id] = task.id in self.ids or self._is_held(task)
        return self._known[task.id]

    def _is_held(self, task: Task) -> bool:
        if task.domain == CHESS:
            return task_key(task) in self.positions
        family = task.payload.get("family")
        if family is not None:
            return split_of(family) != "train"
        if task.payload.get("split", "train") != "train":
            return True
        if task.domain != "code" or task.payload.get("dataset") not in FILES:
            return False
        if self._marks is None:
            self._marks = self.load_marks()
        return not self._marks.isdisjoint(contents(CodeTask.of(task)))


def held_out_of(run: Run, findings: Findings) -> HeldOut:
    """Return what may not train in a run: its suites, by its manifest, and all that its evaluations
    asked.

    A run whose manifest does not say had the oldest suites, and its code tasks went by their split.
    """
    starts = [run.manifest, *run.manifest.get("starts", [])]
    engines: list[Mapping[str, Any]] = [start.get("engine", {}) for start in starts]
    known = suite_names()
    named = engines[0].get("held_out")
    listed = named if isinstance(named, list) else OLDEST
    positions = set(suite_keys(tuple(name for name in known if name in listed)))
    ids = set()
    for name, record in run.evals.items():
        with findings.guard(f"evals/{name}.json"):
            for suite, numbers in record["suites"].items():
                for row in numbers["rows"]:
                    ids.add(str(row["task_id"]))
                    positions |= set(_asked(suite, row))

    def marks() -> frozenset[str]:
        if not all("held_out_code" in engine for engine in engines):
            return frozenset()
        try:
            tasks = [*evaluation_tasks(run.config), *benchmark_tasks(run.config)]
        except InputError as error:
            findings.unchecked.append(f"evaluated code tasks in training: {error}")
            return frozenset()
        return frozenset().union(*map(contents, tasks))

    return HeldOut(frozenset(positions), frozenset(ids), marks)


def check_held_out(
    step: int, groups: Sequence[StoredGroup], held_out: HeldOut
) -> Iterator[Difference]:
    """Check that no task of a step is one that was evaluated or is held out."""
    for group in groups:
        task = group.group.task
        if domain_of(task) in (CHESS, "code") and held_out.holds(task):
            place = f"row {group.numbers[0]}, payload"
            yield Difference.words(file_of(step), place, "a held-out task", "a task that may train")


def _asked(suite: str, row: Mapping[str, Any]) -> list[str]:
    """Return the keys of the positions that a row of an evaluation asked."""
    if suite == PUZZLES:
        return [str(key) for key in row.get("positions", [])]
    return [" ".join(str(row["fen"]).split()[:4])] if "fen" in row else []
