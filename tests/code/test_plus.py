"""HumanEval+ and MBPP+ as EvalPlus publishes them: tests that import numpy and loop over inputs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from envs.code.datasets import humaneval_task, mbpp_tasks
from envs.code.task import CodeTask
from rewards.code.preflight import faults
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
