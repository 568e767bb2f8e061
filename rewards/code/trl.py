"""The code reward as a function for TRL's trainers; needs neither torch nor TRL itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from envs.code.datasets import mbpp_setup
from envs.code.task import from_payload
from envs.errors import InputError
from envs.task import Task
from rewards.code.sandbox import Limits
from rewards.code.scorer import CodeScorer
from rewards.trl_reward import RewardFunction, TrlReward, column


def code_reward(
    *,
    shape: str = "all",
    limits: Limits | None = None,
    task_s: float = 8.0,
    bubblewrap: bool | None = None,
    allow_weak: bool = False,
    secret: bytes | None = None,
) -> RewardFunction:
    """Return a function for `GRPOTrainer(reward_funcs=[code_reward()], ...)`.

    The data set needs a column `task` with the payload of a code task (envs/code/task.py) as JSON
    text or as an object; or else columns `entry_point`, the function's name, and `test_list`, a
    list of assert statements as MBPP has it, with `test_setup_code` (full MBPP) or `test_imports`
    (sanitized) where they need imports. All of a `test_list` is hidden from the model unless your
    prompt shows it. Completions are strings or lists of chat messages, of which the last one's
    content counts. Where the sandbox failed the reward is None, which TRL leaves out. The settings
    are those of `CodeScorer`; the sandbox starts at the first call, one in each process, so the
    function can be pickled.
    """
    return TrlReward(
        "code_reward",
        CodeScorer,
        {
            "shape": shape,
            "limits": limits,
            "task_s": task_s,
            "bubblewrap": bubblewrap,
            "allow_weak": allow_weak,
            "secret": secret,
        },
        _tasks,
    )


def _tasks(columns: dict[str, Any], rows: int) -> list[Task]:
    payloads = column("task", columns, rows)
    if payloads is not None:
        tasks: list[Task] = []
        for i, payload in enumerate(payloads):
            # The rows of a group carry one payload: it is read once.
            again = i > 0 and payload == payloads[i - 1]
            tasks.append(tasks[-1] if again else _task(payload, f"column `task`, row {i}"))
        return tasks
    names = column("entry_point", columns, rows)
    tests = column("test_list", columns, rows)
    if names is None or tests is None:
        raise InputError("data set: no column `task`, nor `entry_point` and `test_list`; add them")
    setups = column("test_setup_code", columns, rows) or [None] * rows
    imports = column("test_imports", columns, rows) or [None] * rows
    return [
        _row(name, listed, mbpp_setup(setup, lines, f"row {i}"), i)
        for i, (name, listed, setup, lines) in enumerate(
            zip(names, tests, setups, imports, strict=True)
        )
    ]


def _task(payload: Any, where: str) -> Task:
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: no JSON ({error}); give a code task's payload") from None
    # Through the typed view: a data set fills in None for whatever other rows have.
    return from_payload(_without_nulls(payload), where).task()


def _without_nulls(payload: Any) -> Any:
    if not isinstance(payload, Mapping):
        return payload
    return {key: value for key, value in payload.items() if value is not None}


def _row(name: Any, tests: Any, setup: Any, row: int) -> Task:
    if not isinstance(tests, Sequence) or isinstance(tests, str):
        raise InputError(f"column `test_list`, row {row}: no list; give assert statements")
    payload = {
        "dataset": "jsonl",
        "key": f"row/{name}",
        "split": "train",
        "instruction": "",
        "entry_point": name,
        "kind": "asserts",
        "setup": setup,
        "hidden": [{"code": test} for test in tests],
    }
    return from_payload(payload, f"row {row}").task()
