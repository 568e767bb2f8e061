"""Judge on the real sandbox: every kind of test, verdicts, failures, and cheats in vain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from envs.code.task import CodeTask
from envs.errors import InputError
from rewards.code.grade import Grade
from rewards.code.judge import Judge
from rewards.code.sandbox import Limits, Sandbox, SandboxError
from tests.code.judged import RIGHT, SQUARE, SQUARE_ASSERTS, SQUARE_CHECK, codes


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
    "def f(x): return lambda: x * x": "unsupported or wrong",
    "def f(x): yield x * x": "unsupported or wrong",
    "class I(int): pass\ndef f(x): return I(x * x + 1)": "wrong",
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
    assert grade.verdict == "fail" and grade.status in status.split(" or ")
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

    def message(grade: Grade) -> Any:
        assert grade.failure is not None
        return grade.failure.as_dict()

    assert message(judge.grade(task, program)) == message(judge.grade(task, program))
