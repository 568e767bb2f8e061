"""The zygote's memory without holes: what is allocated afterwards lies close together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rewards.code.sandbox import compact

HOLES = """
import runpy, sys
compact = runpy.run_path(sys.argv[1])
many = [bytes(100) for _ in range(6000)]
del many[::50]  # two or three holes in each pool
if sys.argv[2] == "fill":
    compact["fill_holes"]()
new = [None] * 40
for i in range(40):
    new[i] = bytes(100)
print(len({id(one) // 16384 for one in new}))
"""


def pools(what: str) -> int:
    """Return over how many pools 40 new objects are spread in an interpreter full of holes."""
    command = [sys.executable, "-S", "-c", HOLES, str(Path(compact.__file__)), what]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_new_objects_share_fresh_pools_once_the_holes_are_filled() -> None:
    assert pools("leave") > 5
    assert pools("fill") <= 2
