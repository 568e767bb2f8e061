"""Advantages of a group: how much better each answer was than expected. Pure, no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from selfplay.records import Group


@dataclass(frozen=True, slots=True)
class Advantage:
    """How a group's rewards become advantages; the keys are those of `learner` in config.py."""

    kind: Literal["dr_grpo", "grpo", "target"]
    scale: float = 1.0
    temperature: float = 0.1


def dr_grpo(rewards: Sequence[float]) -> list[float]:
    """r - mean(r): no division by the deviation, so no bias by difficulty (2503.20783)."""
    mean = math.fsum(rewards) / len(rewards)
    return [r - mean for r in rewards]


def grpo(rewards: Sequence[float], epsilon: float = 1e-4) -> list[float]:
    """(r - mean(r)) / (std(r) + epsilon), sample deviation as in TRL (DeepSeekMath, 2402.03300)."""
    centred = dr_grpo(rewards)
    variance = math.fsum(a * a for a in centred) / max(len(rewards) - 1, 1)
    return [a / (math.sqrt(variance) + epsilon) for a in centred]


def target(rewards: Sequence[float], temperature: float) -> list[float]:
    """softmax(reward / temperature) over distinct actions: a better policy's probabilities, q.

    The policy gradient with q as advantages is that of the cross-entropy from q to the policy, so
    of KL(q || policy): the non-parametric improvement step of MPO (1806.06920) with a uniform
    prior over the actions in the group. With every legal move in the group it has no sampling
    noise, and it raises the probability of legal answers as a whole.
    """
    top = max(rewards)
    weights = [math.exp((r - top) / temperature) for r in rewards]
    total = math.fsum(weights)
    return [w / total for w in weights]


def assign_advantages(group: Group, how: Advantage) -> None:
    """Write the advantage of every rollout in `group`.

    Raises:
        ValueError: a rollout is unscored or the result of an infrastructure error.
    """
    for rollout in group.learnt:
        if rollout.result is None or rollout.result.verdict == "infra_error":
            raise ValueError(f"task {group.task.id}: infra_error and unscored rollouts never train")
    if how.kind == "target":
        values = target(group.rewards, how.temperature)
    else:
        values = (grpo if how.kind == "grpo" else dr_grpo)(group.rewards)
    for rollout, value in zip(group.learnt, values, strict=True):
        rollout.advantage = value * how.scale
