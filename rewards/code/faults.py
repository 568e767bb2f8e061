"""Whether a code task holds: its reference passes, and what does nothing does not."""

from __future__ import annotations

from typing import Protocol

from envs.code.task import CodeTask
from rewards.code.grade import Grade
from rewards.code.idle import idle_names, idle_programs
from rewards.code.refused import refusal


class Grader(Protocol):
    """Grades programs: a CodeScorer, or part of one with a limit of time."""

    def grade(self, task: CodeTask, program: str) -> Grade:
        """Return the grade of a whole program. Raises SandboxError."""


def faults(task: CodeTask, scorer: Grader) -> list[str]:
    """Return why a task must not be asked; empty for one that holds.

    The reference must pass every test, visible and hidden, where there is one; programs that do
    nothing (`idle`) must not, unless a literal is asked for. Test code that would run what a
    program returns is not run. Raises SandboxError for a failure of our own.
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
    return found if task.answer == "literal" else found + idle(task, scorer)


def idle(task: CodeTask, scorer: Grader) -> list[str]:
    """Return which programs that do nothing pass, up to the first answer that does.

    The empty program and one that leaves at once; constants: what the tests expect or name, and
    usual values; each argument given back, and all of them; exceptions that the tests speak of; of
    a whole program constant outputs, and its input printed. Raises SandboxError.
    """
    found = [
        f"{name} passes"
        for name, program in (
            ("the empty program", ""),
            ("sys.exit(0)", "import sys\nsys.exit(0)\n"),
        )
        if scorer.grade(task, program).verdict == "pass"
    ]
    names = idle_names(task)
    if names is not None:
        return found + [f"{name} passes" for name in names[:1]]
    for name, program in idle_programs(task):
        if scorer.grade(task, program).verdict == "pass":
            return [*found, f"{name} passes"]
    return found
