"""CodeScorer on the real sandbox: values, verdicts, parts, evidence, infrastructure errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.code.families import TRAIN, make
from envs.code.task import CallTest, CodeTask
from envs.errors import InputError
from envs.task import Task
from rewards.code.sandbox import Limits, Tier
from rewards.code.scorer import CodeScorer
from rewards.result import ScoreRequest
from tests.patience import patient

TASK = CodeTask(
    dataset="jsonl",
    key="test/absolute",
    split="train",
    instruction="Return the absolute value.",
    kind="calls",
    hidden=tuple(CallTest([x], abs(x)) for x in (-3, -2, 5, 0)),
    visible=(CallTest([1], 1), CallTest([-1], 1)),
    entry_point="f",
    signature="def f(x: int) -> int:",
    reference="def f(x):\n    return abs(x)\n",
)


@pytest.fixture(scope="module")
def scorer() -> Iterator[CodeScorer]:
    with CodeScorer(limits=Limits(wall_s=20.0), task_s=40.0) as made:
        yield made


def ask(task: CodeTask, *completions: str) -> list[ScoreRequest]:
    return [ScoreRequest(task.task(), completion) for completion in completions]


RIGHT = "```python\ndef f(x):\n    return x if x > 0 else -x\n```"
SPECIAL = "def f(x):\n    return {1: 1, -1: 1}[x]\n"
HALF = "def f(x):\n    return x\n"


def test_values_verdicts_parts_and_evidence(scorer: CodeScorer) -> None:
    right, special, half, chatter = scorer.score(ask(TASK, RIGHT, SPECIAL, HALF, "I cannot."))
    assert (right.verdict, right.value) == ("pass", 1.0)
    assert right.parts["visible"] == right.parts["hidden"] == 1.0 and right.parts["hack_gap"] == 0
    assert right.parts["seconds"] > 0 and right.parts["memory_mb"] > 1
    assert right.evidence["action"] == "def f(x):\n    return x if x > 0 else -x\n"
    assert (right.evidence["status"], right.evidence["failed"]) == ("pass", None)
    assert right.evidence["sandbox"] == scorer.tier.value
    assert (special.verdict, special.value) == ("fail", 0.0)
    assert special.parts["hack_gap"] == 1.0 and special.evidence["failed"]["hidden"]
    assert (half.verdict, half.value, half.parts["hidden"]) == ("fail", 0.0, 0.5)
    assert half.evidence["failed"] == {
        "hidden": False,
        "index": 1,
        "status": "wrong",
        "input": "f(-1)",
        "expected": "1",
        "got": "-1",
        "detail": "",
    }
    assert (half.evidence["hidden"], half.evidence["visible"]) == ([2, 4, 4], [1, 2, 2])
    assert (chatter.verdict, chatter.value, chatter.parts) == ("unparsable", 0.0, {})
    for result in (right, special, half, chatter):
        assert result.evidence["key"] == TASK.key
        assert json.loads(json.dumps(result.evidence)) == result.evidence
    assert scorer.doing == "idle"


def test_the_fraction_shape_pays_shares_of_the_hidden_tests_alone() -> None:
    limits = Limits(wall_s=20.0)
    with CodeScorer(shape="fraction", limits=limits, task_s=40.0) as scorer:
        results = scorer.score(ask(TASK, RIGHT, HALF, SPECIAL, "def f(x): return 1"))
    assert [r.value for r in results] == [1.0, 0.5, 0.0, 0.0]
    assert [r.verdict for r in results] == ["pass", "fail", "fail", "fail"]


def test_order_is_kept_over_tasks_and_equal_programs_have_one_grade(scorer: CodeScorer) -> None:
    other = make(TRAIN[0], 1, 7)
    assert other.reference is not None
    answers = [RIGHT, f"```\n{other.reference}```"] * 3
    requests = [
        ScoreRequest((TASK if i % 2 == 0 else other).task(), text) for i, text in enumerate(answers)
    ]
    results = scorer.score(requests)
    assert [r.verdict for r in results] == ["pass"] * 6
    assert [r.evidence["key"] for r in results] == [TASK.key, other.key] * 3
    assert results[0].parts["seconds"] == results[2].parts["seconds"]


def test_a_loop_is_a_timeout() -> None:
    with CodeScorer(limits=Limits(wall_s=0.4), task_s=1.0) as scorer:
        loop, right = scorer.score(ask(TASK, "def f(x):\n    while True: pass\n", RIGHT))
    assert (loop.verdict, loop.value, loop.evidence["status"]) == ("timeout", 0.0, "timeout")
    assert right.verdict == "pass"


def test_text_that_no_file_can_hold_is_reported_in_text_that_it_can(scorer: CodeScorer) -> None:
    program = "def f(x):\n    raise ValueError('\\ud800' * 9)\n"
    (result,) = scorer.score(ask(TASK, program))
    result.evidence["detail"].encode("utf-8")
    assert "\\ud800" in result.evidence["detail"]
    returned = scorer.score(ask(TASK, "def f(x):\n    return '\\udfff'\n"))[0]
    json.dumps(returned.evidence, ensure_ascii=False).encode("utf-8")


def test_a_killed_zygote_costs_infra_errors_at_most_and_then_works_again(
    scorer: CodeScorer,
) -> None:
    pid = scorer._sandbox.zygote_pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    first = scorer.score(ask(TASK, RIGHT))[0]
    assert first.verdict in ("infra_error", "pass")
    if first.verdict == "infra_error":
        assert first.value == 0.0 and "zygote" in first.evidence["detail"] and first.parts == {}
    assert scorer.score(ask(TASK, RIGHT, HALF))[0].verdict == "pass"


def test_a_closed_sandbox_is_an_infra_error_for_each() -> None:
    scorer = CodeScorer()
    scorer.close()
    results = scorer.score(ask(TASK, RIGHT, HALF, "nothing"))
    assert [r.verdict for r in results] == ["infra_error", "infra_error", "unparsable"]
    scorer.close()


def test_bad_settings_and_tasks_are_refused() -> None:
    with pytest.raises(InputError, match=r"reward\.shape=half"):
        CodeScorer(shape="half")
    with pytest.raises(InputError, match="task_s"):
        CodeScorer(task_s=-1)
    with CodeScorer() as scorer:
        assert isinstance(scorer.tier, Tier)
        with pytest.raises(InputError, match="domain"):
            scorer.score([ScoreRequest(Task.make("chess", {}), "e4")])
        with pytest.raises(InputError, match="hidden"):
            scorer.score([ScoreRequest(Task.make("code", TASK.payload() | {"hidden": []}), "")])


def test_nothing_heavy_is_imported(repository: Path) -> None:
    code = (
        "import sys, rewards.code\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'torch', 'ray', 'numpy', 'transformers', 'trl', 'selfplay'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=patient(20),
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]")
