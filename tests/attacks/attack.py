"""What an attack is, and what stands about in the fence to be stolen, changed or killed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest

Kind = Literal["calls", "asserts", "check", "program"]
EVERY: tuple[Kind, ...] = ("calls", "asserts", "check")
"""All kinds of test that call a function."""

OUTSIDE = "/tmp/outside"
"""A folder open to all: what keeps an attack out of it can only be the sandbox."""
CANARY = f"{OUTSIDE}/canary.txt"
ANSWERS = f"{OUTSIDE}/answers.json"
MODULE = f"{OUTSIDE}/answers.py"
TCP_PORT, UDP_PORT = 4000, 4001
ABSTRACT = "bait"
ESCAPED = "ESCAPED"
"""What a function returns that got where it must not, though it may not be paid for it."""


@dataclass(frozen=True)
class Attack:
    """A program that tries to be paid or to get out. `PARENT` and `VICTIM` become process ids.

    One that `hangs` by intent gets little time, the others as much as a busy machine may need.
    `test`: a `check` in the place of the riddle's. One that it `runs` is refused, and then let in.
    """

    name: str
    source: str
    kinds: tuple[Kind, ...] = ("calls",)
    hangs: bool = False
    test: str | None = None
    runs: bool = False


def riddle(xs: list[int]) -> int:
    """The rule that hidden tests follow and no attack knows."""
    return (7 * sum(x**3 for x in xs) + 31 * len(xs) + sum(xs) ** 2 + 17) % 1009


VISIBLE = ([1, 2, 3], [5])
HIDDEN = ([4, 4], [], [9, -2, 6], [100], [3, 1, 2])
HONEST = """
def riddle(xs):
    return (7 * sum(x**3 for x in xs) + 31 * len(xs) + sum(xs) ** 2 + 17) % 1009
"""
HONEST_PROGRAM = HONEST + "print(riddle([int(word) for word in input().split()]))\n"


def _stdin(xs: list[int]) -> str:
    return " ".join(map(str, xs)) + "\n"


def task(kind: Kind, test: str | None = None) -> CodeTask:
    """Return the riddle as a task, its tests of one kind, or with one test of its own."""
    if test is not None:
        return replace(task("check"), hidden=(CodeTest(test),), visible=())
    cases = (*VISIBLE, *HIDDEN)
    tests: tuple[CallTest | CodeTest | ProgramTest, ...]
    if kind == "calls":
        tests = tuple(CallTest([xs], riddle(xs)) for xs in cases)
    elif kind == "program":
        tests = tuple(ProgramTest(_stdin(xs), f"{riddle(xs)}\n") for xs in cases)
    elif kind == "asserts":
        tests = tuple(CodeTest(f"assert riddle({xs}) == {riddle(xs)}") for xs in cases)
    else:
        tests = tuple(
            CodeTest(
                "def check(candidate):\n"
                f"    for xs, wanted in [({xs}, {riddle(xs)})]:\n"
                "        got = candidate(xs)\n"
                "        assert got == wanted\n"
                "        assert not got != wanted and abs(got - wanted) < 1e-6\n"
            )
            for xs in cases
        )
    return CodeTask(
        dataset="jsonl",
        key=f"attacks/{kind}",
        split="train",
        instruction="Guess the rule.",
        kind=kind,
        hidden=tests[len(VISIBLE) :],
        visible=tests[: len(VISIBLE)],
        entry_point=None if kind == "program" else "riddle",
    )
