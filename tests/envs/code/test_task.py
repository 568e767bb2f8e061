"""The typed view of a payload, which may come from anybody."""

from __future__ import annotations

import json
from typing import Any

import pytest

from envs import Task
from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest
from envs.errors import InputError

CALLS = CodeTask(
    dataset="jsonl",
    key="mine/1",
    split="train",
    instruction="Add.",
    kind="calls",
    hidden=(CallTest([1, (2,)], {"a": {1}}, {"k": 2.5}),),
    visible=(CallTest([], None),),
    entry_point="add",
    signature="def add(a, b, k):",
    reference="def add(a, b, k): ...",
)


def payload(**changes: Any) -> dict[str, Any]:
    return {**CALLS.payload(), **changes}


def test_a_task_round_trips_through_json() -> None:
    task = CALLS.task()
    again = Task(task.id, task.domain, json.loads(json.dumps(task.payload)))
    assert CodeTask.of(again) == CALLS
    assert CodeTask.of(again).task() == task


@pytest.mark.parametrize(
    ("kind", "row", "test"),
    [
        ("asserts", {"code": "assert f(1)"}, CodeTest("assert f(1)")),
        ("check", {"code": "def check(c): ..."}, CodeTest("def check(c): ...")),
        ("program", {"stdin": "1", "stdout": "2"}, ProgramTest("1", "2")),
        ("calls", {"args": [], "expected": 1}, CallTest([], 1)),
    ],
)
def test_every_kind_of_test(kind: str, row: dict[str, Any], test: Any) -> None:
    view = CodeTask.of(Task.make("code", payload(kind=kind, hidden=[row], visible=[])))
    assert view.hidden == (test,)
    assert view.payload()["hidden"] == [row]


def test_fields_that_may_be_missing() -> None:
    full = payload(kind="asserts", hidden=[{"code": "x"}])
    wanted = ("dataset", "key", "split", "instruction", "kind", "hidden")
    short = {name: full[name] for name in wanted}
    view = CodeTask.of(Task.make("code", short))
    assert (view.entry_point, view.visible, view.setup, view.answer) == (None, (), "", "program")


def broken(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in payload(**changes).items() if v is not KeyError}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"dataset": "gsm8k"}, "dataset 'gsm8k' is unknown; use families"),
        ({"dataset": ["mbpp"]}, "dataset .* is unknown"),
        ({"split": None}, "split 'None' is unknown"),
        ({"kind": KeyError}, "kind 'None' is unknown"),
        ({"key": KeyError}, "key is missing"),
        ({"instruction": 3}, "instruction is int, not text"),
        ({"instruction": "x" * 2_000_001}, "instruction has 2000001 characters"),
        ({"entry_point": "os.system"}, "entry_point is no function name"),
        ({"entry_point": "class"}, "entry_point is no function name"),
        ({"entry_point": "\uff46"}, "entry_point is no function name"),
        ({"entry_point": None}, "entry_point is missing for kind 'calls'"),
        ({"hidden": []}, "hidden has no test"),
        ({"hidden": {}}, "hidden is no list of tests"),
        ({"hidden": [{}] * 6000}, "hidden is no list of tests"),
        ({"hidden": [3]}, r"hidden\[0\] is no test of kind 'calls'"),
        ({"hidden": [{"args": []}]}, r"hidden\[0\] is no test of kind 'calls'"),
        ({"hidden": [{"args": [], "expected": 1, "got": 1}]}, "is no test of kind"),
        ({"hidden": [{"args": {"t": []}, "expected": 1}]}, r"hidden\[0\].args is no list"),
        ({"hidden": [{"args": [], "expected": {"a": 1}}]}, r"hidden\[0\] holds no value"),
        ({"hidden": [{"args": [], "kwargs": [], "expected": 1}]}, "kwargs is no object of names"),
        ({"hidden": [{"args": [], "kwargs": {"a b": 1}, "expected": 1}]}, "kwargs is no object"),
        ({"visible": [{"code": "x"}]}, r"visible\[0\] is no test of kind 'calls'"),
        ({"level": "2"}, "level '2' is no level"),
        ({"level": True}, "level 'True' is no level"),
        ({"answer": "essay"}, "answer 'essay' is unknown; use program, literal"),
        ({"levle": 1}, "unknown field 'levle'; use dataset"),
        ({"kind": "program"}, r"hidden\[0\] is no test of kind 'program'"),
    ],
)
def test_malformed_payloads_are_one_line(changes: dict[str, Any], fault: str) -> None:
    task = Task.make("code", broken(**changes))
    with pytest.raises(InputError, match=fault) as raised:
        CodeTask.of(task)
    message = str(raised.value)
    assert message.startswith(f"task {task.id}: ") and "\n" not in message and len(message) < 400


def test_other_domains_and_payloads_are_refused() -> None:
    with pytest.raises(InputError, match="domain is 'chess'"):
        CodeTask.of(Task.make("chess", payload()))
    with pytest.raises(InputError, match="the payload is no object"):
        CodeTask.of(Task("code/1", "code", ["x"]))  # type: ignore[arg-type]
