"""A run's look at its tasks in the real sandbox: what is left out, named, kept and not repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envs.code.datasets import mbpp_tasks
from envs.code.jsonl import jsonl_task
from envs.code.task import CodeTask
from envs.errors import InputError
from rewards.code.scorer import CodeScorer
from selfplay.config.run import RunConfig
from selfplay.domains.code.domain import CodeDomain
from selfplay.domains.code.scoring import code_scorer
from selfplay.domains.code.soundness import FILE, judged_by, sound_files

GOOD: dict[str, Any] = {
    "key": "own/good",
    "instruction": "Double it.",
    "entry_point": "f",
    "tests": ["assert f(1) == 2", "assert f(4) == 8"],
    "reference": "def f(x):\n    return 2 * x\n",
}
WRONG = GOOD | {"key": "own/wrong", "reference": "def f(x):\n    return x\n"}
IDLE = GOOD | {
    "key": "own/idle",
    "tests": ["assert f(1) is None"],
    "reference": "def f(x):\n    return None\n",
}


def task(row: dict[str, Any]) -> CodeTask:
    return jsonl_task(row, row["key"], "made")


TASKS = {"jsonl": [task(GOOD), task(WRONG), task(IDLE)]}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """A run in a folder of its own, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("", encoding="utf-8")
    sandbox = {"wall_s": 20.0, "task_s": 40.0}
    settings = {"domain": "code", "runs_dir": tmp_path / "runs", "name": "one", "sandbox": sandbox}
    return RunConfig.model_validate(settings)


def never() -> CodeScorer:
    raise AssertionError("no scorer may be started")


def making(config: RunConfig) -> Callable[[], CodeScorer]:
    return lambda: code_scorer(config)


def keys(kept: dict[str, list[CodeTask]]) -> list[str]:
    return [task.key for task in kept["jsonl"]]


def with_(config: RunConfig, **changes: Any) -> RunConfig:
    return RunConfig.model_validate(config.model_dump() | changes)


def late(config: RunConfig) -> RunConfig:
    return with_(config, code=config.code.model_dump() | {"preflight_s": 1e-9})


def test_what_does_not_hold_is_left_out_reported_and_not_checked_again(
    config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys(sound_files(config, TASKS, making(config))) == ["own/good"]
    message = capsys.readouterr().err
    assert "own/wrong does not hold and is left out: the reference does not pass: wrong" in message
    assert "own/idle does not hold and is left out: the empty program" not in message
    assert "`return None` passes" in message
    # The run goes by its own file, other runs by the cache; neither starts a scorer.
    kept = json.loads((config.runs_dir / "one" / FILE).read_text(encoding="utf-8"))["tasks"]
    assert {row["key"]: bool(row["faults"]) for row in kept.values()} == {
        "own/good": False, "own/wrong": True, "own/idle": True,
    }  # fmt: skip
    assert keys(sound_files(config, TASKS, never)) == ["own/good"]
    assert keys(sound_files(with_(config, name="other"), TASKS, never)) == ["own/good"]
    for path in (config.runs_dir.parent / "cache").rglob("*.json"):
        path.unlink()
    assert keys(sound_files(config, TASKS, never)) == ["own/good"]


def test_what_is_not_reached_is_left_out_for_this_run_alone(
    config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    first = {"jsonl": TASKS["jsonl"][:1]}
    assert keys(sound_files(with_(config, name="other"), first, making(config))) == ["own/good"]
    both = {"jsonl": [task(GOOD), task(GOOD | {"key": "own/better"})]}
    assert keys(sound_files(late(config), both, never)) == ["own/good"]
    assert "own/better does not hold and is left out: not checked in" in capsys.readouterr().err
    assert keys(sound_files(config, both, never)) == ["own/good"], "a resumed run keeps its tasks"
    again = sound_files(with_(config, name="other"), both, making(config))
    assert keys(again) == ["own/good", "own/better"]


def test_nothing_that_holds_is_an_error_of_one_line(config: RunConfig) -> None:
    with pytest.raises(InputError, match=r"code\.jsonl: none of its 3 tasks holds") as raised:
        sound_files(late(config), TASKS, never)
    assert "\n" not in str(raised.value)


def test_a_sandbox_that_fails_is_no_fault_of_the_task(
    config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> CodeScorer:
        made = code_scorer(config)
        made.close()
        return made

    with pytest.raises(InputError, match="none of its 1 tasks holds"):
        sound_files(config, {"jsonl": [task(GOOD)]}, broken)
    assert "could not be checked: the sandbox is closed" in capsys.readouterr().err
    kept = sound_files(with_(config, name="other"), {"jsonl": [task(GOOD)]}, making(config))
    assert keys(kept) == ["own/good"], "no failure of ours may stay in the cache"


def test_verdicts_go_by_the_judge_and_its_limits(config: RunConfig) -> None:
    slower = with_(config, sandbox=config.sandbox.model_dump() | {"wall_s": 21.0})
    assert judged_by(config) == judged_by(with_(config, seed=7)) != judged_by(slower)


def test_files_that_are_broken(config: RunConfig, capsys: pytest.CaptureFixture[str]) -> None:
    good = {"jsonl": [task(GOOD)]}
    sound_files(with_(config, name="other"), good, making(config))
    [cache] = (config.runs_dir.parent / "cache").rglob("*.json")
    cache.write_text("[", encoding="utf-8")
    sound_files(with_(config, name="other"), good, making(config))
    assert f"{cache}: cannot be read" in capsys.readouterr().err
    assert list(json.loads(cache.read_text(encoding="utf-8")).values()) == [[]]
    (config.runs_dir / "one" / FILE).write_text('{"tasks": 3}', encoding="utf-8")
    with pytest.raises(InputError, match=rf"{FILE}: cannot be read"):
        sound_files(config, good, never)


def mbpp_row(number: int, code: str) -> dict[str, Any]:
    factor = 2 if number < 601 else number  # what is evaluated never trains
    tests = [f"assert f({n}) == {factor * n}" for n in (1, 4)]
    return {"task_id": number, "text": f"Multiply {number}.", "code": code, "test_list": tests}


def test_a_run_leaves_out_training_tasks_and_reports_those_of_its_suites(
    config: RunConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right, wrong = "def f(x):\n    return x + x", "def f(x):\n    return x"
    rows = [mbpp_row(n, wrong if n % 2 else right) for n in (511, 512)]
    rows += [mbpp_row(601, wrong), mbpp_row(602, "def f(x): return 602 * x")]
    path = tmp_path / "mbpp.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code = {"mbpp": path, "sources": {"mbpp": 1.0}}
    run = with_(config, code=code, eval={"suites": ["code/mbpp"], "mbpp": path})
    source = CodeDomain(run).open_source(None)  # type: ignore[arg-type]
    assert [t.payload["key"] for t in source.next_tasks(9)] == ["Mbpp/602"]
    message = capsys.readouterr().err
    assert "code.mbpp: Mbpp/601 does not hold and is left out" in message
    assert "suite code/mbpp: Mbpp/511 does not hold and is kept all the same" in message
    assert [t.key for t in mbpp_tasks([("x", rows[0])], "validation")] == ["Mbpp/511"]
