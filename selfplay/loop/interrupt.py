"""Ctrl-C and SIGTERM while a run lasts."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupt:
    """Ctrl-C: at once where nothing is lost, after the running update otherwise."""

    def __init__(self) -> None:
        self.asked = False
        self._held = False

    def signal(self, *_: object) -> None:
        """Handle the signal (signal.signal's handler)."""
        again, self.asked = self.asked, True
        if again or not self._held:
            raise KeyboardInterrupt

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Let the block finish when Ctrl-C comes; a second one ends it all the same."""
        self._held = True
        try:
            yield
        finally:
            self._held = False


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Take over SIGINT and SIGTERM while the run lasts."""
    interrupt = Interrupt()
    before = {s: signal.signal(s, interrupt.signal) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
