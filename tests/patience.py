"""How long a test waits for what should have happened by then: every bound of seconds is from here.

Bounds in tests are written as what a fast machine with nothing else to do never needs, and are
multiplied by one factor: a slow machine that is busy takes many times as long, and that is no
fault of the code. SELFPLAY_TEST_PATIENCE sets another factor.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

FACTOR = float(os.environ.get("SELFPLAY_TEST_PATIENCE", "6"))
"""Three times slower, and half of that left by other work."""
TEST_S = 100.0
"""For a test that has no deadline of its own, fixtures included; it is for what hangs."""
RUN_S = 300.0
"""For a miniature run, or a few of them, started as a user does."""


def patient(seconds: float) -> float:
    """Return the bound to wait for."""
    return FACTOR * seconds


def computing(seconds: float) -> float:
    """Return the bound for CPU time, which other work hardly lengthens: half of the factor."""
    return FACTOR / 2 * seconds


def wait_until(holds: Callable[[], bool], seconds: float = 20.0, *, turn_s: float = 0.02) -> None:
    """Return once `holds()` is true; fail where it is not within `patient(seconds)`."""
    deadline = time.monotonic() + patient(seconds)
    while not holds():
        assert time.monotonic() < deadline, f"not so within {patient(seconds):g} s"
        time.sleep(turn_s)
