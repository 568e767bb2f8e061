"""ScoreRequest and RewardResult: what every scorer takes and returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from envs.task import Task

Verdict = Literal["pass", "fail", "illegal", "unparsable", "timeout", "infra_error"]


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """One completion of one task, to be scored."""

    task: Task
    completion: str


@dataclass(frozen=True, slots=True)
class RewardResult:
    """The score of one completion.

    `value` lies in [0, 1]. `parts` are named numbers that it is made of; `evidence` is JSON that
    lets somebody check the score. `infra_error` is our own failure: it is retried and never trains.
    """

    value: float
    verdict: Verdict
    parts: dict[str, float] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.0 <= self.value <= 1.0:
            raise ValueError(f"reward {self.value!r} is outside [0, 1]")
