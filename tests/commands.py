"""The command line in a process of its own, as a user runs it in the working folder."""

from __future__ import annotations

import subprocess
import sys

from tests.patience import patient


def selfplay(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command; `typed` is its standard input."""
    command = [sys.executable, "-m", "selfplay", *arguments]
    return subprocess.run(
        command, input=typed, capture_output=True, text=True, timeout=patient(30), check=False
    )


def fault(*arguments: str) -> str:
    """Run with bad input; return the one line on stderr after checking that it is one."""
    done = selfplay(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.strip()
