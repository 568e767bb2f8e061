"""Bounds of seconds in tests come from patience.py: a plain number is wrong on a slow machine."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import wait_until

WAITS = {"wait", "join", "communicate", "set_script_timeout", "timeout", "wait_procs"}
"""Calls whose argument says how long something may take."""


def plain_bounds(path: Path) -> Iterator[int]:
    """Yield the lines of waits for a second or more that are written as a number."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            given = [keyword.value for keyword in node.keywords if keyword.arg == "timeout"]
            given += node.args[:1] if name in WAITS else []
            if any(_seconds(value) >= 1.0 for value in given):
                yield node.lineno


def _seconds(value: ast.expr) -> float:
    number = value.value if isinstance(value, ast.Constant) else None
    return float(number) if isinstance(number, int | float) else 0.0


def test_no_test_waits_for_a_plain_number_of_seconds(repository: Path) -> None:
    files = sorted((repository / "tests").rglob("*.py"))
    found = [
        f"{path.relative_to(repository)}:{line}" for path in files for line in plain_bounds(path)
    ]
    assert found == [], "use patient(seconds)"


def test_a_wait_ends_at_once_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = iter([False, False, True])
    wait_until(lambda: next(turns), turn_s=0.0)
    monkeypatch.setattr("tests.patience.FACTOR", 0.0)
    with pytest.raises(AssertionError, match="not so within 0 s"):
        wait_until(lambda: False)
