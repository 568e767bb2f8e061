"""Rows of `selfplay score`: completions in a JSONL file, checked, and with their scores added."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from envs import rows
from envs.errors import InputError
from envs.task import Task
from envs.text import clean_text
from rewards import RewardResult

_ADDED = ("verdict", "value", "parts", "evidence")


def with_score(row: Mapping[str, Any], result: RewardResult) -> dict[str, Any]:
    """Return the row with verdict, value, parts and evidence added."""
    return {
        **row,
        "verdict": result.verdict,
        "value": result.value,
        "parts": result.parts,
        "evidence": result.evidence,
    }


def refuse_taken(row: Mapping[str, Any], where: str) -> None:
    """Raise InputError if the row has a key that scoring writes."""
    taken = next((key for key in _ADDED if key in row), None)
    if taken is not None:
        raise InputError(f"{where}: key '{taken}' is one that scoring writes; rename it")


def read_rows(
    source: Path, task_of: Callable[[dict[str, Any], str], Task]
) -> list[tuple[dict[str, Any], Task]]:
    """Return the checked rows of a file with their tasks, all before the first is scored.

    A row has its `completion`; `task_of` finds its task from the row and its place.

    Raises:
        InputError: names file:line, the fault and the mend.
    """
    return [(row, task_of(row, where)) for where, row in _checked(source)]


def completion_of(row: Mapping[str, Any]) -> str:
    """Return the completion of a row as a model's text is cleaned in a run."""
    return clean_text(str(row["completion"]))


def text_of(row: Mapping[str, Any], key: str, where: str) -> str:
    """Return the text under a key of a row. Raises InputError where there is none."""
    value = row.get(key)
    if not isinstance(value, str):
        fault = "is missing" if key not in row else "is not text"
        raise InputError(f"{where}: key '{key}' {fault}")
    return value


def _checked(source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, row in rows.read_rows(source):
        text_of(row, "completion", where)
        refuse_taken(row, where)
        yield where, row
