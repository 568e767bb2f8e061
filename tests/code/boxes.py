"""Sandboxes for tests, and what they leave in /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.errors import InputError
from rewards.code.sandbox import Limits, Sandbox
from rewards.code.sandbox.launch import find_bubblewrap

LIMITS = Limits(cpu_s=5, wall_s=20, memory_mb=128, output_bytes=20_000)


def opened(kind: str) -> Iterator[Sandbox]:
    """Yield a sandbox in bubblewrap or without ("plain"), for a fixture; skip where none works."""
    wrapped = kind == "bubblewrap"
    if wrapped and find_bubblewrap() is None:
        pytest.skip("no bubblewrap on PATH; apt-get install bubblewrap")
    try:
        made = Sandbox(LIMITS, bubblewrap=wrapped)
    except InputError as error:
        pytest.skip(str(error))
    with made:
        yield made


def children_of(pid: int) -> list[int]:
    """Return the process ids of a process's children, zombies among them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(entry.name))
    return sorted(found)


def descriptors(pid: int | str) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
