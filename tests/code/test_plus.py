"""HumanEval+ and MBPP+ as EvalPlus publishes them: tests that import numpy and loop over inputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.code.datasets import humaneval_task, mbpp_tasks
from envs.code.evalplus import evalplus_task
from envs.code.hub import rows_of
from envs.code.jsonl import jsonl_task
from envs.code.task import CodeTask
from envs.errors import InputError
from rewards.code.faults import faults
from rewards.code.sandbox import Limits
from rewards.code.scorer import CodeScorer

HELPERS = """import numpy as np

def is_floats(x):
    return isinstance(x, float)

def assertion(out, exp, atol):
    exact_match = out == exp
    if atol == 0 and is_floats(exp):
        atol = 1e-6
    if not exact_match and atol != 0:
        assert type(out) == type(exp)
        assert np.allclose(out, exp, rtol=1e-07, atol=atol)
    else:
        assert exact_match, f"out: {out}, exp: {exp}"
"""
LOOP = """inputs = [[1, 2], [3, 4], [0.1, 0.2]]
results = [3, 7, 0.3]
for i, (inp, exp) in enumerate(zip(inputs, results)):
    assertion({0}(*inp), exp, 0)
"""


def indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


HUMAN_EVAL = {
    "task_id": "HumanEval/900",
    "prompt": "def add(x, y):\n    '''Add.'''\n",
    "entry_point": "add",
    "canonical_solution": "    return x + y\n",
    "test": f"{HELPERS}\ndef check(candidate):\n{indented(LOOP.format('candidate'))}",
}
MBPP = {
    "task_id": 601,
    "prompt": "Add.",
    "code": "def add(x, y):\n    return x + y\n",
    "test_imports": [],
    "test_list": ["assert add(1, 1) == 2"],
    "test": HELPERS + LOOP.format("add"),
}
TASKS = {
    "humaneval+": humaneval_task(HUMAN_EVAL, "here"),
    "mbpp+": mbpp_tasks([("here", MBPP)], "train")[0],
}


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "numpy"])
def scorer(request: pytest.FixtureRequest) -> Iterator[CodeScorer]:
    pytest.importorskip("numpy")
    limits = Limits(wall_s=20.0, numpy=request.param)
    with CodeScorer(limits=limits, task_s=60.0) as made:
        yield made


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize(
    ("body", "verdict"),
    [("return x + y", "pass"), ("return x + y + 1e-8 * (x < 1)", "pass"), ("return 2", "fail")],
)
def test_tests_with_numpy_judge(
    task: CodeTask, body: str, verdict: str, scorer: CodeScorer
) -> None:
    found = scorer.score_program(task, f"def add(x, y):\n    {body}\n")
    assert found.verdict == verdict, found.evidence


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_their_tasks_hold(task: CodeTask, scorer: CodeScorer) -> None:
    assert faults(task, scorer) == []


def test_programs_have_numpy_only_where_it_is_allowed(scorer: CodeScorer) -> None:
    program = "import numpy\ndef add(x, y):\n    return x + y\n"
    allowed = scorer._start.args[0].numpy
    found = scorer.score_program(TASKS["mbpp+"], program)
    assert found.verdict == ("pass" if allowed else "fail")


OWN_HUMAN_EVAL = {
    "task_id": "HumanEval/32",
    "prompt": "import math\n\ndef poly(xs, x):\n    return sum(c * x**i for i, c in enumerate(xs))"
    "\n\n\ndef find_zero(xs):\n    '''A zero of poly.'''\n",
    "contract": "",
    "entry_point": "find_zero",
    "canonical_solution": "    return -xs[0] / xs[1]\n",
    "base_input": [[[1, 2]], [[-6, 3]]],
    "plus_input": [[[n, n + 1]] for n in range(1, 300)],
    "atol": 0.0001,
}
MEAN = OWN_HUMAN_EVAL | {
    "task_id": "HumanEval/4",
    "prompt": "def mean(xs):\n    '''The mean.'''\n",
    "entry_point": "mean",
    "canonical_solution": "    return sum(xs) / len(xs)\n",
    "base_input": [[[1.0, 2.0]], [[float("inf")]]],
    "plus_input": [[[0.1, 0.2, 0.3]]],
    "atol": 0,
}
OWN_MBPP = {
    "task_id": "Mbpp/2",
    "prompt": '"""\nFind the shared elements.\nassert set(similar_elements((3,), (3,)))\n"""\n',
    "entry_point": "similar_elements",
    "canonical_solution": "\ndef similar_elements(a, b):\n    return tuple(set(a) & set(b))\n",
    "base_input": [[[3, 4, 5], [5, 7, 4]]],
    "plus_input": [[[], [1]], [[1, 1], [1]]],
    "atol": 0,
}
REVERSED = """def similar_elements(a, b):
    assert type(a) is tuple
    return [x for x in b if x in a][::-1]
"""


@pytest.mark.parametrize(
    ("row", "program", "verdict"),
    [
        (OWN_HUMAN_EVAL, "def find_zero(xs): return -xs[0] / xs[1] + 1e-9", "pass"),
        (OWN_HUMAN_EVAL, "def find_zero(xs): return -xs[0] / xs[1] + 0.1", "fail"),
        (MEAN, "def mean(xs): return sum(x / len(xs) for x in xs)", "pass"),
        (MEAN, "def mean(xs): return sorted(xs)[len(xs) // 2]", "fail"),
        (OWN_MBPP, REVERSED, "pass"),
        (OWN_MBPP, "def similar_elements(a, b): return list(a)", "fail"),
    ],
)
def test_evalplus_s_own_rows_judge(
    row: dict[str, Any], program: str, verdict: str, scorer: CodeScorer
) -> None:
    task = evalplus_task(row, "here")
    assert jsonl_task(row, "k", "here") == task
    assert scorer.score_program(task, program).verdict == verdict
    assert scorer.score_program(task, task.reference or "").verdict == "pass"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"base_input": 3}, "base_input"),
        ({"base_input": [], "plus_input": []}, "base_input is no list"),
        ({"task_id": "Else/1"}, "none of HumanEval's or MBPP's"),
    ],
)
def test_rows_that_are_none_of_evalplus_s(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=f"here: .*{fault}"):
        evalplus_task(MEAN | changes, "here")
    with pytest.raises(InputError, match="prompt is missing"):
        evalplus_task({"task_id": "HumanEval/0", "base_input": []}, "here")


def test_evalplus_s_solutions_all_pass(scorer: CodeScorer) -> None:
    data = pytest.importorskip("evalplus.data", reason="evalplus is not installed")
    utils = pytest.importorskip("evalplus.data.utils")
    for name, get, count in (
        ("HumanEvalPlus-v0.1.10", data.get_human_eval_plus, 164),
        ("MbppPlus-v0.2.0", data.get_mbpp_plus, 378),
    ):
        path = Path(utils.CACHE_DIR) / f"{name}.jsonl"
        if not path.is_file():
            pytest.skip(f"{path} is missing; evalplus downloads it when {get.__name__} is called")
        tasks = [jsonl_task(row, "k", where) for where, row in rows_of(path)]
        assert len(tasks) == count
        failed = [t.key for t in tasks if scorer.grade(t, t.reference or "").verdict != "pass"]
        assert failed == []
