"""The proposer's part of the loop: requests by share, and pay by solve rate."""

from __future__ import annotations

import random

import pytest

from envs import Task
from envs.code import families
from envs.code.proposer import DOMAIN
from rewards import RewardResult
from selfplay.domains.base import has_infra_error
from selfplay.domains.code.proposer import ProposingSource, metrics, proposed, settle
from selfplay.domains.code.tasks import CodeSource
from selfplay.records import Group
from tests.selfplay.batches import random_group


def group(task: Task, results: list[RewardResult]) -> Group:
    made = random_group(random.Random(0), "x", size=len(results), prompt=3, longest=4)
    for rollout, result in zip(made.rollouts, results, strict=True):
        rollout.result = result
    return Group(task, made.rollouts)


def source(share: float) -> ProposingSource:
    tasks = CodeSource({"families": 0.9, "proposals": 0.1}, seed=0, levels=[1])
    return ProposingSource(tasks, share, seed=0)


def test_requests_keep_their_share_over_steps() -> None:
    made = source(0.3)
    counts = []
    for _ in range(10):
        tasks = made.next_tasks(4)
        counts.append(sum(task.domain == DOMAIN for task in tasks))
        assert len({task.id for task in tasks}) == 4
        for task in tasks:
            made.answered(task, [RewardResult(0.0, "fail"), RewardResult(1.0, "pass")], 1)
    assert sum(counts) == 12 and max(counts) == 2


def test_a_restored_source_asks_the_same() -> None:
    made, again = source(0.5), source(0.5)
    for task in made.next_tasks(3):
        made.answered(task, [RewardResult(1.0, "pass")], 1)
    again.restore(made.state())
    assert [t.id for t in made.next_tasks(4)] == [t.id for t in again.next_tasks(4)]


def proposals() -> tuple[Group, list[Task]]:
    """A request answered by two sound proposals, one of them twice, and an unsound one."""
    one, two = (families.make(families.TRAIN[i], 1, 0) for i in (0, 1))
    sound = [RewardResult(0.0, "pass", {"sound": 1.0}, {"task": t.payload()}) for t in (one, two)]
    unsound = RewardResult(0.0, "fail", {"sound": 0.0}, {"task": None})
    request = Task.make(DOMAIN, {"seed": 1})
    return group(request, [sound[0], sound[1], sound[0], unsound]), [one.task(), two.task()]


def verdicts(task: Task, *given: str) -> Group:
    return group(task, [RewardResult(float(v == "pass"), v) for v in given])  # type: ignore[arg-type]


def test_each_sound_proposal_is_followed_once() -> None:
    request, tasks = proposals()
    assert [task.task().id for task in proposed([request])] == [task.id for task in tasks]


def test_a_proposer_earns_what_solvers_miss() -> None:
    request, (one, two) = proposals()
    solved = verdicts(one, "pass", "fail", "fail", "infra_error", "timeout")
    never = verdicts(two, "fail", "fail", "unparsable")
    settle([request], [solved, never])
    values = [r.result.value for r in request.rollouts if r.result]
    assert values == pytest.approx([0.75, 0.0, 0.75, 0.0])
    message = metrics([request])
    assert message["proposer/sound"] == 0.75
    assert message["proposer/solve_rate"] == pytest.approx((0.25 + 0.0 + 0.25) / 3)


def test_what_nobody_could_try_never_trains() -> None:
    request, (one, two) = proposals()
    settle([request], [verdicts(one, "infra_error", "infra_error"), verdicts(two, "pass", "fail")])
    message = [r.result.verdict for r in request.rollouts if r.result]
    assert message == ["infra_error", "pass", "infra_error", "fail"]
    assert has_infra_error(request)


def test_what_everybody_solves_earns_nothing() -> None:
    request, (one, two) = proposals()
    settle([request], [verdicts(one, "pass", "pass"), verdicts(two, "pass", "fail")])
    assert [r.result.value for r in request.rollouts if r.result] == [0.0, 0.5, 0.0, 0.0]
