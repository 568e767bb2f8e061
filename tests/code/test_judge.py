"""Judge on the real sandbox: every kind of test, verdicts, limits, and cheats that earn nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest
from envs.errors import InputError
from rewards.code.assert_process import AssertProcess
from rewards.code.grade import Grade
from rewards.code.judge import Judge
from rewards.code.sandbox import Limits, Sandbox, SandboxError
from rewards.code.trials import same_output


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture(scope="module")
def judge(sandbox: Sandbox) -> Iterator[Judge]:
    with Judge(sandbox, Limits(wall_s=20.0), task_s=40.0) as made:
        yield made


@pytest.fixture(scope="module")
def hasty(sandbox: Sandbox) -> Iterator[Judge]:
    """A judge with half a second for each test."""
    with Judge(sandbox, Limits(wall_s=0.5), task_s=2.0) as made:
        yield made


def calls(*tests: tuple[list[Any], Any], visible: int = 0, **fields: Any) -> CodeTask:
    made = tuple(CallTest(args, expected) for args, expected in tests)
    return CodeTask(
        dataset="jsonl",
        key="test/calls",
        split="train",
        instruction="Do it.",
        kind="calls",
        hidden=made[visible:],
        visible=made[:visible],
        entry_point="f",
        **fields,
    )


def codes(kind: Any, *hidden: str, visible: tuple[str, ...] = (), **fields: Any) -> CodeTask:
    task = calls(([1], 1), **fields)
    return replace(
        task,
        kind=kind,
        hidden=tuple(map(CodeTest, hidden)),
        visible=tuple(map(CodeTest, visible)),
    )


def programs(*tests: tuple[str, str]) -> CodeTask:
    hidden = tuple(ProgramTest(*test) for test in tests)
    return replace(calls(([1], 1)), kind="program", hidden=hidden, entry_point=None)


SQUARE = calls(
    ([2], 4), ([3], 9), ([-4], 16), ([0], 0), visible=2, reference="def f(x): return x*x"
)
SQUARE_ASSERTS = codes("asserts", "assert f(-4) == 16", "assert f(0) == 0 and f(5) == 25")
SQUARE_CHECK = codes(
    "check",
    "def check(candidate):\n    for x in range(-5, 6):\n        assert candidate(x) == x*x\n",
)
RIGHT = "def f(x):\n    return x * x\n"


@pytest.mark.parametrize("task", [SQUARE, SQUARE_ASSERTS, SQUARE_CHECK])
def test_the_right_program_passes_every_kind(judge: Judge, task: CodeTask) -> None:
    grade = judge.grade(task, RIGHT)
    assert (grade.verdict, grade.status, grade.failure) == ("pass", "pass", None)
    assert grade.hidden.passed == grade.hidden.run == grade.hidden.total == len(task.hidden)
    assert grade.visible.passed == len(task.visible)
    assert grade.seconds > 0 and 1 < grade.memory_mb < 500
    assert judge.doing == "idle"


WRONG = {
    "": "missing",
    "def g(x): return x * x": "missing",
    "f = 4": "missing",
    "def f(x): return None": "wrong",
    "def f(x): return 16": "wrong",
    "def f(x: return x": "syntax",
    "import sys; sys.exit(0)": "exception",
    "import os; os._exit(0)": "crash",
    "raise ValueError('no')": "exception",
    "def f(x): raise SystemExit(0)": "exception",
    "def f(x): import os; os._exit(0)": "crash",
    "def f(x): return lambda: x * x": "unsupported",
    "def f(x): yield x * x": "unsupported",
    "class I(int): pass\ndef f(x): return I(x * x)": "unsupported",
    "def f(x): return str(x * x)": "wrong",
    "def f(): return 16": "exception",
    "import nothing_of_that_name\ndef f(x): return x * x": "exception",
}


@pytest.mark.parametrize("task", [SQUARE, SQUARE_ASSERTS, SQUARE_CHECK])
@pytest.mark.parametrize(("program", "status"), WRONG.items())
def test_wrong_programs_fail_and_say_why(
    judge: Judge, task: CodeTask, program: str, status: str
) -> None:
    grade = judge.grade(task, program)
    assert (grade.verdict, grade.status) == ("fail", status)
    assert grade.hidden.passed < grade.hidden.total
    assert grade.hidden_failure is not None and grade.hidden_failure.hidden


CHEATS = {
    "equal to all": "class E:\n    def __eq__(self, o): return True\n    __hash__ = None\n"
    "def f(x): return E()",
    "number that lies": "class F(float):\n    def __sub__(self, o): return 0.0\n"
    "    def __eq__(self, o): return True\n    __hash__ = float.__hash__\ndef f(x): return F(x)",
    "tuple that lies": "class T(tuple):\n    def __eq__(self, o): return True\n"
    "    __hash__ = tuple.__hash__\ndef f(x): return T()",
    "frame walk": "import sys\ndef f(x):\n    frame = sys._getframe()\n    while frame:\n"
    "        for value in list(frame.f_locals.values()):\n"
    "            if isinstance(value, list): value.append('passed')\n"
    "            if isinstance(value, dict) and 'expected' in value: return value['expected']\n"
    "        frame = frame.f_back\n    return 'passed'",
    "collector walk": "import gc\ndef f(x):\n    for o in gc.get_objects():\n"
    "        if type(o).__name__ == 'CallTest': return o.expected\n    return None",
    "builtins": "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.bool = lambda x: True\n"
    "def f(x): return 1",
    "names of the tests": "def check(c): pass\ndef same(*a): return True\n"
    "def __equal__(*a): return True\ndef __held__(*a): pass\ndef f(x): return 1",
    "printed verdicts": "def f(x):\n    print('{\"result\": \"pass\"}')\n    return 'pass'",
    "descriptors": "import os\ndef f(x):\n    for d in range(3, 64):\n        try:\n"
    '            os.write(d, b\'\\x00\\x00\\x00\\x1d{"status": "ok", "value": 16}\')\n'
    "        except OSError: pass\n    return 1",
    "assertion error": "def f(x): raise AssertionError('assert True')",
}


@pytest.mark.parametrize("task", [SQUARE, SQUARE_ASSERTS, SQUARE_CHECK])
@pytest.mark.parametrize("cheat", CHEATS)
def test_cheats_earn_nothing(judge: Judge, task: CodeTask, cheat: str) -> None:
    grade = judge.grade(task, CHEATS[cheat])
    assert grade.verdict == "fail" and grade.hidden.share is not None and grade.hidden.share <= 0.5


def test_special_cases_of_the_examples_show_as_the_hack_gap(judge: Judge, sandbox: Sandbox) -> None:
    grade = judge.grade(SQUARE, "def f(x): return {2: 4, 3: 9}[x]")
    assert (grade.verdict, grade.visible.share, grade.hidden.share) == ("fail", 1.0, 0.0)
    assert grade.hack_gap == 1.0 and grade.visible_failure is None
    # A program that hangs on what it has not seen still shows what it did with the examples.
    hangs = "def f(x):\n    while x not in (2, 3): pass\n    return x * x"
    with Judge(sandbox, Limits(wall_s=0.5), task_s=5.0) as other:
        grade = other.grade(replace(SQUARE, reference=None), hangs)
    assert (grade.verdict, grade.visible.share, grade.hidden.share) == ("timeout", 1.0, 0.0)


def test_hidden_tests_alone_decide(judge: Judge) -> None:
    grade = judge.grade(SQUARE, "def f(x): return x * x if x < 1 else 0")
    assert grade.verdict == "pass" and grade.visible.passed == 0 and grade.hack_gap == -1.0
    assert grade.failure is not None and not grade.failure.hidden
    without = judge.grade(replace(SQUARE, visible=()), RIGHT)
    assert without.visible.share is None and without.hack_gap is None


def test_the_first_failure_has_input_expected_and_got(judge: Judge) -> None:
    wrong = "def f(x): return x + x"
    grade = judge.grade(SQUARE, wrong)
    assert grade.visible_failure is not None
    assert grade.visible_failure.as_dict() == {
        "hidden": False,
        "index": 1,
        "status": "wrong",
        "input": "f(3)",
        "expected": "9",
        "got": "6",
        "detail": "",
    }
    hidden = judge.grade(SQUARE_CHECK, wrong).hidden_failure
    assert hidden is not None
    assert (hidden.trial.input, hidden.trial.got, hidden.trial.expected) == ("f(-5)", "-10", "25")


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


@pytest.mark.parametrize("task", [SQUARE, SQUARE_ASSERTS, SQUARE_CHECK])
def test_loops_end_at_the_limit(hasty: Judge, task: CodeTask) -> None:
    begun = time.monotonic()
    grade = hasty.grade(task, "def f(x):\n    while True: pass")
    assert (grade.verdict, grade.status) == ("timeout", "timeout")
    assert time.monotonic() - begun < 10
    assert hasty.grade(task, "import time\ntime.sleep(99)").verdict == "timeout"
    assert hasty.grade(task, RIGHT).verdict == "pass"


def test_all_tests_together_have_a_limit(sandbox: Sandbox) -> None:
    task = replace(calls(*[([i], i) for i in range(50)]), reference=None)
    with Judge(sandbox, Limits(wall_s=5.0), task_s=1.0) as judge:
        begun = time.monotonic()
        grade = judge.grade(task, "import time\ndef f(x):\n    time.sleep(0.1)\n    return x")
    assert grade.verdict == "timeout" and 0 < grade.hidden.passed < grade.hidden.run < 50
    assert time.monotonic() - begun < 8


def test_limits_grow_where_the_reference_is_slow(sandbox: Sandbox) -> None:
    sleeps = "import time\ndef f(x):\n    time.sleep({})\n    return x * x"
    task = replace(SQUARE, hidden=SQUARE.hidden[:1], visible=())
    with Judge(sandbox, Limits(wall_s=0.3), task_s=0.3) as judge:
        without = judge.grade(replace(task, reference=None), sleeps.format(0.6))
        scaled = judge.grade(replace(task, reference=sleeps.format(0.4)), sleeps.format(0.6))
        beyond = judge.grade(replace(task, reference=sleeps.format(0.4)), sleeps.format(9))
        quick = judge.grade(replace(task, key="other", reference=RIGHT), sleeps.format(9))
    assert [g.verdict for g in (without, scaled, beyond, quick)] == [
        "timeout", "pass", "timeout", "timeout",
    ]  # fmt: skip


def test_a_program_that_lost_its_time_to_the_machine_is_run_once_more(sandbox: Sandbox) -> None:
    task = replace(SQUARE, reference=None, hidden=SQUARE.hidden[:1], visible=())
    begun = time.monotonic()
    with Judge(sandbox, Limits(wall_s=0.5), task_s=0.5) as judge:
        sleeps = judge.grade(task, "import time\ndef f(x): time.sleep(9)")
        slept = time.monotonic() - begun
        loops = judge.grade(task, "def f(x):\n    while True: pass")
    assert [sleeps.verdict, loops.verdict] == ["timeout", "timeout"]
    assert 1.0 <= slept < 9


def test_memory_and_output_are_bounded(judge: Judge) -> None:
    assert judge.grade(SQUARE, "def f(x): return bytearray(4 << 30)").status == "memory"
    flood = judge.grade(SQUARE, "def f(x): return 'x' * (1 << 20)")
    assert (flood.verdict, flood.status) == ("fail", "output")


def test_arguments_that_cannot_cross_fail_and_are_named(judge: Judge) -> None:
    task = codes("asserts", "assert f(int) == 1")
    grade = judge.grade(task, "def f(x): return 1")
    assert (grade.verdict, grade.status) == ("fail", "unsupported")
    assert grade.failure is not None and "type type" in grade.failure.trial.detail


def test_test_code_stuck_in_what_came_back_is_a_timeout_and_not_our_failure(hasty: Judge) -> None:
    task = codes("asserts", "while f(1): pass", "assert f(1) == 1")
    assert hasty.grade(task, "def f(x): return 1").verdict == "timeout"
    assert hasty.grade(SQUARE_CHECK, RIGHT).verdict == "pass"


def test_test_code_that_dies_twice_is_a_failure_of_the_program(judge: Judge) -> None:
    task = codes("asserts", "import os\nif f(1): os._exit(1)")
    assert judge.grade(task, "def f(x): return 1").status == "error"
    assert judge.grade(task, "def f(x): return 0").verdict == "pass"


def test_a_process_of_test_code_lost_once_costs_nothing(judge: Judge) -> None:
    process: AssertProcess = judge._process
    assert judge.grade(SQUARE_CHECK, RIGHT).verdict == "pass"
    assert process._popen is not None
    process._popen.kill()
    assert judge.grade(SQUARE_CHECK, RIGHT).verdict == "pass"


PROGRAMS = programs(("3 4\n", "7\n"), ("-1 1\n", "0"))


@pytest.mark.parametrize(
    ("program", "verdict", "status"),
    [
        ("print(sum(map(int, input().split())))", "pass", "pass"),
        (
            "import sys\nprint(sum(map(int, sys.stdin.read().split())), end=' \\n\\n')",
            "pass",
            "pass",
        ),
        ("if __name__ == '__main__': print(sum(map(int, input().split())))", "pass", "pass"),
        ("print(7)", "fail", "wrong"),
        ("print('7', 'PASS')", "fail", "wrong"),
        ("1 / 0", "fail", "exception"),
        ("", "fail", "wrong"),
        ("print(7); import sys; sys.exit(3)", "fail", "exception"),
        ("x = 'x' * (1 << 20)\nwhile True: print(x)", "fail", "output"),
        ("def", "fail", "syntax"),
    ],
)
def test_whole_programs(judge: Judge, program: str, verdict: str, status: str) -> None:
    grade = judge.grade(PROGRAMS, program)
    assert (grade.verdict, grade.status) == (verdict, status)


def test_a_whole_program_that_never_ends(hasty: Judge) -> None:
    begun = time.monotonic()
    assert hasty.grade(PROGRAMS, "while True: pass").verdict == "timeout"
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("1 2\n3\n", "1 2\n3", True),
        ("1 2\n3\n", "1 2  \n3 \n\n\n", True),
        ("1 2\n", "1  2\n", False),
        (" *\n", "*\n", False),
        ("a\n\nb", "a\nb", False),
        ("0.333333", "0.3333334", True),
        ("0.333333", "0.34", False),
        ("x=0.5", "x=0.5000000001", False),
        ("2", "2.0000000001", False),
        ("2.0 3", "2 3", True),
        ("1e3", "1000", True),
        ("0.5", "nan", False),
        ("0.5", "\u0660.\u0665", False),
        ("", "\n", True),
        ("a\x0bb", "a\nb", False),
    ],
)
def test_outputs(expected: str, got: str, same: bool) -> None:
    assert same_output(expected, got) is same


def test_a_sandbox_that_fails_is_an_error_and_never_a_grade() -> None:
    sandbox = Sandbox()
    with Judge(sandbox) as judge:
        assert judge.grade(SQUARE, RIGHT).verdict == "pass"
        sandbox.close()
        with pytest.raises(SandboxError):
            judge.grade(SQUARE, RIGHT)
        assert judge.doing == "idle"


def test_tasks_that_cannot_be_graded_are_refused(sandbox: Sandbox, judge: Judge) -> None:
    with pytest.raises(InputError, match="no hidden test"):
        judge.grade(replace(SQUARE, hidden=()), RIGHT)
    with pytest.raises(InputError, match="entry_point"):
        judge.grade(replace(SQUARE_ASSERTS, entry_point=None), RIGHT)
    with pytest.raises(InputError, match="task_s"):
        Judge(sandbox, task_s=0)


def test_grades_repeat(judge: Judge) -> None:
    task = codes("asserts", "import random\nassert f(random.random()) == 0.5")
    program = "import random\ndef f(x): return [x, random.random(), {str(i) for i in range(9)}]"

    def told(grade: Grade) -> Any:
        assert grade.failure is not None
        return grade.failure.as_dict()

    assert told(judge.grade(task, program)) == told(judge.grade(task, program))
