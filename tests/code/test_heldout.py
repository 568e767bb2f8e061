"""Proposals against HumanEval's and MBPP's evaluation tasks, in the real sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from envs.code.datasets import humaneval_task, mbpp_tasks
from envs.code.task import CodeTask
from rewards.code.heldout import HeldOut
from rewards.code.scorer import CodeScorer
from rewards.result import RewardResult

HUMANEVAL = humaneval_task(
    {
        "task_id": "HumanEval/900",
        "prompt": 'def widest_gap(xs):\n    """Say how far the largest lies above the least."""\n',
        "entry_point": "widest_gap",
        "canonical_solution": "    return max(xs) - min(xs)\n",
        "test": "def check(candidate):\n    assert candidate([1, 5]) == 4\n"
        "    assert candidate([3]) == 0\n    assert candidate([2, 9, -1]) == 10\n",
    },
    "made",
)
EXECUTED = humaneval_task(
    {
        "task_id": "HumanEval/901",
        "prompt": 'def blend(xs, k):\n    """Add."""\n',
        "entry_point": "blend",
        "canonical_solution": "    return [x * k + 1 for x in xs]\n",
        "test": "def check(candidate):\n    for k in range(4):\n"
        "        assert candidate([1, 2], k) == [k + 1, 2 * k + 1]\n",
    },
    "made",
)
[MBPP] = mbpp_tasks(
    [
        (
            "made",
            {
                "task_id": 511,
                "text": "Write a function to join the squares of numbers with dashes.",
                "code": "def dashed(xs):\n    return '-'.join(str(x * x) for x in xs)",
                "test_list": ["assert dashed([1, 2]) == '1-4'", "assert dashed([3]) == '9'"],
            },
        )
    ],
    "validation",
)
EMPTY = replace(HUMANEVAL, key="HumanEval/902", entry_point="nothing", reference="")


@pytest.fixture(scope="module")
def scorer() -> Iterator[CodeScorer]:
    with CodeScorer() as made:
        yield made


def scored(scorer: CodeScorer, function: str, calls: str, *tasks: CodeTask) -> RewardResult:
    text = function + "\n" + "".join(f"{call}\n" for call in calls.split("; "))
    return scorer.score_proposal(text, seed=0, aim="reimplement", heldout=HeldOut(tasks))


LISTS = "f([4, 1]); f([2, 2, 8]); f([7]); f([5, -5, 1]); f([0, 30])"
PAIRS = "f([4, 1], 2); f([2, 2, 8], 3); f([7], 1); f([5, -5, 1], 0); f([0, 30], 4)"


@pytest.mark.parametrize(
    ("function", "calls", "message"),
    [
        ("def f(xs):\n    y = sorted(xs)\n    return y[-1] - y[0]\n", LISTS, "HumanEval/900 asks"),
        ("def f(a, b):\n    return [1 + b * x for x in a]\n", PAIRS, "HumanEval/901 asks"),
        ("def f(xs):\n    return '-'.join([str(x ** 2) for x in xs])\n", LISTS, "Mbpp/511 asks"),
        (
            "def widest_gap(xs):\n    return [x + 1 for x in xs]\n",
            LISTS.replace("f(", "widest_gap("),
            "the name of HumanEval/900",
        ),
        (
            'def f(xs):\n    """say how far the LARGEST  lies above the least."""\n'
            "    return [x + 1 for x in xs]\n",
            LISTS,
            "the words of HumanEval/900",
        ),
    ],
)
def test_what_gives_an_evaluation_task_away_is_rejected(
    scorer: CodeScorer, function: str, calls: str, message: str
) -> None:
    result = scored(scorer, function, calls, HUMANEVAL, EXECUTED, MBPP)
    assert result.verdict == "fail" and result.evidence["task"] is None
    assert message in result.evidence["detail"]
    without = scored(scorer, function, calls)
    assert without.verdict == "pass", "it must be sound but for the evaluation"


@pytest.mark.parametrize(
    "function",
    [
        "def f(xs):\n    return max(xs) - min(xs) + 1\n",
        "def f(xs):\n    return xs[0] * 2 if len(xs) else 1 / 0\n",
        "def f(xs):\n    while xs == [2, 9, -1]:\n        pass\n    return len(xs) * 2 + max(xs)\n",
    ],
)
def test_what_does_something_else_passes(scorer: CodeScorer, function: str) -> None:
    """The last hangs on an input of the evaluation, and is known to differ on another."""
    assert scored(scorer, function, LISTS, HUMANEVAL, EXECUTED, MBPP).verdict == "pass"


SLOWLY = "while {}:\n        pass\n    return max(xs) - min(xs)\n"


@pytest.mark.parametrize(
    ("function", "calls", "message"),
    [
        (
            "def f(xs):\n    " + SLOWLY.format("xs == [2, 9, -1]"),
            LISTS,
            "may do what HumanEval/900",
        ),
        ("def f(xs):\n    " + SLOWLY.format("xs in ([1, 5], [3])"), LISTS, "may do what HumanEval"),
        (
            "def f(xs):\n    if xs == [2, 9, -1]:\n        return f\n"
            "    return max(xs) - min(xs)\n",
            LISTS,
            "may do what HumanEval/900",
        ),
        (
            "def f(xs):\n    if xs == [3]:\n        raise ValueError\n"
            "    return max(xs) - min(xs)\n",
            LISTS,
            "may do what HumanEval/900",
        ),
        (
            "def f(a, b):\n    while a == [1, 2] and b == 0:\n        pass\n"
            "    return [1 + b * x for x in a]\n",
            PAIRS,
            "may do what HumanEval/901",
        ),
    ],
)
def test_what_does_not_say_whether_it_differs_is_not_new(
    scorer: CodeScorer, function: str, calls: str, message: str
) -> None:
    """An evaluation task in disguise: it loops, or gives no value, on an input of the tests."""
    result = scored(scorer, function, calls, HUMANEVAL, EXECUTED, MBPP)
    assert result.verdict == "fail" and message in result.evidence["detail"]
    assert scored(scorer, function, calls).verdict == "pass"


def test_tasks_that_cannot_be_compared_are_left_out() -> None:
    assert len(HeldOut([HUMANEVAL, EXECUTED, MBPP])) == 3
    assert len(HeldOut([EMPTY, replace(MBPP, reference=None)])) == 0
