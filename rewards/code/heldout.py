"""HeldOut: HumanEval's and MBPP's evaluation tasks, which no proposal may give away.

A proposal that passes every test of such a task would train what is measured, whatever it is
called; so may one that fails none of them but leaves some open, by sleeping, say. One with the name
or the words of a task is likely to be a copy of it. The proposal runs on the tests' inputs and not
the data set's program on the proposal's: nothing of a data set has to stand inputs that a model
chose.
"""

from __future__ import annotations

import ast
import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from envs.code.proposer import Proposal
from envs.code.task import CallTest, CodeTask, CodeTest
from envs.code.values import same
from rewards.code.allotment import Allotment
from rewards.code.judge import Judge
from rewards.code.lowered import lowered
from rewards.code.sandbox import GONE, Candidate, Sandbox

CALL_S = 0.25
"""For one call; a sound proposal has answered its own inputs in less."""
BUDGET_S = 6.0
"""For all tasks together. One that takes longer is not known to be new."""
_EXECUTED_S = 2.0
"""For the test code of one task."""
_RAISES = 3
"""Tests that a proposal may raise on before it was right once: then it takes something else."""
_LEAST_WORDS = 20
"""Characters of a docstring below which it may say the same as a task's by chance."""


@dataclass(frozen=True, slots=True)
class _Held:
    """An evaluation task as it is compared: `calls` None where its test code must be executed."""

    task: CodeTask
    arity: int
    words: str
    calls: tuple[CallTest, ...] | None


class HeldOut:
    """Evaluation tasks with a function to write, against which proposals are held."""

    def __init__(self, tasks: Iterable[CodeTask]) -> None:
        """Read the tasks.

        Those without a reference that defines their function, or without a test, are left out.
        """
        self._held = [held for task in tasks if (held := _held(task)) is not None]

    def __len__(self) -> int:
        return len(self._held)

    def gives_away(self, proposal: Proposal, sandbox: Sandbox, judge: Judge) -> str | None:
        """Return which task a proposal gives away and how, or None.

        Raises SandboxError.
        """
        doc = _squeezed(proposal.doc)
        for held in self._held:
            if proposal.name == held.task.entry_point:
                return f"has the name of {held.task.key}"
            if len(doc) >= _LEAST_WORDS and doc in held.words:
                return f"has the words of {held.task.key}"
        arity = proposal.header.count(",") + 1
        return self._behaves(proposal, [h for h in self._held if h.arity == arity], sandbox, judge)

    def _behaves(
        self, proposal: Proposal, tasks: Sequence[_Held], sandbox: Sandbox, judge: Judge
    ) -> str | None:
        end = time.monotonic() + BUDGET_S
        with _Asked(proposal, sandbox, end) as asked:
            for held in tasks:
                if held.calls is None:
                    differs = _graded(proposal, held.task, judge)
                else:
                    differs = asked.differs(held.calls)
                if time.monotonic() > end:
                    return "takes too long to be held against the evaluation tasks"
                if differs is None:
                    return f"may do what {held.task.key} asks: it did not say on every input"
                if not differs:
                    return f"does what {held.task.key} asks"
        return None


class _Asked(contextlib.ExitStack):
    """The proposal's process, a new one whenever the last was lost."""

    def __init__(self, proposal: Proposal, sandbox: Sandbox, end: float) -> None:
        super().__init__()
        self._proposal, self._sandbox, self._end = proposal, sandbox, end
        self._candidate: Candidate | None = None

    def differs(self, tests: Sequence[CallTest]) -> bool | None:
        """Return whether the proposal fails a test; None where it leaves some open and fails none.

        What takes too long, dies or gives what cannot be compared is not known to differ, nor is
        what raises on fewer tests than that or being right; what raises on most takes other
        arguments than the task's. Raises SandboxError.
        """
        found: Counter[str] = Counter()
        for test in tests:
            outcome = "unknown" if time.monotonic() > self._end else self._outcome(test)
            if outcome == "wrong":
                return True
            found[outcome] += 1
            if found["raised"] == _RAISES and not found["right"]:
                return True
        if found["raised"] and found["raised"] >= found["right"] + found["unknown"]:
            return True
        return None if found["unknown"] or found["raised"] else False

    def _outcome(self, test: CallTest) -> Literal["right", "wrong", "raised", "unknown"]:
        if self._candidate is None:
            limits = replace(self._sandbox.limits, wall_s=CALL_S)
            opened = self._sandbox.open(self._proposal.source, limits=limits)
            self._candidate = self.enter_context(opened)
        got = self._candidate.call(self._proposal.name, test.args, test.kwargs, wall_s=CALL_S)
        if got.status in GONE:
            self._candidate = None
        if got.status == "ok":
            return "right" if same(test.expected, got.value) else "wrong"
        return "raised" if got.status == "exception" else "unknown"


def _graded(proposal: Proposal, task: CodeTask, judge: Judge) -> bool | None:
    """Return what `_Asked.differs` does, from a task's own test code."""
    program = f"{proposal.source}\n{task.entry_point} = {proposal.name}\n"
    hurried = Allotment(once_s=_EXECUTED_S)
    grade = judge.grade(replace(task, visible=()), program, hurried)
    if grade.verdict == "pass":
        return False
    return True if grade.status in ("wrong", "exception", "error") else None


def _held(task: CodeTask) -> _Held | None:
    if task.entry_point is None or task.reference is None or task.kind == "program":
        return None
    try:
        functions = [n for n in ast.walk(ast.parse(task.reference)) if _defines(n, task)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not functions:
        return None
    calls = _calls(task)
    if calls == ():
        return None  # it asks nothing, so whatever runs would pass it
    function = functions[-1]
    assert isinstance(function, ast.FunctionDef)
    words = _squeezed(f"{task.instruction} {ast.get_docstring(function) or ''}")
    return _Held(task, len(function.args.args), words, calls)


def _defines(node: ast.AST, task: CodeTask) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == task.entry_point


def _calls(task: CodeTask) -> tuple[CallTest, ...] | None:
    """Return a task's hidden tests as calls, None where one of them says more than that."""
    found: list[CallTest] = []
    for test in task.hidden:
        if isinstance(test, CallTest):
            found.append(test)
            continue
        assert isinstance(test, CodeTest)
        calls = lowered(task.kind, task.entry_point or "", test.code)
        if calls is None:
            return None
        found += calls
    return tuple(found)


def _squeezed(text: str) -> str:
    return " ".join(text.lower().split())
