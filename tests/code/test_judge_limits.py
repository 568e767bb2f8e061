"""Time and memory of the programs that are judged, and test code that hangs or dies."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

import pytest

from envs.code.task import CodeTask
from rewards.code.allotment import Allotment, TimeSpentError
from rewards.code.assert_process import AssertProcess
from rewards.code.judge import Judge
from rewards.code.sandbox import Limits, Sandbox
from rewards.code.scorer import CodeScorer
from rewards.result import ScoreRequest
from tests.code.judged import RIGHT, SQUARE, SQUARE_ASSERTS, SQUARE_CHECK, calls, codes
from tests.patience import patient


@pytest.mark.parametrize("task", [SQUARE, SQUARE_ASSERTS, SQUARE_CHECK])
def test_loops_end_at_the_limit(hasty: Judge, task: CodeTask) -> None:
    begun = time.monotonic()
    grade = hasty.grade(task, "def f(x):\n    while True: pass")
    assert (grade.verdict, grade.status) == ("timeout", "timeout")
    assert time.monotonic() - begun < patient(5)
    assert hasty.grade(task, "import time\ntime.sleep(9999)").verdict == "timeout"
    assert hasty.grade(task, RIGHT).verdict == "pass"


def test_cpu_time_lasts_for_all_tests_of_a_program(sandbox: Sandbox) -> None:
    spin = "import time\ndef f(n):\n    end = time.process_time() + 0.45\n"
    spin += "    while time.process_time() < end: pass\n    return n"
    task = calls(*(([n], n) for n in range(4)))
    with Judge(sandbox, Limits(cpu_s=1, wall_s=20), task_s=40) as judge:
        assert judge.grade(task, spin).verdict == "pass"


def test_all_tests_together_have_a_limit(sandbox: Sandbox) -> None:
    task = replace(calls(*[([i], i) for i in range(50)]), reference=None)
    with Judge(sandbox, Limits(wall_s=5.0), task_s=1.0) as judge:
        begun = time.monotonic()
        grade = judge.grade(task, "import time\ndef f(x):\n    time.sleep(0.1)\n    return x")
    assert grade.verdict == "timeout" and 0 < grade.hidden.passed < grade.hidden.run < 50
    assert time.monotonic() - begun < patient(5)


def test_limits_grow_where_the_reference_is_slow(sandbox: Sandbox) -> None:
    sleeps = "import time\ndef f(x):\n    time.sleep({})\n    return x * x"
    task = replace(SQUARE, hidden=SQUARE.hidden[:1], visible=())
    with Judge(sandbox, Limits(wall_s=0.3), task_s=0.3) as judge:
        without = judge.grade(replace(task, reference=None), sleeps.format(0.6))
        scaled = judge.grade(replace(task, reference=sleeps.format(0.4)), sleeps.format(0.6))
        beyond = judge.grade(replace(task, reference=sleeps.format(0.4)), sleeps.format(999))
        quick = judge.grade(replace(task, key="other", reference=RIGHT), sleeps.format(999))
    assert [g.verdict for g in (without, scaled, beyond, quick)] == [
        "timeout", "pass", "timeout", "timeout",
    ]  # fmt: skip


def test_a_program_that_lost_its_time_to_the_machine_is_run_once_more(sandbox: Sandbox) -> None:
    task = replace(SQUARE, reference=None, hidden=SQUARE.hidden[:1], visible=())
    begun = time.monotonic()
    with Judge(sandbox, Limits(wall_s=0.5), task_s=0.5) as judge:
        sleeps = judge.grade(task, "import time\ndef f(x): time.sleep(999)")
        slept = time.monotonic() - begun
        loops = judge.grade(task, "def f(x):\n    while True: pass")
    assert [sleeps.verdict, loops.verdict] == ["timeout", "timeout"]
    assert 1.0 <= slept < patient(5)


SLOW = {
    "sleeps": "import time\ndef f(x): time.sleep(999)\n",
    "sleeps at import": "import time\ntime.sleep(999)\ndef f(x): return x * x\n",
    "spins": "def f(x):\n    while True: pass\n",
    "spins at import": "def f(x): return x * x\nwhile True: pass\n",
    "sleeps in each test": "import time\ndef f(x):\n    time.sleep(0.25)\n    return x * x\n",
    "sleeps in the visible tests": "import time\ndef f(x):\n    time.sleep(999 * (x in (2, 3)))\n",
    "sleeps and floods": "import time\ndef f(x):\n    time.sleep(0.1)\n    return 'x' * 10 ** 9\n",
    "dies late": "import os, time\ndef f(x):\n    time.sleep(0.1)\n    os._exit(1)\n",
}


def test_slow_programs_together_are_judged_within_their_group_s_time() -> None:
    """Each spends all it may, loading included; second runs take what remains."""
    asked = [f"```python\n{program}```" for program in (*SLOW.values(), RIGHT)]
    task_s, group_s = 0.4, 12.0
    with CodeScorer(limits=Limits(wall_s=0.3), task_s=task_s, group_s=group_s) as scorer:
        scorer.score_completion(SQUARE, asked[-1])
        begun = time.monotonic()
        results = scorer.score([ScoreRequest(SQUARE.task(), text) for text in asked])
        took = time.monotonic() - begun
    verdicts = dict(zip([*SLOW, "right"], (r.verdict for r in results), strict=True))
    assert verdicts.pop("right") == "pass" and took < group_s
    fails = ("sleeps in the visible tests", "sleeps and floods", "dies late")
    assert verdicts == {name: "fail" if name in fails else "timeout" for name in SLOW}


def test_what_the_group_s_time_does_not_suffice_for_never_trains() -> None:
    programs = [SLOW["sleeps"] + f"# {i}\n" for i in range(10)]
    asked = [ScoreRequest(SQUARE.task(), f"```python\n{text}```") for text in programs]
    slow = "import time\ndef f(x):\n    time.sleep(999)\n    return x * x\n"
    unhurried = replace(SQUARE, key="test/patient", reference=slow)
    with CodeScorer(limits=Limits(wall_s=0.4), task_s=0.4, group_s=3.0) as scorer:
        begun = time.monotonic()
        results = scorer.score(asked)
        unknown = scorer.score_completion(unhurried, asked[0].completion)
        took = time.monotonic() - begun
        right = scorer.score_completion(SQUARE, f"```python\n{RIGHT}```")
        late = Allotment(0.0)
        with pytest.raises(TimeSpentError, match=r"the reference of task test/late.*deadline_s"):
            scorer._judge._measured(replace(unhurried, key="test/late"), slow, late)
    verdicts = [result.verdict for result in results]
    assert verdicts[0] == "timeout" and verdicts[-1] == "infra_error" and took < patient(5)
    details = [str(result.evidence["detail"]) for result in (results[-1], unknown)]
    assert all("raise scorer.deadline_s" in text for text in details)
    assert unknown.verdict == "infra_error" and "the reference of task test/patient" in details[1]
    assert right.verdict == "pass"


def test_memory_and_output_are_bounded(judge: Judge) -> None:
    assert judge.grade(SQUARE, "def f(x): return bytearray(4 << 30)").status == "memory"
    flood = judge.grade(SQUARE, "def f(x): return 'x' * (5 << 20)")
    assert (flood.verdict, flood.status) == ("fail", "output")


def test_test_code_stuck_in_what_came_back_is_a_timeout_and_not_our_failure(hasty: Judge) -> None:
    task = codes("asserts", "while f(1): pass", "assert f(1) == 1")
    assert hasty.grade(task, "def f(x): return 1").verdict == "timeout"
    assert hasty.grade(SQUARE_CHECK, RIGHT).verdict == "pass"


def test_test_code_that_dies_twice_is_a_failure_of_the_program(judge: Judge) -> None:
    task = codes("asserts", "import os\nif f(1): os._exit(1)\nassert f(1) == 0")
    assert judge.grade(task, "def f(x): return 1").status == "error"
    assert judge.grade(task, "def f(x): return 0").verdict == "pass"


def test_a_process_of_test_code_lost_once_costs_nothing(judge: Judge) -> None:
    process: AssertProcess = judge._process
    assert judge.grade(SQUARE_CHECK, RIGHT).verdict == "pass"
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    assert judge.grade(SQUARE_CHECK, RIGHT).verdict == "pass"
