"""Run the tests in two processes side by side: most that start Ray, and the rest.

Most of what Ray's tests do is wait for processes to start; the rest is light and fills the time.
The second process keeps to one core, for a number library's threads that wait for each other would
take the time of both. Its output is printed when it ends. Exit code: the first that is not 0.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

PYTEST = (sys.executable, "-m", "pytest")


def main() -> int:
    """Run both to their ends; arguments go to both."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as kept:
        rest = subprocess.Popen(
            [*PYTEST, "-m", "not ray", *sys.argv[1:]],
            stdout=kept,
            stderr=subprocess.STDOUT,
            env={"OMP_NUM_THREADS": "1", **os.environ},
        )
        try:
            ray = subprocess.run([*PYTEST, "-m", "ray", *sys.argv[1:]], check=False).returncode
            other = rest.wait()
        finally:
            rest.kill()
            kept.seek(0)
            sys.stdout.write(kept.read())
    return ray or other


if __name__ == "__main__":
    sys.exit(main())
