"""What goes into the sandbox and what comes back: limits, tiers, outcomes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple

from envs.errors import InputError

Status = Literal[
    "ok",
    "exception",
    "timeout",
    "memory",
    "output",
    "crash",
    "unsupported",
    "missing",
    "syntax",
    "callback",
]
GONE: frozenset[Status] = frozenset({"timeout", "memory", "output", "crash"})
"""After one of these the candidate is dead: every later call answers `crash` at once."""
DETAIL_CHARS = 500
"""What an outcome's `detail` is cut to."""


class Call(NamedTuple):
    """A call of a candidate's function, to be made in time (`Candidate.call`)."""

    function: str
    args: list[Any]
    kwargs: dict[str, Any]


class SandboxError(RuntimeError):
    """The sandbox itself failed, not the candidate: an infra_error, and the next call may work."""


class Tier(Enum):
    """How much stands between a candidate and the machine; the text is what gets printed."""

    BUBBLEWRAP = "bubblewrap + Landlock + seccomp"
    LANDLOCK = "Landlock + seccomp"
    SECCOMP = "seccomp, no file can be opened"
    RLIMITS = "rlimits only"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one candidate may use.

    `cpu_s`: seconds of CPU over its whole life, of all threads together, rounded up to whole ones.
    `wall_s`: seconds of wall clock for loading it, and for each call that names no limit of its
    own. `memory_mb`: MiB of address space on top of the interpreter's own, threads' stacks among
    them. `output_bytes`: the longest answer to one call, or all of a program's stdout.
    `processes`: 1 allows no thread and no child; more allows that many threads, and never a child.
    `numpy`: may import it.
    """

    cpu_s: float = 10.0
    wall_s: float = 5.0
    memory_mb: int = 512
    output_bytes: int = 4_194_304
    processes: int = 32
    numpy: bool = False

    def __post_init__(self) -> None:
        for name in ("cpu_s", "wall_s", "memory_mb", "output_bytes", "processes"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"sandbox.{name}={value}: must be above 0; give a larger one")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of loading a candidate or of one call.

    `value` is decoded and of exact built-in types, None unless `status` is ok. `detail` is text
    from the candidate (`ValueError: ...`), hence hostile, of at most DETAIL_CHARS characters.
    `seconds` is wall clock. `error` is an exception as data (envs/code/raised.py), unchecked.
    """

    status: Status
    value: object = None
    detail: str = ""
    seconds: float = 0.0
    error: Any = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a candidate used: CPU and wall seconds, and its peak resident memory in MiB.

    The memory includes the interpreter's, about 20 MiB.
    """

    cpu_s: float
    wall_s: float
    max_rss_mb: float


@dataclass(frozen=True, slots=True)
class ProgramOutcome:
    """What came of a whole program on stdin and stdout; `stdout` is what it wrote until its end.

    Bytes that are no UTF-8 are replaced by U+FFFD. `status` is never unsupported or missing; an
    exit status other than 0 is `exception`.
    """

    status: Status
    stdout: str
    detail: str
    seconds: float
    usage: Usage
