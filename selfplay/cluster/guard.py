"""Ends what a killed run leaves behind: a process of its own that outlives the one it watches.

Ray's agents wait a minute and more for a head that has ended. This program reads its standard
input, whose other end the run holds; at its end, however the run ended, every process that carries
the run's mark in its environment and has not ended on its own in time is killed. Standard library
alone: it is started by its path, with the mark and the seconds that what remains may take.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

MARK = "SELFPLAY_RAY_MARK"
GRACE_S = 10.0
KILLING_S = 60.0
_TURN_S = 0.2


def marked(mark: str) -> list[int]:
    """Return the processes whose environment has the mark, but for this one; zombies have none."""
    wanted = f"{MARK}={mark}".encode()
    found: list[int] = []
    if not Path("/proc").is_dir():
        return found
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:  # it has ended, or is another user's
            continue
        if wanted in environment.split(b"\0"):
            found.append(int(entry.name))
    return found


def main(mark: str, grace_s: float) -> None:
    """Wait for the end of standard input, then for the marked processes; kill those that stay."""
    while os.read(0, 1):
        continue
    until = time.monotonic() + grace_s
    while marked(mark) and time.monotonic() < until:
        time.sleep(_TURN_S)
    # Again while there are some: one that was starting had no mark to read yet.
    until = time.monotonic() + KILLING_S
    while (left := marked(mark)) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_TURN_S)


if __name__ == "__main__":
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    main(sys.argv[1], float(sys.argv[2]))
