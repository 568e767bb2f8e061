"""Proposals: the prompt, reading them, making tasks of them, what proposers earn."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import Task
from envs.code.extract import MAX_CHARS, extract
from envs.code.families import HELDOUT, make, suite
from envs.code.families.screen import Screen
from envs.code.prompts import continuation
from envs.code.proposals import Aim, Run, judge, reward
from envs.code.proposer import (
    LEAST_INPUTS,
    Proposal,
    Rejected,
    inputs_of,
    parse,
    render,
    request,
)
from envs.code.task import CallTest, CodeTask
from envs.errors import InputError
from tests.patience import computing

FUNCTION = '''def weave(xs, k):
    """Return every second number, times k."""
    return [x * k for x in xs[::2]]
'''
CALLS = """weave([1, 2, 3], 2)
weave([], 5)
weave([4, 5], -1)
weave([7], 3)
weave([1, 1, 1, 2], 10)
"""
GOOD = f"{FUNCTION}\n{CALLS}"


def proposal_of(text: str) -> Proposal:
    proposal = parse(text)
    assert isinstance(proposal, Proposal), proposal
    return proposal


def run_all(proposal: Proposal, inputs: list[list[Any]]) -> list[list[Run]]:
    """Run a proposal of ours twice on each input, in this process."""
    runs = []
    for args in inputs:
        attempts = []
        for _ in range(2):
            space: dict[str, Any] = {}
            exec(proposal.source, space)
            try:
                attempts.append(Run(True, space[proposal.name](*args)))
            except Exception as error:  # what the sandbox would report
                attempts.append(Run(False, detail=repr(error)))
        runs.append(attempts)
    return runs


def judged(
    text: str, aim: Aim = "reimplement", screen: Screen | None = None
) -> CodeTask | Rejected:
    proposal = proposal_of(text)
    inputs = inputs_of(proposal, seed=1)
    return judge(proposal, inputs, run_all(proposal, inputs), aim=aim, screen=screen)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f" {GOOD[4:]}",  # continued after `def`
        f"Sure:\n```python\n{GOOD}```\nThere.",
        f"{FUNCTION}\n\n# Calls\n{CALLS}\n\ndef next_one(x):\n    return x\n\nnext_one(3)\n",
        FUNCTION + "".join(f">>> {line}\n[]\n" for line in CALLS.splitlines()),
        GOOD.replace("\n", "\r\n"),
        GOOD
        + "weave([1, 2, 3], 2)\nweave(xs, 3)\nother([1], 2)\nweave([1])\nprint(weave([9], 9))\n",
    ],
)
def test_a_proposal_is_read(text: str) -> None:
    proposal = proposal_of(text)
    assert (proposal.name, proposal.header) == ("weave", "def weave(xs, k):")
    assert proposal.source == FUNCTION
    assert proposal.doc == "Return every second number, times k."
    assert [list(args) for args in proposal.inputs] == [
        [[1, 2, 3], 2],
        [[], 5],
        [[4, 5], -1],
        [[7], 3],
        [[1, 1, 1, 2], 10],
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no function"),
        ("I would rather not.", "no function"),
        ("def f(x)\n    return x\n", "no Python"),
        (FUNCTION, "0 different calls; 4 are needed"),
        (FUNCTION + "weave([1], 2)\n" * 9, "1 different calls"),
        (FUNCTION + "".join(f"weave([1], {10**7 + i})\n" for i in range(9)), "0 different calls"),
        (
            FUNCTION + "".join(f"weave([1.0], 1e{i})\n" for i in range(300, 320)),
            "0 different calls",
        ),
        (GOOD.replace("xs, k", "xs, k, *more"), "other than plain parameters"),
        (GOOD.replace("xs, k", "xs, k=3"), "other than plain parameters"),
        ("def f():\n    return 1\n\nf()\n", "no parameters"),
        ("def f(x):\n    import os\n    return os\n\nf(1)", "Import in the function"),
        ("def f(x):\n    from os import path\n    return path\n\nf(1)", "ImportFrom in"),
        ("def f(x):\n    yield x\n\nf(1)", "Yield in the function"),
        ("def f(x):\n    global y\n    y = x\n\nf(1)", "Global in the function"),
        ("def f(x):\n    return x.__class__\n\nf(1)", "a double underscore"),
        ("def __f(x):\n    return x\n\n__f(1)", "a name that will not do"),
        ("def é(x):\n    return x\n\né(1)", "a name that will not do"),
        ("def f(x):\n    return " + "x + " * 900 + "x\n\nf(1)", "a function of more than"),
        ("def f(x):\n    return " + "(" * 900, "no Python"),
        ("def f(x):\n    return " + "-" * 1900 + "x\n", "no Python|0 different calls"),
        ("def f(x=" + "-" * 1800 + "1):\n    return x\n", "no Python|plain parameters"),
    ],
)
def test_what_is_no_proposal_says_why(text: str, reason: str) -> None:
    rejected = parse(text)
    assert isinstance(rejected, Rejected)
    assert re.search(reason, rejected.reason), rejected.reason


pieces = st.sampled_from(
    [
        "def ",
        "f(x)",
        ":",
        "\n",
        "    ",
        "return x",
        "f(1)",
        "f('a')",
        "```",
        '"""',
        "(",
        "[",
        "-",
        "#",
    ]
)


