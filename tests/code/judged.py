"""Tasks for the judge's tests, and programs for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest


def calls(*tests: tuple[list[Any], Any], visible: int = 0, **fields: Any) -> CodeTask:
    made = tuple(CallTest(args, expected) for args, expected in tests)
    return CodeTask(
        dataset="jsonl",
        key="test/calls",
        split="train",
        instruction="Do it.",
        kind="calls",
        hidden=made[visible:],
        visible=made[:visible],
        entry_point="f",
        **fields,
    )


def codes(kind: Any, *hidden: str, visible: tuple[str, ...] = (), **fields: Any) -> CodeTask:
    task = calls(([1], 1), **fields)
    return replace(
        task,
        kind=kind,
        hidden=tuple(map(CodeTest, hidden)),
        visible=tuple(map(CodeTest, visible)),
    )


def programs(*tests: tuple[str, str]) -> CodeTask:
    hidden = tuple(ProgramTest(*test) for test in tests)
    return replace(calls(([1], 1)), kind="program", hidden=hidden, entry_point=None)


SQUARE = calls(
    ([2], 4), ([3], 9), ([-4], 16), ([0], 0), visible=2, reference="def f(x): return x*x"
)
SQUARE_ASSERTS = codes("asserts", "assert f(-4) == 16", "assert f(0) == 0 and f(5) == 25")
SQUARE_CHECK = codes(
    "check",
    "def check(candidate):\n    for x in range(-5, 6):\n        assert candidate(x) == x*x\n",
)
RIGHT = "def f(x):\n    return x * x\n"
