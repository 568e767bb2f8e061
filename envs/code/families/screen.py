"""Keeping evaluation tasks out of training by running the training tasks' references on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from envs.code.families.compose import compiled
from envs.code.families.registry import FAMILIES, types
from envs.code.task import CallTest, CodeTask
from envs.code.values import same

LEAST = 3
"""Arguments on which a proposal must agree with an evaluation task to be taken for it."""


class Screen:
    """Knows the family tasks of an evaluation and says which training tasks would give one away.

    Steps and cores of both splits can meet: the largest number, squared, of the negated list is
    the smallest, squared. So names alone do not prove a training task and an evaluation task to be
    different, but tests do.
    """

    def __init__(self, evaluation: Iterable[CodeTask]) -> None:
        self._tests: dict[tuple[str, ...], list[list[CallTest]]] = {}
        self._functions: dict[tuple[str, ...], list[Callable[..., Any]]] = {}
        for task in evaluation:
            if task.dataset == "families" and task.family in FAMILIES:
                tests = [test for test in task.hidden if isinstance(test, CallTest)]
                shape = types(FAMILIES[task.family])
                self._tests.setdefault(shape, []).append(tests)
                function = compiled(task.reference or "", task.entry_point or "")
                outer = tuple(annotation.split("[")[0] for annotation in shape)
                self._functions.setdefault(outer, []).append(function)

    def gives_away(self, task: CodeTask) -> bool:
        """Return whether the reference of a family task passes all tests of an evaluation task."""
        if task.family not in FAMILIES or task.reference is None or task.entry_point is None:
            return False
        against = self._tests.get(types(FAMILIES[task.family]), [])
        function = compiled(task.reference, task.entry_point)
        return any(all(_passes(function, test) is True for test in tests) for tests in against)

    def agrees(self, cases: Sequence[CallTest]) -> bool:
        """Return whether some evaluation task's reference gives all these results.

        On arguments that the reference fails for it asks nothing, so they distinguish nothing; on
        LEAST at least it must agree. The cases may come from anybody; their arguments must be
        small (`proposer.parse` sees to it), since a reference may loop over them or multiply them
        out.
        """
        shapes = {tuple(type(arg).__name__ for arg in case.args) for case in cases}
        functions = self._functions.get(shapes.pop(), []) if len(shapes) == 1 else []
        return any(_agrees(function, cases) for function in functions)


def _agrees(function: Callable[..., Any], cases: Sequence[CallTest]) -> bool:
    found = [_passes(function, case) for case in cases]
    return False not in found and found.count(True) >= LEAST


def _passes(function: Callable[..., Any], test: CallTest) -> bool | None:
    """Return whether a function of ours gives what a test expects; None where it fails."""
    try:
        return same(test.expected, function(*test.args))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
