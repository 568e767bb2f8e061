"""A sandbox for programs that a language model wrote."""

from rewards.code.sandbox.sandbox import Candidate, Sandbox
from rewards.code.sandbox.types import (
    GONE,
    Limits,
    Outcome,
    ProgramOutcome,
    SandboxError,
    Status,
    Tier,
    Usage,
)

__all__ = [
    "GONE",
    "Candidate",
    "Limits",
    "Outcome",
    "ProgramOutcome",
    "Sandbox",
    "SandboxError",
    "Status",
    "Tier",
    "Usage",
]
