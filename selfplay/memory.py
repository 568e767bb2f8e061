"""Memory: what the run's processes hold, and giving back what they no longer use."""

from __future__ import annotations

import ctypes
import sys
import threading

import psutil


def release_free_memory() -> None:
    """Give freed heap memory back to the system (glibc; elsewhere nothing happens).

    Tensors of ever other sizes leave holes that glibc keeps; without this the resident memory of
    samplers and learners grows along the run.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class PeakMemory:
    """Watches the resident memory of this process and all its descendants, Ray's included."""

    def __init__(self, every_s: float = 1.0) -> None:
        self.peak_bytes = 0
        self._done = threading.Event()
        self._every_s = every_s
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(5)

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._done.wait(self._every_s):
            total = 0
            for process in [me, *me.children(recursive=True)]:
                try:
                    total += process.memory_info().rss
                except psutil.Error:  # it ended between listing and reading
                    continue
            self.peak_bytes = max(self.peak_bytes, total)
