"""What the judge takes for equal, and what crosses to a program and back."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from envs.code.task import CallTest
from rewards.code.judge import Judge
from tests.code.judged import calls, codes


@pytest.mark.parametrize(
    ("expected", "returned", "passes"),
    [
        ("1.5", "1.5 + 9e-7", True),
        ("1.5", "1.50001", False),
        ("2.0", "2", True),
        ("2", "2.0", True),
        ("2", "2.0000001", False),
        ("[0.1, (0.2, {'a': 0.3})]", "[0.1 + 1e-8, (0.2, {'a': 0.1 + 0.2})]", True),
        ("[0.1, (0.2,)]", "[0.1, [0.2]]", False),
        ("float('nan')", "float('nan')", True),
        ("float('inf')", "1e308 * 10", True),
        ("1e400", "10 ** 400", False),
        ("True", "1", True),
        ("'1.5'", "1.5", False),
        ("{1: 0.5}", "{1: 0.5 + 1e-9}", True),
        ("{1, 2}", "frozenset({2, 1})", True),
        ("None", "0", False),
    ],
)
def test_values_are_compared_as_python_does_floats_nearly(
    judge: Judge, expected: str, returned: str, passes: bool
) -> None:
    program = f"def f(x): return {returned}"
    value = eval(expected)
    verdicts = {
        judge.grade(calls(([0], value)), program).verdict,
        judge.grade(codes("asserts", f"assert f(0) == {expected}"), program).verdict,
        judge.grade(codes("asserts", f"y = {expected}\nassert f(0) == y"), program).verdict,
    }
    assert verdicts == ({"pass"} if passes else {"fail"})


@pytest.mark.parametrize(
    ("expected", "returned", "passes"),
    [
        ("20000000089", "2.00000000890000001e10", True),
        ("20000000089", "2.0000000089001e10", False),
        ("[20000000089, 'x']", "[2.0000000089001e10, 'x']", False),
        ("(1, {'n': 20000000089})", "(1.0, {'n': 2.0000000089001e10})", False),
        ("2.9999999999", "3", False),
        ("2.5", "2.5 + 1e-9", True),
        ("[1, 2.5]", "[1, 2.5 + 1e-9]", True),
        ("[1, 2.5]", "[1 + 1e-9, 2.5]", False),
        ("{2.5: 1}", "{2.5 + 1e-9: 1}", False),
    ],
)
@pytest.mark.parametrize(
    "form",
    [
        "assert f(0) == {}",
        "assert {} == f(0)",
        "assert f(0) == f(0) == {}",
        "assert {} == f(0) == f(0)",
        "got = f(0)\nwant = {}\nassert want == got",
        "def equal(a, b):\n    assert a == b\nequal({}, f(0))",
        "assert [f(0), 7] == [{}, 7] and 7 == 7",
    ],
)
def test_no_side_of_an_equation_sets_the_tolerance(
    judge: Judge, form: str, expected: str, returned: str, passes: bool
) -> None:
    task = codes("asserts", form.replace("{}", expected))
    grade = judge.grade(task, f"def f(x): return {returned}")
    assert grade.verdict == ("pass" if passes else "fail")
    if not passes and form == "assert {} == f(0)":
        assert grade.failure is not None and grade.failure.trial.got == repr(eval(returned))


@pytest.mark.parametrize(
    "test",
    [
        "assert abs(f(0) - 20000000089) < 1e-6",
        "assert 20000000088 < f(0) < 20000000090 and f(0) != 20000000089.1",
        "assert f(0) in [20000000089]",
        "assert not f(0) != 20000000089",
        "import unittest\nunittest.TestCase().assertEqual(20000000089, f(0))",
        "import math\nassert math.isclose(20000000089, f(0), rel_tol=1e-13)",
    ],
)
def test_other_comparisons_are_the_test_s_own(judge: Judge, test: str) -> None:
    task = codes("asserts", test)
    assert judge.grade(task, "def f(x): return 20000000089").verdict == "pass"
    assert judge.grade(task, "def f(x): return 2.00000000891e10").verdict == "fail"


def test_keyword_arguments_and_awkward_values_cross_both_ways(judge: Judge) -> None:
    values = [
        None, True, -(2**200), 1.5, -0.0, math.inf, "", "é\ud800\x00", b"\xff", [], [[]], (),
        (1,), {}, {(1, 2): {3}}, frozenset({b"x"}), {"t": [1]}, {"status": "ok"},
    ]  # fmt: skip
    task = replace(
        calls(([0], 0)),
        hidden=tuple(CallTest([value], (value, "k"), {"k": "k"}) for value in values),
    )
    grade = judge.grade(task, "def f(x, *, k): return (x, k)")
    assert grade.verdict == "pass" and grade.hidden.passed == len(values)


def test_state_stays_between_calls_and_not_between_programs(judge: Judge) -> None:
    task = calls(([0], 1), ([0], 2))
    counter = "n = 0\ndef f(x):\n    global n\n    n += 1\n    return n"
    assert [judge.grade(task, counter).verdict for _ in range(3)] == ["pass"] * 3


def test_arguments_that_cannot_cross_fail_and_are_named(judge: Judge) -> None:
    task = codes("asserts", "assert f(object()) == 1")
    grade = judge.grade(task, "def f(x): return 1")
    assert (grade.verdict, grade.status) == ("fail", "unsupported")
    assert grade.failure is not None and "type object" in grade.failure.trial.detail
