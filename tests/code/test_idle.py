"""Tasks that a constant, an echo or an exception passes: found, mostly without running anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from envs.code.families import HELDOUT, TRAIN, make
from envs.code.jsonl import jsonl_task
from envs.code.task import CodeTask
from rewards.code.faults import faults
from rewards.code.idle import MOST_RUN, idle_names, idle_programs, is_idle
from rewards.code.sandbox import Limits
from rewards.code.scorer import CodeScorer


def task(*tests: Any, **changes: Any) -> CodeTask:
    row = {"instruction": "Do it.", "entry_point": "f", "tests": list(tests), **changes}
    return jsonl_task(row, "mine/1", "here")


def call(*args: Any, expected: Any, **kwargs: Any) -> dict[str, Any]:
    return {"args": list(args), "kwargs": kwargs, "expected": expected}


ECHO_FIRST = (call(1, 2, expected=1), call([3], 4, expected=[3]))


@pytest.mark.parametrize(
    ("tests", "name"),
    [
        ((call(1, expected=2), call(5, expected=2)), "`return 2`"),
        ((call(1, expected=[]), call(5, expected=[])), "`return []`"),
        ((call(1, expected=0.3), call(2, expected=0.3000001)), "`return 0.3000000"),
        ((call(1, expected=1.0), call(2, expected=1.0000018)), "`return 1.0000008"),
        ((call("a", expected=None), call("b", expected=None)), "`return None`"),
        (ECHO_FIRST, "`return args[0]`"),
        ((call(1, 2, expected=2), call(3, 4, 5, expected=5)), "`return args[-1]`"),
        ((call(1, 2, 3, expected=2), call(4, 5, 6, expected=5)), "`return args[1]`"),
        ((call(1, 2, expected=[1, 2]), call(3, expected=[3])), "`return list(args)`"),
        ((call(k=1, expected=1), call(k=2, expected=2)), "`return kwargs['k']`"),
        ((call(k=1, expected={"k": 1}), call(k=2, expected={"k": 2})), "`return kwargs`"),
        ((call(1, expected=1), call(x=2, expected=2)), "`return [*args, *kwargs.values()][0]`"),
        (("assert f(1) == 2", "assert f(3) == 2"), "`return 2`"),
        (("assert f('x', 'b') == 'b'", "assert f('y', 'c') == 'c'"), "`return args[1]`"),
        (
            ("def check(g):\n    assert g((1, 2)) == (1, 2)\n    assert g(()) == ()\n",),
            "`return args[0]`",
        ),
        ((call({"b": 1, "a": 2}, expected={"a": 2, "b": 1}),), "`return args[0]`"),
    ],
)
def test_calls_that_an_idle_answer_passes(tests: Any, name: str) -> None:
    names = idle_names(task(*tests))
    assert names is not None and any(name in one for one in names)


@pytest.mark.parametrize(
    "tests",
    [
        (call(1, expected=2), call(2, expected=4)),
        (call(1.0, expected=2.0), call(2.0, expected=2.1)),
        (call([1, 2], expected=2), call([3], expected=1)),  # a length is an answer
        ("assert f(1) == 2", "assert f(2) == 4"),
    ],
)
def test_calls_that_ask_for_something(tests: Any) -> None:
    assert idle_names(task(*tests)) == []


@pytest.mark.parametrize(
    ("tests", "names"),
    [
        (("", "7\n"), ["a constant output (test 0)"]),
        (("a\nb\n", "a\nb\n"), ["the input, printed"]),
        (("a\nb\n", "a\n"), ["the input's first line, printed"]),
        (("x 1 y\n", "y\n"), ["the input's last word, printed"]),
    ],
)
def test_outputs_that_need_no_program(tests: tuple[str, str], names: list[str]) -> None:
    stdin, stdout = tests
    other = ("", stdout) if "constant" in names[0] else ("q" + stdin, "q" + stdout)
    if "last word" in names[0]:
        other = (stdin + "z", "z")
    rows = [{"stdin": a, "stdout": b} for a, b in ((stdin, stdout), other)]
    found = idle_names(task(*rows, entry_point=None))
    assert found is not None and names[0] in found
    asks = [{"stdin": "1 2", "stdout": "3"}, {"stdin": "3 4", "stdout": "7"}]
    assert idle_names(task(*asks, entry_point=None)) == []


@pytest.fixture(scope="module")
def scorer() -> Iterator[CodeScorer]:
    with CodeScorer(limits=Limits(wall_s=20.0), task_s=60.0) as made:
        yield made


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("assert f(1) is not None", "`return args[0]` passes"),
        ("assert f(0)", "passes"),
        ("assert not f([1])", "passes"),
        ("assert 5 in f(3)", "passes"),
        ("assert f('a') in ('x', 'y')", "`return 'x'` passes"),
        ("assert len(f(4)) == 1", "passes"),
        ("for n in (1, 2):\n    assert f(n) is True", "`return True` passes"),
        ("def check(g):\n    assert g(1) == 2\n    assert g(2) is not 3\n", "`return 2` passes"),
        (
            "try:\n    f(-1)\n    assert False\nexcept ValueError:\n    pass",
            "`raise ValueError` passes",
        ),
    ],
)
def test_code_that_an_idle_answer_passes(test: str, name: str, scorer: CodeScorer) -> None:
    found = faults(task(test), scorer)
    assert found and name in found[-1], found


def test_plain_asserts_rule_out_what_need_not_run(scorer: CodeScorer) -> None:
    asks = "def check(g):\n    assert g(1) == 2\n    assert 4 == g(2)\n    assert g(0) in (0, 1)\n"
    assert list(idle_programs(task(asks))) == []
    assert len(list(idle_programs(task("assert f(1) in range(99)")))) <= MOST_RUN
    sound = task(asks, reference="def f(x):\n    return 2 * x\n")
    assert faults(sound, scorer) == []


def test_a_literal_is_a_constant_and_holds(scorer: CodeScorer) -> None:
    payload = task(call(expected=3)).payload() | {"answer": "literal"}
    payload["reference"] = "def f():\n    return 3\n"
    assert faults(jsonl_task({"payload": payload}, "k", "here"), scorer) == []


def test_the_families_tasks_are_not_idle() -> None:
    for name in (*TRAIN, *HELDOUT):
        for level in (1, 2, 3):
            assert idle_names(make(name, level, 0)) == [], (name, level)


@pytest.mark.parametrize(
    ("program", "idle"),
    [
        ("def f(*args):\n    return 2\n", True),
        ("def f(x, y):\n    'Doc.'\n    z = 2\n    return z\n", True),
        ("def f(x):\n    return x\n", True),
        ("def f(*args):\n    return args[-1]\n", True),
        ("def f(**k):\n    return k['a']\n", True),
        ("f = lambda *args: ()\n", True),
        ("def f(x):\n    return x + 1\n", False),
        ("def f(xs):\n    return xs[0]\n", False),
        ("def f():\n    return 2\n", False),
        ("def f(x):\n    return locals()['x'] * 2\n", False),
        ("f = sorted\n", False),
        ("def g(x):\n    return 2\n", False),
        ("def f(:", False),
    ],
)
def test_programs_that_are_idle_by_their_form(program: str, idle: bool) -> None:
    assert is_idle(program, "f") is idle
