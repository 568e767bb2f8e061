"""What was evaluated never trained: every task of the rollouts against all that is held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from envs import Task
from selfplay.domains.base import domain_of
from selfplay.domains.checks import Held
from selfplay.domains.differences import Difference
from selfplay.domains.rows import Row
from selfplay.verify.finding import Findings
from selfplay.verify.folder import Run
from selfplay.verify.groups import StoredGroup, file_of
from selfplay.verify.rollouts import CheckOf


@dataclass(slots=True)
class HeldOut:
    """All that may not train: the tasks that were asked, by id, and those that their domain tells.

    `held` returns how a domain tells them; it is called at the domain's first task.
    """

    ids: frozenset[str]
    held: Callable[[str], Held]
    _by_domain: dict[str, Held] = field(default_factory=dict)
    _known: dict[str, bool] = field(default_factory=dict)

    def holds(self, task: Task) -> bool:
        """Return whether a task is one that must never train. Raises InputError for a broken one.

        A task's payload is from the folder; it is parsed and never run.
        """
        if task.id not in self._known:
            self._known[task.id] = task.id in self.ids or self._by(task)(task)
        return self._known[task.id]

    def _by(self, task: Task) -> Held:
        name = domain_of(task)
        if name not in self._by_domain:
            self._by_domain[name] = self.held(name)
        return self._by_domain[name]


def held_out_of(run: Run, findings: Findings, checks: CheckOf) -> HeldOut:
    """Return what may not train in a run: all that its evaluations asked, and what each domain
    keeps for evaluation.
    """
    asked: list[tuple[str, Row]] = []
    ids: set[str] = set()
    for name, record in run.evals.items():
        with findings.guard(f"evals/{name}.json"):
            for suite, numbers in record["suites"].items():
                for row in numbers["rows"]:
                    ids.add(str(row["task_id"]))
                    asked.append((suite, row))

    def held(name: str) -> Held:
        return checks(name).held_out(run.recorded, asked, findings.unchecked.append)

    return HeldOut(frozenset(ids), held)


def check_held_out(
    step: int, groups: Sequence[StoredGroup], held_out: HeldOut
) -> Iterator[Difference]:
    """Check that no task of a step is one that was evaluated or is held out."""
    for group in groups:
        if held_out.holds(group.group.task):
            place = f"row {group.numbers[0]}, payload"
            yield Difference.words(file_of(step), place, "a held-out task", "a task that may train")
