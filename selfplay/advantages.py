"""Advantages of a group: how much better each answer was than expected. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from selfplay.records import Group


@dataclass(frozen=True, slots=True)
class Advantage:
    """How a group's rewards become advantages; the keys are those of `learner` in config/roles.py.

    `flat`: groups of listed actions train also where all rewards are equal. `most`: so many listed
    actions train, the best and others drawn; None: all that there are.
    """

    kind: Literal["dr_grpo", "grpo", "target"]
    scale: float = 1.0
    temperature: float = 0.1
    flat: bool = False
    most: int | None = None

    def teaches(self, group: Group) -> bool:
        """Return whether a group trains: not where equal rewards would give no advantage.

        Listed actions with a target teach that they are the legal ones, whatever they earn.
        """
        return group.has_spread or (self.flat and group.listed and self.kind == "target")


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


def drawn_of(rewards: Sequence[float], most: int, seed: int) -> list[float]:
    """Return the chance with which each action was to be drawn, 0 for those that were not.

    The first of the best is always drawn, and `most` - 1 of the others uniformly without
    replacement, each with chance (most - 1) / (n - 1). Divided by its chance, an advantage is right
    on the average over all draws (Horvitz and Thompson 1952, doi:10.1080/01621459.1952.10483446).
    """
    if len(rewards) <= most:
        return [1.0] * len(rewards)
    best = max(range(len(rewards)), key=rewards.__getitem__)
    others = [i for i in range(len(rewards)) if i != best]
    chosen = set(random.Random(f"{seed}/drawn").sample(others, most - 1))
    chance = (most - 1) / len(others)
    return [1.0 if i == best else chance if i in chosen else 0.0 for i in range(len(rewards))]


def assign_advantages(group: Group, how: Advantage) -> None:
    """Write the advantage of every rollout in `group`, and which of the listed actions train.

    Those that were not drawn keep an advantage of 0. The seed of the group's request decides.

    Raises:
        ValueError: a rollout is unscored or the result of an infrastructure error.
    """
    for rollout in group.rollouts:
        rollout.learns = True
    for rollout in group.learnt:
        if rollout.result is None or rollout.result.verdict == "infra_error":
            raise ValueError(f"task {group.task.id}: infra_error and unscored rollouts never train")
    if how.kind == "target":
        values = target(group.rewards, how.temperature)
    else:
        values = (grpo if how.kind == "grpo" else dr_grpo)(group.rewards)
    chances = [1.0] * len(values)
    if how.most is not None and group.listed:
        chances = drawn_of(group.rewards, how.most, group.rollouts[0].seed)
    for rollout, value, chance in zip(group.learnt, values, chances, strict=True):
        rollout.advantage = value * how.scale / chance if chance else 0.0
        rollout.learns = chance > 0