@given(st.one_of(st.text(), st.lists(pieces, max_size=40).map("".join)))
def test_no_answer_breaks_the_reader(text: str) -> None:
    assert isinstance(parse(text), Proposal | Rejected)


@pytest.mark.parametrize("piece", ["def f(x):\n", "f(1)\n", "(", "-", "```\n", "def ", "    x\n"])
def test_hostile_answers_cost_little(piece: str) -> None:
    start = time.process_time()
    parse("def f(x):\n    return x\n" + piece * MAX_CHARS)
    assert time.process_time() - start < computing(2.0)


def test_a_good_proposal_becomes_a_task_to_reimplement() -> None:
    task = judged(GOOD)
    assert isinstance(task, CodeTask)
    assert (task.dataset, task.split, task.entry_point) == ("proposals", "train", "weave")
    assert task.instruction == "Return every second number, times k."
    assert task.visible[0] == CallTest([[1, 2, 3], 2], [2, 6])
    assert len(task.visible) == 3 and len(task.hidden) >= 6
    assert CodeTask.of(task.task()) == task
    assert "weave([1, 2, 3], 2)\n    [2, 6]" in continuation(task)
    space: dict[str, Any] = {}
    exec(extract("\n    return [x * k for x in xs[::2]]\n\n#", task).action or "", space)
    for test in task.hidden:
        assert isinstance(test, CallTest)
        assert space["weave"](*test.args) == test.expected


def test_a_good_proposal_becomes_a_task_to_predict() -> None:
    task = judged(GOOD, "predict")
    assert isinstance(task, CodeTask)
    (test,) = task.hidden
    assert isinstance(test, CallTest)
    assert task.answer == "literal" and task.prefix is not None
    assert task.prefix.startswith(FUNCTION) and task.prefix.endswith(") ==")
    assert repr(test.expected) not in task.prefix and repr(test.expected) not in task.instruction
    space: dict[str, Any] = {}
    exec(extract(f" {test.expected!r}\n", task).action or "", space)
    assert space["answer"]() == test.expected
    asked = task.prefix.rsplit("assert ", 1)[1].removesuffix(" ==")
    assert extract(f" {asked}\n", task).status == "unparsable", "calling is not predicting"


def test_without_a_docstring_the_examples_speak() -> None:
    task = judged(GOOD.replace(FUNCTION.split("\n")[1] + "\n", ""))
    assert isinstance(task, CodeTask)
    assert task.instruction == "Write the function that these examples come from."


NUMBERS = "\n".join(f"f({i})" for i in (1, 2, 3, 5, 8)) + "\n"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return x", "gives its argument back"),
        ("return 7", "fewer than three different results"),
        ("return x > 2 or None", "fewer than three different results"),
        ("return x > -99", "hardly more than one result"),
        ("return None if x > 7 else x", "returns None|gives its argument"),
        ("return 1 // (x - 2)", "ZeroDivisionError"),
        ("return object()", "type object does not cross"),
        ("return [x] * 500", "a long result"),
        ("return iter([x])", "does not cross"),
    ],
)
def test_trivial_and_broken_functions_are_rejected(body: str, reason: str) -> None:
    rejected = judged(f"def f(x):\n    {body}\n\n{NUMBERS}")
    assert isinstance(rejected, Rejected)
    assert re.search(reason, rejected.reason), rejected.reason


