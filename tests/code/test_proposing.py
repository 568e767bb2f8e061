"""Proposals in the real sandbox: what becomes a task, and what does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from envs.code.task import from_payload
from rewards.code.scorer import CodeScorer

SOUND = """ double_all(xs):
    return [x * 2 for x in xs]

double_all([1, 2, 3])
double_all([5])
double_all([0, -1])
double_all([7, 8])
double_all([10, 4, 4])
"""
CALLS = "\nf([1, 2])\nf([3])\nf([4, 5])\nf([6, 7])\nf([9])\n"
UNSOUND = {
    "remembers": "def f(xs, seen=[]):\n    seen.append(1)\n    return len(seen)\n",
    "never ends": "def f(xs):\n    while True:\n        pass\n",
    "fails": "def f(xs):\n    return xs[0] / 0\n",
    "gives its argument back": "def f(xs):\n    return xs\n",
    "is constant": "def f(xs):\n    return 3\n",
    "returns what does not cross": "def f(xs):\n    return iter(xs)\n",
    "leaves": "def f(xs):\n    raise SystemExit(0)\n",
    "imports": "def f(xs):\n    import os\n    return os.listdir('/')\n",
}
DIFFERS = {
    "hash of a text": "def f(xs):\n    return hash(str(xs)) % 1000\n",
    "order of a set": "def f(xs):\n    return list({str(x) + c for x in xs for c in 'abcd'})\n",
    "address": "def f(xs):\n    return id(xs) % 1000003\n",
    "address of what every fork has": "def f(xs):\n    return id(len) % 1000003 + len(xs)\n",
    "printed address": "def f(xs):\n    return repr(object()) + str(xs)\n",
}
"""The same in every fork of one zygote, and nothing that a task could ask for."""


@pytest.fixture(scope="module")
def scorer() -> Iterator[CodeScorer]:
    with CodeScorer() as made:
        yield made


def test_a_sound_proposal_becomes_a_task_that_its_own_code_solves(scorer: CodeScorer) -> None:
    result = scorer.score_proposal(SOUND, seed=0, aim="reimplement")
    assert result.verdict == "pass" and result.value == 0.0
    task = from_payload(result.evidence["task"], "made")
    assert task.dataset == "proposals" and task.split == "train"
    assert task.reference is not None
    assert scorer.grade(task, task.reference).verdict == "pass"
    idle = "def double_all(xs):\n    return xs\n"
    assert scorer.grade(task, idle).verdict == "fail"


def test_predicting_asks_for_one_value(scorer: CodeScorer) -> None:
    result = scorer.score_proposal(SOUND, seed=0, aim="predict")
    task = from_payload(result.evidence["task"], "made")
    assert task.answer == "literal" and len(task.hidden) == 1
    right = repr(task.hidden[0].expected)  # type: ignore[union-attr]
    assert scorer.score_completion(task, f" {right}\n").verdict == "pass"
    assert scorer.score_completion(task, " 'something else'\n").verdict == "fail"


@pytest.mark.parametrize("name", UNSOUND)
def test_an_unsound_proposal_becomes_none(scorer: CodeScorer, name: str) -> None:
    result = scorer.score_proposal(UNSOUND[name] + CALLS, seed=0, aim="reimplement")
    assert result.verdict in ("fail", "unparsable") and result.evidence["task"] is None
    assert result.evidence["detail"], "it must say why"


@pytest.mark.parametrize("name", DIFFERS)
def test_what_depends_on_the_interpreter_is_not_deterministic(
    scorer: CodeScorer, name: str
) -> None:
    result = scorer.score_proposal(DIFFERS[name] + CALLS, seed=0, aim="reimplement")
    assert result.verdict == "fail"
    assert "not the same value every time" in result.evidence["detail"]


def test_the_order_of_numbers_in_a_set_is_the_same_everywhere(scorer: CodeScorer) -> None:
    """Hashes of numbers follow from the numbers: only what differs is refused."""
    source = "def f(xs):\n    return list({x * 3 % 7 for x in xs})\n"
    result = scorer.score_proposal(source + CALLS, seed=0, aim="reimplement")
    assert result.verdict == "pass"


def test_what_is_no_proposal_is_unparsable(scorer: CodeScorer) -> None:
    assert scorer.score_proposal("I think that", seed=0, aim="predict").verdict == "unparsable"
