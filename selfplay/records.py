"""The typed records that flow through the loop and land on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from envs import Stop, Task
from rewards import RewardResult

FORCED = "forced"
"""`finish` of a rollout that was not drawn but put to the policy (sampler.explore=all_legal)."""

Finish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """`n` completions of one prompt.

    `temperature` 0 is greedy. `seed` alone decides the draws: they do not depend on what else is
    in the batch.
    """

    prompt_ids: tuple[int, ...]
    n: int
    max_tokens: int
    stop: Stop
    temperature: float
    seed: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion: ids and log-probs (nats, at the sampling temperature) have equal length.

    The token that stopped the completion is its last id: the policy learns to stop.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish: Finish


@dataclass(slots=True)
class Rollout:
    """One completion with everything that training and auditing need.

    `logprobs[t]` is the sampler's log-probability (nats) of `completion_ids[t]` at the sampling
    temperature with top_p=1. `seed` and `index` repeat the draw.
    """

    task_id: str
    policy_version: int
    seed: int
    index: int
    prompt_ids: list[int]
    completion_ids: list[int]
    logprobs: list[float]
    text: str
    finish: str
    result: RewardResult | None = None
    advantage: float = 0.0
    learns: bool = True
    """False for a listed action that was scored, and is not among those drawn to train."""


@dataclass(slots=True)
class Group:
    """The rollouts of one task, all from one policy version."""

    task: Task
    rollouts: list[Rollout] = field(default_factory=list)
    trained: bool = True
    """False for a group that was dropped (no spread, a scorer failure) and never reached a loss."""

    @property
    def learnt(self) -> list[Rollout]:
        """The rollouts that train: those put to the policy where there are any, else the drawn."""
        forced = [r for r in self.rollouts if r.finish == FORCED and r.learns]
        return forced or self.rollouts

    @property
    def listed(self) -> bool:
        """Whether the actions that train were listed and not drawn by the policy."""
        return any(r.finish == FORCED for r in self.rollouts)

    @property
    def rewards(self) -> list[float]:
        """The rewards of `learnt`, in order; every rollout must be scored."""
        values = [r.result.value for r in self.learnt if r.result is not None]
        if len(values) != len(self.learnt):
            raise ValueError(f"task {self.task.id}: unscored rollouts in the group")
        return values

    @property
    def has_spread(self) -> bool:
        """Whether at least two rewards differ: without that the group teaches nothing."""
        rewards = self.rewards
        return bool(rewards) and max(rewards) != min(rewards)


def drawn_group(request: SampleRequest, samples: Sequence[Sample]) -> Group:
    """Return unscored samples of one prompt as a group, of no task in particular."""
    rollouts = [
        Rollout(
            task_id="comparison",
            policy_version=0,
            seed=request.seed,
            index=index,
            prompt_ids=list(request.prompt_ids),
            completion_ids=list(sample.ids),
            logprobs=list(sample.logprobs),
            text="",
            finish=sample.finish,
        )
        for index, sample in enumerate(samples)
    ]
    return Group(Task("comparison", "comparison", {}), rollouts)


@dataclass(frozen=True, slots=True)
class FinishedGame:
    """A game that has ended: its PGN, and the tags in it."""

    pgn: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EvalRow:
    """What an evaluation keeps of one task: the policy's greedy answer and what it was worth.

    Attributes:
        task_id: of the task.
        cluster: tasks of one cluster are solved or failed together; intervals are over clusters.
        completion: the greedy answer.
        verdict: of the answer; `infra_error` is left out of all figures.
        columns: what else the domain keeps, as JSON; columns of their own on disk.
    """

    task_id: str
    cluster: str
    completion: str
    verdict: str
    columns: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the row as it lies on disk."""
        own = {
            "task_id": self.task_id,
            "cluster": self.cluster,
            "completion": self.completion,
            "verdict": self.verdict,
        }
        return {**self.columns, **own}
