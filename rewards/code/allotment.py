"""Allotment: the wall clock that one group of answers has in a scorer, dealt program by program."""

from __future__ import annotations

import math
import time

from rewards.code.sandbox import SandboxError


class TimeSpentError(SandboxError):
    """The group's time was spent before something could be judged: our limit, not its fault."""


class Allotment:
    """Time for the answers to one task, below the deadline at which their scorer is killed.

    Every answer has its own time first; second runs and measuring a reference take what is spare
    beyond what the answers that wait may still need. Without `seconds` there is no limit.
    """

    def __init__(
        self,
        seconds: float = math.inf,
        answers: int = 1,
        each_s: float = 0.0,
        once_s: float | None = None,
    ) -> None:
        """Start the clock: `answers` of at most `each_s` seconds.

        With `once_s` each runs once, for so many seconds at most, and no reference is measured.
        """
        self._seconds, self._end = seconds, time.monotonic() + seconds
        self._waiting, self._each_s = answers, each_s
        self.once_s = once_s

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return self._end - time.monotonic()

    @property
    def spare(self) -> float:
        """Seconds that no answer that still waits may need; below 0 where they need more."""
        return self.left - self._waiting * self._each_s

    def begin(self, seconds: float) -> None:
        """Let the next answer begin, which may take `seconds`. Raises TimeSpentError."""
        self._waiting = max(0, self._waiting - 1)
        self.need(seconds, "an answer")

    def need(self, seconds: float, what: str) -> None:
        """Raise TimeSpentError unless `seconds` remain for `what`."""
        if self.left < seconds:
            raise self.spent(f"{what} may take {seconds:.3g} s")

    def spent(self, why: str) -> TimeSpentError:
        """Return the error for something that was not judged."""
        left = max(0.0, self.left)
        return TimeSpentError(
            f"not judged: {why}, of the group's {self._seconds:.3g} s {left:.3g} are "
            "left; raise scorer.deadline_s"
        )
