"""The zygote's memory without holes: what is allocated afterwards lies close together."""

from __future__ import annotations

import os
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


CODE = """
import runpy, sys
compact = runpy.run_path(sys.argv[1])
compact["own_code"]()
print(open("/proc/self/smaps").read())
"""


def test_the_interpreters_code_has_a_page_of_its_own_and_stays_read_only() -> None:
    command = [sys.executable, "-S", "-c", CODE, str(Path(compact.__file__))]
    maps = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    own: dict[str, int] = {}
    for line in maps.strip().splitlines():
        words = line.split()
        if "-" in words[0] and len(words[1]) == 4:
            start, end = (int(part, 16) for part in words[0].split("-"))
            protection, size = words[1], end - start
            interpreter = "libpython" in line or os.path.realpath(sys.executable) in line
            assert not ("w" in protection and "x" in protection), line
        elif words[0] == "Anonymous:" and interpreter and protection == "r-xp" and size >= 1 << 18:
            own[f"{start:x}"] = int(words[1])
    assert own and all(kibibytes >= 4 for kibibytes in own.values()), own