def test_what_is_not_deterministic_or_does_not_end_is_rejected() -> None:
    proposal = proposal_of(GOOD)
    inputs = [list(args) for args in proposal.inputs]
    good = run_all(proposal, inputs)
    once = judge(
        proposal, inputs, [*good[:2], [Run(True, 1), Run(True, 2)], *good[3:]], aim="predict"
    )
    assert once == Rejected("weave([4, 5], -1): not the same value every time")
    mixed = judge(proposal, inputs, [[Run(True, 1), Run(True, True)], *good[1:]], aim="predict")
    assert isinstance(mixed, Rejected)
    hanging = [*good[:4], [Run(False, detail="timeout")] * 2]
    assert judge(proposal, inputs, hanging, aim="predict") == Rejected(
        "weave([1, 1, 1, 2], 10): timeout"
    )
    with pytest.raises(ValueError, match="twice"):
        judge(proposal, inputs, [[runs[0]] for runs in good], aim="predict")


def test_variations_that_fail_are_left_out() -> None:
    text = "def f(x):\n    return [10, 20, 30, 40, 50][x]\n\n" + "".join(
        f"f({i})\n" for i in range(5)
    )
    task = judged(text)
    assert isinstance(task, CodeTask)
    for test in (*task.visible, *task.hidden):
        assert isinstance(test, CallTest) and -5 <= test.args[0] < 5


def test_variations_are_new_of_the_same_types_and_follow_from_the_seed() -> None:
    proposal = proposal_of(GOOD)
    inputs = inputs_of(proposal, seed=1)
    assert inputs == inputs_of(proposal, seed=1) != inputs_of(proposal, seed=2)
    assert inputs[:5] == [list(args) for args in proposal.inputs]
    assert len({repr(args) for args in inputs}) == len(inputs) > LEAST_INPUTS + 4
    assert {tuple(type(arg) for arg in args) for args in inputs} == {(list, int)}


@pytest.mark.parametrize("family", HELDOUT)
def test_a_held_out_function_is_never_proposed(family: str) -> None:
    evaluation = [make(family, 1, seed) for seed in range(3)]
    screen = Screen(evaluation)
    task = evaluation[0]
    calls = [test.args for test in (*task.visible, *task.hidden) if isinstance(test, CallTest)]
    source = re.sub(r": [^,()]+(?=[,)])", "", (task.reference or "").replace(" -> ", "#"))
    proposal = Proposal(task.entry_point or "", "", source, "", tuple(calls))
    runs = [
        [Run(True, test.expected)] * 2
        for test in (*task.visible, *task.hidden)
        if isinstance(test, CallTest)
    ]
    rejected = judge(proposal, calls, runs, aim="reimplement", screen=screen)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "does what an evaluation task asks"


def test_other_functions_pass_the_screen() -> None:
    assert isinstance(judged(GOOD, screen=Screen(suite("test", levels=(1,)))), CodeTask)


@pytest.mark.parametrize(
    ("solved", "tried", "value"),
    [(0, 8, 0.0), (8, 8, 0.0), (0, 0, 0.0), (1, 8, 0.875), (4, 8, 0.5), (7, 8, 0.125)],
)
def test_the_reward_is_1_minus_the_solve_rate(solved: int, tried: int, value: float) -> None:
    assert reward(solved, tried) == value


def test_refusals_are_one_line() -> None:
    with pytest.raises(InputError, match="no request to propose"):
        render(Task.make("code", {"seed": 1}), "chat", 9)
    with pytest.raises(InputError, match="prompt style 'poem' is unknown"):
        render(request(1), "poem", 9)  # type: ignore[arg-type]


def test_a_task_whose_prompt_would_be_long_is_rejected() -> None:
    """Of characters that take several tokens each a docstring of 500 fills a small context."""
    text = GOOD.replace("Return every second", "\U0001f40d" * 480)
    proposal = proposal_of(text)
    inputs = inputs_of(proposal, 0)
    found = judge(proposal, inputs, run_all(proposal, inputs), aim="reimplement")
    assert isinstance(found, Rejected) and "room" in found.reason
