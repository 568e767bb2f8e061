"""The mix of domains: exact shares, owners, and going on from a saved state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from envs import Task
from envs.errors import InputError
from rewards import RewardResult
from selfplay.domains.base import Source
from selfplay.domains.mixed import RunSource


class Counting(Source):
    """A source of numbered tasks that remembers its answers."""

    def __init__(self, name: str, most: int = 10**6) -> None:
        self.name, self.most = name, most
        self.next, self.calls = 0, []

    def next_tasks(self, n: int) -> list[Task]:
        n = min(n, self.most - self.next)
        self.next += n
        return [Task.make(self.name, {"n": i}) for i in range(self.next - n, self.next)]

    def answered(self, task: Task, results: Sequence[RewardResult], version: int) -> None:
        self.calls.append((task.id, list(results), version))

    def skip(self, task_id: str) -> None:
        self.calls.append((task_id, "skipped"))

    def state(self) -> dict[str, Any]:
        return {"next": self.next}

    def restore(self, state: dict[str, Any]) -> None:
        self.next = state["next"]


def mix(shares: dict[str, float], **most: int) -> tuple[RunSource, dict[str, Counting]]:
    sources = {name: Counting(name, most.get(name, 10**6)) for name in shares}
    return RunSource(sources, shares), sources


def domains(tasks: list[Task]) -> list[str]:
    return [task.domain for task in tasks]


def test_shares_hold_exactly_over_steps() -> None:
    source, _ = mix({"chess": 0.75, "code": 0.25})
    for _ in range(5):
        assert domains(source.next_tasks(8)) == ["chess"] * 6 + ["code"] * 2
    source, _ = mix({"chess": 2.0, "code": 1.0})
    got = [domain for _ in range(9) for domain in domains(source.next_tasks(2))]
    assert got.count("chess") == 12 and got.count("code") == 6


def test_answers_go_to_the_owner() -> None:
    source, parts = mix({"chess": 1.0, "code": 1.0})
    first, second = source.next_tasks(2)
    results = [RewardResult(1.0, "pass")]
    source.answered(first, results, 3)
    source.skip(second.id)
    assert parts["chess"].calls == [(first.id, results, 3)]
    assert parts["code"].calls == [(second.id, "skipped")]
    with pytest.raises(KeyError):
        source.skip(second.id)


def test_a_domain_that_runs_dry_is_not_charged_for_what_it_did_not_give() -> None:
    source, _ = mix({"chess": 1.0, "code": 1.0}, code=1)
    assert domains(source.next_tasks(4)) == ["chess", "chess", "code"]


def test_a_restored_mix_goes_on_alike() -> None:
    source, _ = mix({"chess": 0.7, "code": 0.3})
    for task in source.next_tasks(7):
        source.skip(task.id)
    again, _ = mix({"chess": 0.7, "code": 0.3})
    again.restore(source.state())
    for _ in range(4):
        assert [t.id for t in source.next_tasks(3)] == [t.id for t in again.next_tasks(3)]
    other, _ = mix({"chess": 0.5, "code": 0.5})
    with pytest.raises(InputError, match="shares"):
        other.restore(source.state())


def test_a_task_that_is_evaluated_stops_the_run_before_it_trains() -> None:
    measured = Task.make("code", {"n": 1})
    source = RunSource({"code": Counting("code")}, {"code": 1.0}, frozenset({measured.id}))
    assert [task.payload["n"] for task in source.next_tasks(1)] == [0]
    with pytest.raises(InputError, match=f"code: task {measured.id} is one of a suite"):
        source.next_tasks(1)
