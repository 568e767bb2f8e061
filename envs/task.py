"""The records that every domain shares: Task, Prompt and Parsed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

from envs.errors import InputError

ParseStatus = Literal["ok", "illegal", "unparsable"]
"""`illegal`: an answer was given and breaks the rules; `unparsable`: no answer could be read."""

Stop = Literal["word", "line", "code", "calls", "eos"]
"""Where a completion ends: at the first white space after its first word, at a line break, after
the body of a function (`envs.stops.body_end`), after a function and calls of it (`calls_end`),
or at the model's own end-of-sequence token (which always ends a completion)."""
_STOPS = get_args(Stop)


def task_id(domain: str, payload: dict[str, Any]) -> str:
    """Return the stable id of a task: same domain and payload, same id, for ever."""
    canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"{domain}/{hashlib.sha256(canonical.encode()).hexdigest()[:20]}"


@dataclass(frozen=True, slots=True)
class Task:
    """One thing asked of the model.

    `payload` is JSON and never changes once the task has an id.
    """

    id: str
    domain: str
    payload: dict[str, Any]

    @classmethod
    def make(cls, domain: str, payload: dict[str, Any]) -> Task:
        """Return a task whose id follows from its payload."""
        return cls(task_id(domain, payload), domain, payload)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered task: plain `text`, or chat `messages` for the tokenizer's chat template."""

    text: str | None
    messages: tuple[dict[str, str], ...] | None
    stop: Stop
    max_tokens: int

    def __post_init__(self) -> None:
        """Refuse what no sampler could do. Raises InputError."""
        if self.stop not in _STOPS:
            raise InputError(f"a prompt with stop={self.stop!r}: give one of {', '.join(_STOPS)}")
        if (self.text is None) == (self.messages is None):
            raise InputError("a prompt has either text or messages: give one of them, else None")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read from a completion; `action` (for chess: a UCI move) is None unless `ok`."""

    status: ParseStatus
    action: str | None
    detail: str = ""
