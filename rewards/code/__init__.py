"""Code rewards: programs run in a sandbox, graded by a judge that keeps the tests."""

from rewards.code.grade import Failure, Grade, Tally, Trial
from rewards.code.judge import Judge
from rewards.code.sandbox import Limits, Sandbox, SandboxError, Tier
from rewards.code.scorer import SHAPES, CodeScorer
from rewards.code.trl import code_reward
from rewards.result import ScoreRequest

__all__ = [
    "SHAPES",
    "CodeScorer",
    "Failure",
    "Grade",
    "Judge",
    "Limits",
    "Sandbox",
    "SandboxError",
    "ScoreRequest",
    "Tally",
    "Tier",
    "Trial",
    "code_reward",
]
