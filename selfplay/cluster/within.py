"""Calls into code of others that has no deadline of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

_Answer = TypeVar("_Answer")


class Unanswered(TimeoutError):
    """A call has not returned in time; it goes on in a daemon thread."""


def within(seconds: float, what: str, call: Callable[[], _Answer]) -> _Answer:
    """Return what `call` returns, or raise what it raises; `what` names its thread.

    Raises:
        Unanswered: it has not returned within `seconds`.
    """
    outcome: queue.SimpleQueue[tuple[list[_Answer], BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put(([call()], None))
        except BaseException as error:  # raised again by who waits
            outcome.put(([], error))

    threading.Thread(target=work, name=what, daemon=True).start()
    try:
        values, error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise Unanswered(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return values[0]
