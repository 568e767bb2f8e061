"""Proposals in the real sandbox: what becomes a task, and what does not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from envs.code.task import from_payload
from rewards.code.scorer import CodeScorer
from tests.patience import patient

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


STATE = {
    "an attribute": "def f(xs):\n    f.n = getattr(f, 'n', 0) + 1\n    return xs[0] + f.n\n",
    "an attribute of an alias": "def f(xs):\n    g = f\n    g.n = 1\n    return sum(xs) + g.n\n",
    "globals": "def f(xs):\n    globals()['n'] = 1\n    return sum(xs) * 2\n",
    "vars of itself": "def f(xs):\n    vars(f)['n'] = 1\n    return sum(xs) * 2\n",
    "setattr": "def f(xs):\n    setattr(f, 'n', 1)\n    return sum(xs) * 2\n",
    "an import": "def f(xs):\n    return sum(xs) + (__import__('random').random() < 0.01)\n",
    "the clock": "def f(xs):\n    return sum(xs) + int(__import__('time').time()) % 2\n",
    "the process": "def f(xs):\n    return sum(xs) + __import__('os').getpid() % 2\n",
    "an import by name": "def f(xs):\n    return sum(xs) + len(__builtins__)\n",
    "eval": "def f(xs):\n    return eval('sum(xs) + 0 * id(xs)')\n",
    "exec": "def f(xs):\n    exec('f.n = 1')\n    return sum(xs) * 2\n",
    "a page of an address": "def f(xs):\n    return sum(xs) + (id(xs) >> 12) % 2\n",
    "a file": "def f(xs):\n    return sum(xs) + len(open('/proc/self/stat').read())\n",
    "the stack": "def f(xs):\n    try:\n        return f(xs)\n"
    "    except RecursionError:\n        return sum(xs)\n",
    "an annotation": "def f(xs: __import__('random').random()):\n    return sum(xs) * 2\n",
}
"""What could be another value another time, though mostly it is not."""
RUNS = {
    "the end of an address": "def f(xs):\n    return int(str(lambda: 0)[-3:-1], 16) + xs[0]\n",
    "the printed function": "def f(xs):\n    return str(f)[-4:-1] + str(xs)\n",
    "the first of a set of two": "def f(xs):\n    return list({'a', 'b'})[0] * xs[0]\n",
    "an input of ours alone": "def f(xs):\n    s = list({str(x) + 'k' for x in range(9)})\n"
    "    return sum(xs) if xs in ([1, 2], [3], [4, 5], [6, 7], [9]) else s\n",
}
"""What runs show."""


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


@pytest.mark.parametrize("name", STATE)
def test_what_could_keep_state_or_draw_lots_is_no_function(scorer: CodeScorer, name: str) -> None:
    result = scorer.score_proposal(STATE[name] + CALLS, seed=0, aim="reimplement")
    assert result.verdict == "fail"
    assert "not the same value every time" in result.evidence["detail"]


@pytest.mark.parametrize("name", RUNS)
def test_runs_differ_in_hashes_addresses_order_and_seed(scorer: CodeScorer, name: str) -> None:
    result = scorer.score_proposal(RUNS[name] + CALLS, seed=0, aim="reimplement")
    assert result.verdict == "fail"
    assert "not the same value every time" in result.evidence["detail"]


@pytest.mark.parametrize("separator", ["\f", "\n\f", "\x0b", "\x1c", "\x85", "\u2028", "\r\f"])
def test_a_second_definition_after_an_odd_line_break_is_refused(
    scorer: CodeScorer, separator: str
) -> None:
    text = f"def f(xs):\n    return sum(xs) * 2\n{separator}def f(xs):\n    return 3\n"
    result = scorer.score_proposal(text + CALLS, seed=0, aim="reimplement")
    made = result.evidence["task"]
    assert result.verdict != "pass" or "return 3" not in made["reference"]


def test_a_proposal_s_task_is_judged_as_every_task_is(scorer: CodeScorer) -> None:
    """Deterministic and of many results, and solved by a program that gives an argument back."""
    calls = "".join(f"f({n}, {n * n + 3})\n" for n in range(6))
    result = scorer.score_proposal(
        f"def f(a, b):\n    return b\n\n{calls}", seed=0, aim="reimplement"
    )
    assert result.verdict == "fail" and "passes" in result.evidence["detail"]


def test_recursion_closures_generators_and_inner_state_are_functions(scorer: CodeScorer) -> None:
    source = (
        "def f(xs):\n    seen = {}\n    def add(x, by=[1]):\n        seen[x] = x + by[0]\n"
        "        return seen[x]\n    if not xs:\n        return 0\n"
        "    return add(xs[0]) + f(xs[1:]) + sum(x * 2 for x in xs)\n"
    )
    assert scorer.score_proposal(source + CALLS, seed=0, aim="reimplement").verdict == "pass"


def test_a_group_of_slow_proposals_is_judged_in_its_time() -> None:
    spin = "while True: pass"
    slow = [
        f"def f(xs):\n    {spin}\n{CALLS}",
        f"def f(xs):\n    while xs == [9]: pass\n    return sum(xs)\n{CALLS}",
        f"def f(xs):\n    while xs != [1, 2]: pass\n    return sum(xs)\n{CALLS}",
        f"def f(xs: [i for i in range(10 ** 9)]):\n    return sum(xs)\n{CALLS}",
    ]
    with CodeScorer(group_s=120.0) as scorer:
        begun = time.monotonic()
        results = scorer.score_proposals(slow, seed=0, aim="reimplement")
        took = time.monotonic() - begun
    assert [r.verdict for r in results] == ["fail"] * 4 and took < patient(10)
    with CodeScorer(group_s=1.0) as scorer:
        [hurried] = scorer.score_proposals([SOUND], seed=0, aim="reimplement")
    assert hurried.verdict == "infra_error" and "scorer.deadline_s" in hurried.evidence["detail"]


def test_the_order_of_numbers_in_a_set_is_the_same_everywhere(scorer: CodeScorer) -> None:
    """Hashes of numbers follow from the numbers: only what differs is refused."""
    source = "def f(xs):\n    return list({x * 3 % 7 for x in xs})\n"
    result = scorer.score_proposal(source + CALLS, seed=0, aim="reimplement")
    assert result.verdict == "pass"


def test_what_is_no_proposal_is_unparsable(scorer: CodeScorer) -> None:
    assert scorer.score_proposal("I think that", seed=0, aim="predict").verdict == "unparsable"
