"""HumanEval and MBPP under the judge: their own solutions pass, `return None` does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.code.datasets import load_humaneval, load_mbpp
from envs.code.task import CodeTask, CodeTest
from envs.errors import InputError
from rewards.code.grade import Trial
from rewards.code.judge import Judge
from rewards.code.lowered import lowered
from rewards.code.sandbox import Limits, Sandbox

EXCEPTIONS = {
    "Mbpp/596": "name 'sys' is not defined",
    "Mbpp/601": "name 'Pair' is not defined",
    "Mbpp/927": "name 'Node' is not defined",
}


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Sandbox() as sandbox, Judge(sandbox, Limits(wall_s=30.0), task_s=60.0) as made:
        yield made


@pytest.fixture(scope="module")
def humaneval() -> list[CodeTask]:
    try:
        return load_humaneval()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def mbpp(shared_data: Path) -> list[CodeTask]:
    path = shared_data / "mbpp" / "mbpp.jsonl"
    return [*load_mbpp(path, "train"), *load_mbpp(path, "validation")]


def test_humaneval_s_solutions_all_pass(judge: Judge, humaneval: list[CodeTask]) -> None:
    grades = {task.key: judge.grade(task, task.reference or "") for task in humaneval}
    failed = {key: grade.failure for key, grade in grades.items() if grade.verdict != "pass"}
    assert len(humaneval) == 164 and failed == {}


def test_return_none_passes_nothing(judge: Judge, humaneval: list[CodeTask]) -> None:
    passed = [
        task.key
        for task in humaneval
        if judge.grade(task, f"{task.prefix}    return None\n").verdict == "pass"
    ]
    assert passed == []


def test_the_helpers_of_a_prompt_cannot_be_replaced(
    judge: Judge, humaneval: list[CodeTask]
) -> None:
    tasks = {task.key: task for task in humaneval}
    for key, program in {
        "HumanEval/32": "def poly(xs, x): return 0.0\ndef find_zero(xs): return 1.0",
        "HumanEval/38": "def encode_cyclic(s): return s\ndef decode_cyclic(s): return s",
        "HumanEval/50": "def encode_shift(s): return s\ndef decode_shift(s): return s",
        "HumanEval/33": "def sort_third(l): return l",
        "HumanEval/37": "tuple = lambda x: 0\ndef sort_even(l): return l",
    }.items():
        assert judge.grade(tasks[key], program).status == "wrong", key


def test_mbpp_s_solutions_pass_but_for_named_exceptions(judge: Judge, mbpp: list[CodeTask]) -> None:
    failed = {}
    for task in mbpp:
        grade = judge.grade(task, task.reference or "")
        if grade.hidden_failure is not None:
            failed[task.key] = grade.hidden_failure.trial.detail
    assert {key: text for key, text in EXCEPTIONS.items() if text in failed.get(key, "")} == (
        EXCEPTIONS
    )
    assert set(failed) == set(EXCEPTIONS)
    assert len(failed) <= 0.02 * len(mbpp) and len(mbpp) == 464


def test_calls_read_from_test_code_mean_what_executing_it_means(
    judge: Judge, humaneval: list[CodeTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = [task for task in humaneval if _lowered(task)]
    assert len(read) >= 140
    programs = [(task, task.reference or "") for task in read]
    for value in ("[]", "True", "''", "0.0"):
        programs += [(task, f"{task.prefix}    return {value}\n") for task in read[::4]]
    quick = [judge.grade(task, program).hidden_failure for task, program in programs]
    monkeypatch.setattr("rewards.code.trials.lowered", lambda *_: None)
    slow = [judge.grade(task, program).hidden_failure for task, program in programs]

    def message(trial: Trial) -> tuple[str, str, str | None, str | None]:
        return trial.status, trial.input, trial.expected, trial.got

    assert [f and message(f.trial) for f in quick] == [f and message(f.trial) for f in slow]
    assert sum(f is None for f in quick) >= 140 and sum(f is not None for f in quick) >= 100


def _lowered(task: CodeTask) -> bool:
    return all(
        isinstance(test, CodeTest) and lowered(task.kind, task.entry_point or "", test.code)
        for test in task.hidden
    )
