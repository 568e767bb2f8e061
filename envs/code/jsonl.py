"""Code tasks from any JSONL file.

A JSONL file holds one task a line, either as `Task` rows {"domain": "code", "payload": {...}} (see
envs/code/task.py) or as

    {"instruction": "...", "entry_point": "f", "tests": [...], "visible": [...],
     "key": "...", "signature": "def f(x: int) -> int:", "prefix": "...", "setup": "import math",
     "reference": "def f(x): ...", "split": "train"}

where `tests` (the hidden ones, at least one) and `visible` hold tests of one kind:
{"args": [...], "expected": ...} in plain JSON, with "kwargs": {...} where it needs them; the same
as Python literals, {"call": "f([1, 2], k=3)", "returns": "(1, 2)"}; "assert f(1) == 2";
"def check(candidate): ..."; or {"stdin": "...", "stdout": "..."} for a whole program. Only
`instruction` and `tests` are required, and `entry_point` unless the task is a whole program.

In a row of the second form an object is a dict, whatever its keys. With `"values": "tagged"` in the
row its args, kwargs and expected are tagged JSON (envs/code/values.py), as they always are in a
`payload`: {"t": [1, 2]} is a tuple there. Nothing is guessed: both forms can be the same letters.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from envs.code.evalplus import evalplus_task, is_evalplus
from envs.code.task import CodeTask, Kind, from_payload
from envs.code.values import Unsupported, encode
from envs.errors import InputError
from envs.rows import number_of, read_rows
from envs.task import Task


def load_jsonl(path: Path | str) -> list[CodeTask]:
    """Return the tasks of a JSONL file in one of the forms at the head of this file.

    Raises InputError naming file:line and field for a broken row, for a key that comes twice and
    for a file without tasks.
    """
    path = Path(path)
    tasks: dict[str, CodeTask] = {}
    for where, row in read_rows(path):
        task = jsonl_task(row, f"{path.stem}/{number_of(where, path)}", where)
        if task.key in tasks:
            raise InputError(f"{where}: key {task.key!r:.80} came before; give each row its own")
        tasks[task.key] = task
    if not tasks:
        raise InputError(f"{path}: no tasks; give a JSONL file with at least one line")
    return list(tasks.values())


def jsonl_task(row: dict[str, Any], key: str, where: str) -> CodeTask:
    """Return the task of one row; `key` names it where the row does not.

    Rows of EvalPlus's own files are read as well: to be checked and scored, not to train.
    """
    if is_evalplus(row):
        return evalplus_task(row, where)
    for known, dataset in (("test_list", "mbpp"), ("canonical_solution", "humaneval")):
        if known in row:
            raise InputError(f"{where}: a row of {dataset}; name its file under code.{dataset}")
    if "payload" in row:
        return from_payload(row["payload"], where)
    hidden = row.get("tests")
    visible = row.get("visible", [])
    if not isinstance(hidden, list) or not hidden or not isinstance(visible, list):
        raise InputError(f"{where}: tests is no list of tests; give at least one")
    name = row.get("entry_point")
    form = row.get("values", "plain")
    if form not in ("plain", "tagged"):
        raise InputError(f"{where}: values is {str(form)[:40]!r}; give plain or tagged")
    tagged = form == "tagged"
    read = [_jsonl_test(test, name, where, tagged) for test in [*visible, *hidden]]
    kinds, tests = zip(*read, strict=True)
    if len(set(kinds)) != 1:
        raise InputError(f"{where}: tests of kinds {sorted(set(kinds))}; use one kind in a row")
    unknown = sorted(set(row) - ROW_FIELDS)
    if unknown:
        raise InputError(f"{where}: unknown field {unknown[0]!r:.60}; see envs/code/jsonl.py")
    payload = {k: row[k] for k in row if k not in ("tests", "visible", "values")}
    payload |= {
        "dataset": "jsonl",
        "key": row.get("key", key),
        "split": row.get("split", "train"),
        "kind": kinds[0],
        "visible": list(tests[: len(visible)]),
        "hidden": list(tests[len(visible) :]),
    }
    return from_payload(payload, where)


ROW_FIELDS = {
    "instruction", "entry_point", "tests", "visible", "key", "signature", "prefix", "setup",
    "reference", "split", "family", "level", "values",
}  # fmt: skip


def _jsonl_test(test: Any, name: Any, where: str, tagged: bool) -> tuple[Kind, dict[str, Any]]:
    """Return kind and payload of a test in any of the forms that a row may hold."""
    if isinstance(test, str):
        kind = "check" if re.search(r"^def check\(", test, re.MULTILINE) else "asserts"
        return cast(Kind, kind), {"code": test}
    if isinstance(test, dict) and {"args", "expected"} <= set(test) <= {
        "args",
        "kwargs",
        "expected",
    }:
        return "calls", test if tagged else _plain(test, where)
    if isinstance(test, dict) and set(test) == {"stdin", "stdout"}:
        return "program", test
    if isinstance(test, dict) and set(test) == {"call", "returns"}:
        return "calls", _literal_call(str(test["call"]), str(test["returns"]), name, where)
    raise InputError(f"{where}: {str(test)[:60]!r} is no test; see envs/code/jsonl.py")


def _plain(test: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a test whose values are plain JSON with its values tagged."""
    kwargs = test.get("kwargs", {})
    try:
        if isinstance(kwargs, dict):
            kwargs = {key: encode(value) for key, value in kwargs.items()}
        values = {name: encode(test[name]) for name in ("args", "expected")}
    except (Unsupported, RecursionError) as error:
        raise InputError(f"{where}: a test holds no value ({error}); make it smaller") from None
    return values | ({"kwargs": kwargs} if "kwargs" in test else {})


def _literal_call(call: str, returns: str, name: Any, where: str) -> dict[str, Any]:
    try:
        node = ast.parse(call.strip(), mode="eval").body
        if not isinstance(node, ast.Call) or ast.unparse(node.func) != name:
            raise ValueError(f"it does not call {name!r}")
        if any(keyword.arg is None for keyword in node.keywords):
            raise ValueError("** is not a value")
        return {
            "args": encode([ast.literal_eval(arg) for arg in node.args]),
            "kwargs": {str(k.arg): encode(ast.literal_eval(k.value)) for k in node.keywords},
            "expected": encode(ast.literal_eval(returns.strip())),
        }
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, Unsupported) as error:
        fault = str(error).split("\n")[0][:80]
        raise InputError(f"{where}: {call[:60]!r} is no call of literals ({fault})") from None


def write_tasks(path: Path, tasks: Iterable[Task]) -> None:
    """Write tasks as a JSONL file that `load_jsonl` reads."""
    rows = [
        json.dumps({"id": task.id, "domain": task.domain, "payload": task.payload}) + "\n"
        for task in tasks
    ]
    path.write_text("".join(rows), encoding="utf-8")
