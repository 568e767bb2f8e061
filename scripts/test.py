"""Run the tests in two processes side by side: most that start Ray, and the rest.

Most of what Ray's tests do is wait for processes to start; the rest is light and fills the time.
The second process keeps to one core, for a number library's threads that wait for each other would
take the time of both. Its output is printed when it ends. Exit code: the first that is not 0.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO

LIMIT_S = 7200.0
"""For both together. Every test has a deadline of its own; this is for what hangs between tests."""
STOP_S = 30.0
"""How long a half may take to stop what it started."""


def start(marked: str, output: IO[str] | None, env: dict[str, str]) -> subprocess.Popen[str]:
    """Start pytest on the tests that `marked` selects; this script's arguments go to it."""
    command = [sys.executable, "-m", "pytest", "-m", marked, *sys.argv[1:]]
    errors = None if output is None else subprocess.STDOUT
    return subprocess.Popen(command, text=True, stdout=output, stderr=errors, env=env)


def ended(half: subprocess.Popen[str], name: str, until: float) -> int:
    """Return a half's exit code; where the time is over it is stopped, and named."""
    try:
        return half.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        print(f"the tests marked {name!r} took longer than {LIMIT_S:g} s; stopped", flush=True)
        stop(half)
        return 1


def stop(half: subprocess.Popen[str]) -> None:
    """Interrupt a half, so that it ends what it started; kill it where it does not."""
    if half.poll() is None:
        half.send_signal(signal.SIGINT)
        try:
            half.wait(STOP_S)
        except subprocess.TimeoutExpired:
            half.kill()


def main() -> int:
    """Run both halves to their ends."""
    until = time.monotonic() + LIMIT_S
    # A shell starts what is put in the background with SIGINT ignored, and so would the tests'
    # processes be, some of which are interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as kept:
        rest = start("not ray", kept, {"OMP_NUM_THREADS": "1", **os.environ})
        ray = start("ray", None, {**os.environ})
        try:
            codes = [ended(ray, "ray", until), ended(rest, "not ray", until)]
        finally:
            stop(ray)
            stop(rest)
            kept.seek(0)
            sys.stdout.write(kept.read())
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
