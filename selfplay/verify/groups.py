"""The rows of a step's Parquet file as the groups that they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from envs import Task
from rewards import RewardResult
from selfplay.domains.base import Domain
from selfplay.records import FORCED, Group, Rollout

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """A group with its rows; `numbers[k]` is the row of `group.rollouts[k]` in the file, from 0."""

    group: Group
    rows: list[Row]
    numbers: list[int]

    @property
    def drawn(self) -> int:
        """How many of the rollouts the policy drew itself."""
        return sum(rollout.finish != FORCED for rollout in self.group.rollouts)


def file_of(step: int) -> str:
    """Return the name of a step's rollouts in the run's folder."""
    return f"rollouts/step_{step:06d}.parquet"


def groups_of(rows: Sequence[Row]) -> list[StoredGroup]:
    """Return the groups in the order of their first rows; a task asked twice has two seeds.

    Advantages are left at 0, to be assigned again. Raises ValueError for a reward outside [0, 1].
    """
    found: dict[tuple[str, int], StoredGroup] = {}
    for number, row in enumerate(rows):
        key = (row["task_id"], row["seed"])
        if key not in found:
            task = Task(row["task_id"], row["domain"], row["payload"])
            found[key] = StoredGroup(Group(task, [], bool(row["trained"])), [], [])
        found[key].group.rollouts.append(rollout_of(row))
        found[key].rows.append(row)
        found[key].numbers.append(number)
    return list(found.values())


def rollout_of(row: Row) -> Rollout:
    """Return a row as a rollout without its advantage."""
    result = None
    if row["verdict"] is not None:
        result = RewardResult(row["value"], row["verdict"], row["parts"], row["evidence"])
    return Rollout(
        task_id=row["task_id"],
        policy_version=row["policy_version"],
        seed=row["seed"],
        index=row["index"],
        prompt_ids=row["prompt_ids"],
        completion_ids=row["completion_ids"],
        logprobs=row["logprobs"],
        text=row["text"],
        finish=row["finish"],
        result=result,
    )


def settled_again(
    domain: Domain,
    task: Task,
    rollouts: Sequence[Rollout],
    results: Sequence[RewardResult],
    followed: Sequence[Group],
) -> list[RewardResult]:
    """Return fresh results of a task's rollouts as other groups of the step settle them."""
    fresh = [replace(r, result=result) for r, result in zip(rollouts, results, strict=True)]
    domain.settle([Group(task, fresh)], followed)
    return [r.result or result for r, result in zip(fresh, results, strict=True)]
