"""Calls that are sent ahead answer like calls made one by one."""

from __future__ import annotations

import fcntl
import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from envs.code.task import CallTest, CodeTask, CodeTest
from envs.code.values import Unsupported
from rewards.code.ahead import calls_ahead
from rewards.code.judge import Judge
from rewards.code.sandbox import Call, Candidate, Limits, Sandbox
from rewards.code.scheduling import unhurried
from tests.code.boxes import opened

PROGRAM = """
import os
made = []
def f(x, more=0):
    made.append(x)
    if x == "hang":
        while True: pass
    if x == "die":
        os._exit(3)
    if x == "raise":
        raise ValueError("no")
    return [x, more, len(made)]
"""


@pytest.fixture(params=["bubblewrap", "plain"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    yield from opened(request.param)


def calls(*arguments: Any) -> list[Call]:
    return [Call("f", [one], {}) for one in arguments]


def asked(candidate: Candidate, call: Call, wall_s: float | None = None) -> Any:
    outcome = candidate.call(call.function, call.args, call.kwargs, wall_s=wall_s)
    return outcome.value if outcome.status == "ok" else outcome.status


def test_answers_come_in_order_and_with_them_what_raises(sandbox: Sandbox) -> None:
    ahead = [*calls(1, "raise", "x"), Call("f", [2], {"more": (3,)}), Call("g", [], {})]
    with sandbox.open(PROGRAM, ahead=ahead) as candidate:
        answers = [asked(candidate, call) for call in ahead]
        assert answers == [[1, 0, 1], "exception", ["x", 0, 3], [2, (3,), 4], "missing"]
        assert asked(candidate, Call("f", [5], {})) == [5, 0, 5]


def test_a_call_that_is_left_out_is_made_in_vain(sandbox: Sandbox) -> None:
    ahead = calls(1, 2, 3, 4)
    with sandbox.open(PROGRAM, ahead=ahead) as candidate:
        assert asked(candidate, ahead[0]) == [1, 0, 1]
        assert asked(candidate, ahead[2]) == [3, 0, 3]
        # Equal, and yet another call: it is not the one that was sent.
        assert asked(candidate, Call("f", [4], {})) == [4, 0, 5]
        assert asked(candidate, Call("f", [6], {})) == [6, 0, 6]


@pytest.mark.parametrize(("word", "status"), [("hang", "timeout"), ("die", "crash")])
def test_what_was_answered_before_the_end_still_counts(
    sandbox: Sandbox, word: str, status: str
) -> None:
    ahead = calls(1, 2, word, 3)
    with sandbox.open(PROGRAM, ahead=ahead) as candidate:
        found = [asked(candidate, call, wall_s=0.3) for call in ahead]
    assert found == [[1, 0, 1], [2, 0, 2], status, "crash"]


def test_a_program_that_cannot_be_loaded_is_asked_nothing(sandbox: Sandbox) -> None:
    ahead = calls(1)
    with sandbox.open("def f(:", ahead=ahead) as candidate:
        assert candidate.load.status == "syntax"
        assert asked(candidate, ahead[0]) == "missing"


def test_a_program_that_answers_for_itself_only_answers(sandbox: Sandbox) -> None:
    forged = (
        "import os, struct\n"
        'text = b\'{"status": "ok", "value": 7}\'\n'
        "os.write(4, (struct.pack('>I', len(text)) + text) * 9)\n"
        "def f(x):\n    return 1\n"
    )
    ahead = calls(1, 2)
    with sandbox.open(forged, ahead=ahead) as candidate:
        # The first of its frames is taken for the answer to loading it.
        assert [asked(candidate, call) for call in ahead] == [7, 7]
        assert asked(candidate, Call("f", [3], {})) == "crash"


def test_more_than_a_pipe_holds_is_sent_bit_by_bit(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = os.pipe

    def small() -> tuple[int, int]:
        ends = pipe()
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
        return ends

    monkeypatch.setattr("rewards.code.sandbox.candidate.os.pipe", small)
    ahead = calls(*("x" * 3000 for _ in range(9)))
    with sandbox.open(PROGRAM + "# " + "x" * 50_000, ahead=ahead) as candidate:
        assert [asked(candidate, call) for call in ahead] == [
            ["x" * 3000, 0, number] for number in range(1, 10)
        ]


def test_only_so_much_is_sent_ahead(sandbox: Sandbox) -> None:
    ahead = calls(*("x" * 20_000 for _ in range(4)))
    with sandbox.open(PROGRAM, limits=Limits(output_bytes=50_000), ahead=ahead) as candidate:
        assert len(candidate._ahead) == 1
        for number, call in enumerate(ahead, 1):
            assert asked(candidate, call) == ["x" * 20_000, 0, number]


def test_arguments_that_cannot_cross_are_reported_at_once(sandbox: Sandbox) -> None:
    with pytest.raises(Unsupported):
        sandbox.open(PROGRAM, ahead=calls(object()))
    with sandbox.open(PROGRAM) as candidate:
        assert asked(candidate, Call("f", [1], {})) == [1, 0, 1]


def task(kind: Any, *hidden: Any) -> CodeTask:
    return CodeTask("jsonl", "t", "train", "Write f.", kind, hidden, entry_point="f")


def test_calls_are_known_ahead_up_to_test_code_that_has_to_be_executed() -> None:
    first, second = CallTest([1], 2), CallTest([5], 3, {"k": 4})
    found = list(calls_ahead(task("calls", first, second), [first, second]))
    assert found == [Call("f", [1], {}), Call("f", [5], {"k": 4})]
    assert found[0].args is first.args
    codes = [CodeTest(code) for code in ("assert f(1) == 2", "assert f(2) > 2", "assert f(3) == 4")]
    assert [call.args for call in calls_ahead(task("asserts", *codes), codes)] == [[1]]


@pytest.mark.parametrize(
    ("tests", "sent"),
    [
        ([([6], 3), ([3], 10), ([10], 5)], 1),
        ([([6], 31), ([7], 40), ([8, 31], 5), ([9], 1)], 2),
        ([([6], 31), ([[1, [31]]], 40)], 1),
        ([([6], 31), ([{"a": {31}}], 40)], 1),
        ([([6], 31), (["31"], 40)], 1),
        ([([6], 31), ([-31.0], 40)], 1),
        ([([6], [31, 4]), ([31, 4], 40)], 1),
        ([([6], (31, 4)), ([4], 40), ([31], 50)], 2),
        ([([[3, 1, 2]], [1, 2, 3]), ([[1, 2, 3]], [1, 2, 3])], 1),
        ([(["a b"], "A B!"), (["a b!"], "x")], 1),
        ([(["drawer"], "gift"), (["tfig"], "x")], 1),
        ([(["drawer"], "gift"), (["the gifts"], "x")], 1),
        ([(["drawer"], "the gifts"), (["gift"], "x")], 1),
        ([([True], False), ([False], True)], 1),
        ([([5], None), ([None], 5)], 1),
        ([([5], []), ([[]], 5)], 1),
        ([([2**70], 3**60), ([3**60], 1)], 1),
        ([([[3, 1]], [1, 3]), ([[9, 7]], [7, 9])], 2),
        ([([6], 31), ([7], 40), ([8], 50)], 3),
        ([([6], 31), ([6], 31), ([list(range(1000, 5000))], 7), ([5], 6)], 2),
    ],
)
def test_no_argument_that_answers_an_earlier_call_is_sent_ahead(tests: Any, sent: int) -> None:
    made = [CallTest(args, expected) for args, expected in tests]
    assert len(list(calls_ahead(task("calls", *made), made))) == sent
    codes = [CodeTest(f"assert f({', '.join(map(repr, args))}) == {w!r}") for args, w in tests]
    assert len(list(calls_ahead(task("asserts", *codes), codes))) == sent
    body = "".join(f"    {code.code}\n" for code in codes).replace("assert f(", "assert g(")
    checks = [CodeTest(f"def check(g):\n{body}")]
    assert len(list(calls_ahead(task("check", *checks), checks))) == sent


READS_AHEAD = """
import marshal, sys
def f(x):
    frame, rest = sys._getframe(), b""
    while frame:
        for one in frame.f_locals.values():
            rest = vars(one).get("_rest", rest) if hasattr(one, "__dict__") else rest
        frame = frame.f_back
    return marshal.loads(rest[4:])["args"][0] if rest else -1
"""


def test_reading_the_calls_to_come_answers_no_chained_test(sandbox: Sandbox) -> None:
    chain = [6, 3, 10, 5, 16]
    tests = [CallTest([a], b) for a, b in itertools.pairwise(chain)]
    message = [Call("f", test.args, {}) for test in tests]
    with sandbox.open(
        READS_AHEAD, ahead=message
    ) as candidate:  # the attack works where they are sent
        assert [asked(candidate, call) for call in message] == [3, 10, 5, -1]
    with Judge(sandbox) as judge:
        for visible in ((), tests[:2]):
            found = replace(task("calls", *tests[len(visible) :]), visible=tuple(visible))
            grade = judge.grade(found, READS_AHEAD)
            assert grade.verdict == "fail" and grade.hidden.passed == 0


def test_a_judge_waits_its_turn_and_leaves_a_chosen_policy_alone() -> None:
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    with unhurried():
        assert os.sched_getscheduler(0) == os.SCHED_BATCH
        with unhurried():
            assert os.sched_getscheduler(0) == os.SCHED_BATCH
        assert os.sched_getscheduler(0) == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_judge_goes_on_where_its_policy_cannot_be_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbidden)
    with unhurried():
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
