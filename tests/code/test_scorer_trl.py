"""The code reward as TRL calls it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from envs.code.families import TRAIN, make
from envs.errors import InputError
from rewards.code.sandbox import Limits
from rewards.code.trl import code_reward

TASK = make(TRAIN[0], 1, 3)
ASSERTS = {"entry_point": ["f"], "test_list": [["assert f(2) == 4", "assert f(3) == 9"]]}


@pytest.fixture(scope="module")
def reward() -> Iterator[Any]:
    made: Any = code_reward(limits=Limits(wall_s=20.0), task_s=40.0)
    yield made
    made.close()


def test_text_and_chat_completions_are_scored_alike(reward: Any) -> None:
    texts = [f"```python\n{TASK.reference}\n```", "def nothing(): pass", "hello there"]
    chats = [[{"role": "assistant", "content": text}] for text in texts]
    parts = [[{"role": "assistant", "content": [{"type": "text", "text": t}]}] for t in texts]
    columns = {"task": [json.dumps(TASK.payload())] * 3, "trainer_state": None}
    plain = reward(prompts=["p"] * 3, completions=texts, **columns)
    assert plain == [1.0, 0.0, 0.0]
    assert plain == reward(prompts=["p"] * 3, completions=chats, **columns)
    assert plain == reward(prompts=["p"] * 3, completions=parts, **columns)


def test_a_payload_may_be_an_object_with_nulls(reward: Any) -> None:
    payload = TASK.payload() | {"answer": None, "visible": None}
    assert reward(["p"], [TASK.reference], task=[payload]) == [1.0]


def test_asserts_as_mbpp_has_them(reward: Any) -> None:
    texts = ["def f(x): return x * x", "def f(x): return 4"]
    columns = {name: column * 2 for name, column in ASSERTS.items()}
    assert reward(["p"] * 2, texts, **columns) == [1.0, 0.0]
    needs = {"entry_point": ["f"], "test_list": [["assert f(2) == math.sqrt(16)"]]}
    assert reward(["p"], texts[:1], **needs) == [0.0]
    assert reward(["p"], texts[:1], **needs, test_setup_code=["import math"]) == [1.0]
    assert reward(["p"], texts[:1], **needs, test_imports=[["import math"]]) == [1.0]
    both = {"test_setup_code": [""], "test_imports": [["import math"]]}
    assert reward(["p"], texts[:1], **needs, **both) == [1.0]
    nulls = {"test_setup_code": ["import math"], "test_imports": [None]}
    assert reward(["p"], texts[:1], **needs, **nulls) == [1.0]


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({}, "no column `task`"),
        ({"task": ["{}"] * 2}, "2 rows for 1 completions"),
        ({"task": ["{"]}, "row 0: no JSON"),
        ({"task": [None]}, "row 0: the payload is no object"),
        ({"task": ["{}"]}, "row 0: kind"),
        (ASSERTS | {"entry_point": ["1"]}, "row 0: entry_point"),
        (ASSERTS | {"test_list": ["assert f(2) == 4"]}, "row 0: no list"),
        (ASSERTS | {"test_list": [[]]}, "row 0: hidden has no test"),
        (ASSERTS | {"test_list": [[None]]}, "row 0: hidden"),
        (ASSERTS | {"test_imports": [3]}, "row 0: test_imports is no list"),
    ],
)
def test_bad_columns_are_reported(reward: Any, columns: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        reward(["p"], ["def f(x): return 1"], **columns)


def test_it_has_a_name_and_can_be_sent_to_another_process(reward: Any) -> None:
    first = reward(["p"], ["def f(x): return x * x"], **ASSERTS)
    copy = pickle.loads(pickle.dumps(reward))
    assert reward.__name__ == copy.__name__ == "code_reward"
    assert copy(["p"], ["def f(x): return x * x"], **ASSERTS) == first == [1.0]
    copy.close()


def test_sandbox_trouble_is_none(reward: Any) -> None:
    broken: Any = code_reward()
    assert broken(["p"], ["def f(x): return x * x"], **ASSERTS) == [1.0]
    broken._scorer._sandbox.close()
    assert broken(["p"] * 2, ["def f(x): return x * x", ""], **_twice()) == [None, 0.0]
    broken.close()


def _twice() -> dict[str, Any]:
    return {name: column * 2 for name, column in ASSERTS.items()}
