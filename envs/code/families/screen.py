"""Keeping evaluation tasks out of training by running the training tasks' references on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from envs.code.families.compose import compiled
from envs.code.families.registry import FAMILIES, types
from envs.code.task import CallTest, CodeTask
from envs.code.values import same


class Screen:
    """Knows the family tasks of an evaluation and says which training tasks would give one away.

    Steps and cores of both splits can meet: the largest number, squared, of the negated list is
    the smallest, squared. So names alone do not prove a training task and an evaluation task to be
    different, but tests do.
    """

    def __init__(self, evaluation: Iterable[CodeTask]) -> None:
        self._tests: dict[tuple[str, ...], list[list[CallTest]]] = {}
        for task in evaluation:
            if task.dataset == "families" and task.family in FAMILIES:
                tests = [test for test in task.hidden if isinstance(test, CallTest)]
                self._tests.setdefault(types(FAMILIES[task.family]), []).append(tests)

    def gives_away(self, task: CodeTask) -> bool:
        """Return whether the reference of a family task passes all tests of an evaluation task."""
        if task.family not in FAMILIES or task.reference is None or task.entry_point is None:
            return False
        against = self._tests.get(types(FAMILIES[task.family]), [])
        function = compiled(task.reference, task.entry_point)
        return any(all(_passes(function, test) for test in tests) for tests in against)


def _passes(function: Callable[..., Any], test: CallTest) -> bool:
    try:
        return same(test.expected, function(*test.args))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return False
