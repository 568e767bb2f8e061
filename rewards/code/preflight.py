"""Whether a code task holds: its reference passes, and what does nothing does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from envs.code.task import CallTest, CodeTask, ProgramTest
from envs.code.values import shown
from rewards.code.grade import Grade
from rewards.code.refused import refusal

_CONSTANTS = ("0", "1", "True", "''", "[]")
_MOST_SHOWN = 10_000


class Grader(Protocol):
    """Grades programs: a CodeScorer, or part of one with a limit of time."""

    def grade(self, task: CodeTask, program: str) -> Grade:
        """Return the grade of a whole program. Raises SandboxError."""


def faults(task: CodeTask, scorer: Grader) -> list[str]:
    """Return why a task must not be asked; empty for one that holds.

    The reference must pass every test, visible and hidden, where there is one; the empty program,
    one that returns None, one that leaves at once and one that always gives the same answer must
    not pass. Test code that would run what a program returns is not run. Raises SandboxError for a
    failure of our own.
    """
    if (reason := refusal(task)) is not None:
        return [reason]
    found = []
    if task.reference is not None:
        grade = scorer.grade(task, task.reference)
        if grade.verdict != "pass":
            found.append(f"the reference does not pass: {grade.status}")
        elif grade.visible.share not in (None, 1.0):
            found.append("the reference fails a visible test")
    for name, program in idle_programs(task):
        if scorer.grade(task, program).verdict == "pass":
            found.append(f"{name} passes")
    return found


def idle_programs(task: CodeTask) -> Iterator[tuple[str, str]]:
    """Yield (what it is, program) for programs that do not do what is asked."""
    yield "the empty program", ""
    yield "sys.exit(0)", "import sys\nsys.exit(0)\n"
    if task.kind == "program":
        for number, text in enumerate(dict.fromkeys(_outputs(task.hidden))):
            yield f"a constant output (test {number})", f"print({text!r}, end='')\n"
        return
    if task.entry_point is None:
        return
    head = f"def {task.entry_point}(*args, **kwargs):\n    return "
    yield "`return None`", f"{head}None\n"
    for constant in dict.fromkeys([*_expected(task.hidden), *_CONSTANTS]):
        yield f"`return {constant:.40}`", f"{head}{constant}\n"


def _outputs(tests: Sequence[object]) -> list[str]:
    return [test.stdout for test in tests if isinstance(test, ProgramTest)]


def _expected(tests: Sequence[object]) -> list[str]:
    """Return the expected values as literals: the only constants that could pass."""
    return [shown(test.expected, _MOST_SHOWN) for test in tests if isinstance(test, CallTest)]
