"""Memory: what the run's processes hold, and giving back what they no longer use."""

from __future__ import annotations

import ctypes
import sys
import threading

import psutil


def release_free_memory() -> None:
    """Give freed heap memory back to the system (glibc; elsewhere nothing happens).

    Tensors of ever new sizes leave holes that glibc keeps; without this the resident memory of
    samplers and learners grows along the run.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def held_bytes(process: psutil.Process) -> int:
    """Return the memory that `process` holds: pages shared by n processes count 1/n each.

    That is Linux's proportional set size; over all processes of a run it sums to what the machine
    must have. Resident sets would count the weights in Ray's object store, and every library, once
    per process. Where the kernel does not say, it is the resident set.

    Raises:
        psutil.Error: the process has ended, or is somebody else's.
    """
    try:
        with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return int(process.memory_info().rss)


class PeakMemory:
    """Watches the memory of this process and all its descendants, Ray's included."""

    def __init__(self, every_s: float = 2.0) -> None:
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
                    total += held_bytes(process)
                except psutil.Error:  # it ended between listing and reading
                    continue
            self.peak_bytes = max(self.peak_bytes, total)
