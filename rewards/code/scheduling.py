"""How a judge lets its candidates run on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def unhurried() -> Iterator[None]:
    """Have the calling thread wait its turn: whatever wakes it is not interrupted by it.

    A candidate's answer wakes the judge. Where both share a core, an ordinary thread would take it
    at once, only to wait for the next answer; Linux's SCHED_BATCH lets the candidate go on until it
    has to wait itself. The share of the processor stays the same, and so does any policy that
    somebody chose on purpose. Processes that are started meanwhile inherit it.
    """
    if not hasattr(os, "SCHED_BATCH") or os.sched_getscheduler(0) != os.SCHED_OTHER:
        yield
        return
    ordinary = os.sched_param(0)
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, ordinary)
    except OSError:  # some containers forbid it
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, ordinary)
